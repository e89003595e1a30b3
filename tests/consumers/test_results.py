"""Results come from their modules, which are imported once a name is asked for."""

import subprocess
import sys

import pytest

from coalmine_consumers import results


def test_every_name_is_there_and_says_where_it_is_from() -> None:
    for name in results.__all__:
        found = getattr(results, name)
        assert getattr(found, "__module__", "").startswith((results.__name__, "typing")), name


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = results.Nonsense


def test_what_most_commands_show_imports_one_module() -> None:
    program = (
        "import sys; from coalmine_consumers.results import VersionRow;"
        "print(*(name for name in sys.modules if name.startswith('coalmine_consumers.results.')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["coalmine_consumers.results.measures"]

"""What our documents show works: blocks of code are run, parsed or checked, links lead somewhere."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coalmine_server.settings import SETTING_KEYS
from tests.support.repository.documents import LANGUAGES, check_data, follow, run_bash, run_python
from tests.support.repository.markdown import Block, blocks, links
from tests.support.repository.tree import ROOT, tracked_files

_DOCUMENTS = [
    path for path in tracked_files() if path.suffix == ".md" and path.parts[0] not in {"tests", "schemas"}
]
_BLOCKS = [block for path in _DOCUMENTS for block in blocks(ROOT / path)]
_SETTINGS = {key.name: key for key in SETTING_KEYS}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


_RUN = [block for block in _BLOCKS if not block.skip]
_FOLLOWED = {
    "README.md": ("# Timeline of support-refund",),
    "docs/tutorial.md": (
        "prod serves support-refund@1.0.0",  # approved
        "undecided: right",  # the gate, on few cases
        "complete: completed",
        "rolled back at",
        # The limit is broken or harm is shown, whichever comes first.
        re.compile(r"limit: error_rate of|harm: worse in (?:\w+,\s+)*error_rate"),
        "before 1.1.0",  # the panic
        "Rolled back",  # the alert
        "# Timeline of support-refund",
        "harm shown: 1 case that must pass did not",
        "not shipped",
        "no longer frozen",
    ),
}
"""Documents whose blocks are steps, each in the folder that those before it leave; and what is printed."""
_STEPS = [block for block in _BLOCKS if _name(block.path) in _FOLLOWED]
_EXAMPLES = [block for block in _BLOCKS if block.path.relative_to(ROOT).parts[0] == "examples"]
"""Steps, too, which `tests/examples` follow, with programs of their own beside ours."""
_PYTHON = [block for block in _RUN if block.language == "python" and block not in _STEPS]


def _of(language: str) -> list[Any]:
    return [pytest.param(block, id=str(block)) for block in _RUN if block.language == language]


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty COALMINE_HOME to work in, and none of our variables but those a README would have one set."""
    for name in [name for name in os.environ if name.startswith("COALMINE_") and "_TEST_" not in name]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COALMINE_HOME", str(tmp_path))
    monkeypatch.setenv("COALMINE_APP", "readme")
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_there_is_a_readme() -> None:
    assert Path("README.md") in _DOCUMENTS
    assert Path("CONTRIBUTING.md") in _DOCUMENTS


def test_every_block_says_what_it_is() -> None:
    wrong = [
        f"{block}: {block.language or 'no language'}" for block in _BLOCKS if block.language not in LANGUAGES
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("block", _of("bash"))
def test_shell_blocks_work(block: Block, tmp_path: Path) -> None:
    run_bash(block, tmp_path, only_check=block in _STEPS or block in _EXAMPLES)


@pytest.mark.parametrize("document", list(_FOLLOWED))
def test_a_document_works_for_whoever_follows_it_in_an_empty_folder(tmp_path: Path, document: str) -> None:
    steps = [block for block in _STEPS if _name(block.path) == document]
    assert not [block for block in steps if block.skip or block.setup], "readers see no hidden set-up"
    printed = follow(steps, tmp_path)
    patterns = [re.escape(each) if isinstance(each, str) else each for each in _FOLLOWED[document]]
    missing = [pattern for pattern in patterns if not re.search(pattern, printed)]
    assert missing == [], f"not in what was printed:\n{printed}"


@pytest.mark.parametrize("path", sorted({block.path for block in _PYTHON}), ids=_name)
def test_python_blocks_work(path: Path, own_home: Path) -> None:
    """One test for each document: a block builds on the names of those before it."""
    assert own_home.is_dir()
    namespace = {"__name__": "__readme__"}
    for block in _PYTHON:
        if block.path == path:
            run_python(block, namespace)


@pytest.mark.parametrize("block", [*_of("json"), *_of("yaml"), *_of("toml")])
def test_data_blocks_can_be_read(block: Block) -> None:
    check_data(block, _SETTINGS)


@pytest.mark.parametrize("path", _DOCUMENTS, ids=str)
def test_links_into_the_repository_lead_somewhere(path: Path) -> None:
    folder = (ROOT / path).parent
    wrong = [
        target
        for target in links(ROOT / path)
        if not target.startswith(("http://", "https://", "mailto:", "#"))
        and not (folder / target.partition("#")[0]).exists()
    ]
    assert not wrong, "\n".join(wrong)

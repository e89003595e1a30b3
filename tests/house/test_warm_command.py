"""What stands in for starting the command anew behaves as if it had been."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.processes.coalmine_process import COMMAND, environment
from tests.support.processes.warm_command import warm_command


def run(*arguments: str, home: Path, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    return warm_command().run(arguments, environment=environment(home), folder=home, timeout_s=timeout_s)


@pytest.mark.parametrize("arguments", [("versions", "--json"), ("no-such-command",), ("--version",)])
def test_it_says_and_returns_what_the_command_does(arguments: tuple[str, ...], tmp_path: Path) -> None:
    anew = subprocess.run(
        [*COMMAND, *arguments],
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    warm = run(*arguments, home=tmp_path)
    assert warm.returncode == anew.returncode
    assert warm.stdout == anew.stdout
    assert warm.stderr.replace("coalmine", "-c") == anew.stderr.replace("coalmine", "-c")


def test_nothing_of_one_command_is_left_for_the_next(tmp_path: Path) -> None:
    os.environ["COALMINE_NOT_FOR_IT"] = "1"
    try:
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            shown = run("settings", "show", home=tmp_path / name)
            assert shown.returncode == 0
            assert str(tmp_path / name) in shown.stdout
    finally:
        del os.environ["COALMINE_NOT_FOR_IT"]


def test_a_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run("serve", "--port", "0", home=tmp_path, timeout_s=0.5)

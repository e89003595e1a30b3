"""The warm command behaves like a command that is started from nothing."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import COMMAND, environment
from tests.support.processes.warm_command import WarmCommand, warm_command


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


def test_a_started_command_is_watched_and_ended_like_any_process(tmp_path: Path) -> None:
    for end, status in ((signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)):
        with (tmp_path / "log").open("wb") as log:
            process = warm_command().start(
                ["serve", "--port", "0"],
                environment=environment(tmp_path),
                folder=tmp_path,
                stdout=log,
                stderr=log,
            )
        eventually(lambda: "listens on" in (tmp_path / "log").read_text("utf-8"), what="listening")
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.send_signal(end)
        assert process.wait(60) == status
        assert process.poll() == status
        process.kill()  # without effect, also where the process id is another's by now


def test_one_that_others_started_is_used_and_not_ended(tmp_path: Path) -> None:
    other = WarmCommand(warm_command().address)
    shown = other.run(["--version"], environment=environment(tmp_path), folder=tmp_path, timeout_s=60)
    other.close()
    assert (shown.returncode, shown.stdout) == (0, run("--version", home=tmp_path).stdout)

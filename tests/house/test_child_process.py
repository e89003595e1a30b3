"""Servers that tests start end with the tests, whatever way those end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.processes.child_process import ChildProcess

_ROOT = Path(__file__).parents[2]
_SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
_STARTER = """
import sys, time
from pathlib import Path
from tests.support.processes.child_process import ChildProcess
folder = Path(sys.argv[1])
child = ChildProcess(
    [sys.executable, "-c", "import time; time.sleep(600)"],
    log_file=folder / "log",
    remove_with_us=[folder / "data"],
)
child.start()
print(child.pid, flush=True)
time.sleep(600)
"""


def _alive(pid: int) -> bool:
    """Whether the process runs; one that ended but was not collected yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_the_process_dies_with_its_starter_however_that_ends(how: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", _STARTER, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        start_new_session=True,
    ) as starter:
        assert starter.stdout is not None
        child_pid = int(starter.stdout.readline())
        assert _alive(child_pid)
        starter.send_signal(how)
        starter.wait(60)
    eventually(lambda: not _alive(child_pid), what="the end of the child")
    if (
        how is not signal.SIGINT
    ):  # Ctrl-C is an orderly end: there the owner deletes its folder, not the guard
        eventually(lambda: not (tmp_path / "data").exists(), what="deleting its folder")


def test_it_runs_again_after_a_kill_and_its_log_keeps_both_runs(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = ChildProcess(_SLEEP, log_file=log)
    child.start()
    try:
        first = child.pid
        eventually(lambda: log.read_text() == "up\n", what="the first line")
        child.kill()
        assert not child.running
        assert child.pid is None
        child.start()
        assert child.pid != first
        eventually(lambda: log.read_text() == "up\nup\n", what="the second line")
    finally:
        child.kill()
    assert child.log_tail() == "up\nup"


def test_stopping_kills_what_does_not_listen(tmp_path: Path) -> None:
    deaf = "from signal import *; signal(SIGTERM, SIG_IGN); print('up', flush=True); sigwait([SIGUSR1])"
    child = ChildProcess([sys.executable, "-c", deaf], log_file=tmp_path / "log")
    child.start()
    eventually(lambda: child.log_tail() == "up", what="the first line")
    child.stop(timeout_s=0.1)
    assert not child.running


def test_starting_twice_is_refused_and_ending_twice_is_not(tmp_path: Path) -> None:
    child = ChildProcess(_SLEEP, log_file=tmp_path / "log")
    child.start()
    try:
        with pytest.raises(RuntimeError, match="already running"):
            child.start()
    finally:
        child.kill()
        child.kill()
        child.stop()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_copy_of_the_starter_does_not_end_it(tmp_path: Path) -> None:
    child = ChildProcess(_SLEEP, log_file=tmp_path / "log")
    child.start()
    try:
        pid = os.fork()
        if pid == 0:
            child.kill()
            os._exit(0)
        os.waitpid(pid, 0)
        assert child.running
    finally:
        child.kill()

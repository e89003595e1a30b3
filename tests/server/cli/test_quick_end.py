"""The process of a command that only asks ends quickly, and leaves out nothing that has to be done."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes.coalmine_process import environment

_PROGRAM = """
import atexit, sys, threading, time
from coalmine_server.cli.quick_end import end_quickly, only_asks

class Freed:
    def __del__(self):
        print("freed object by object", flush=True)

kept = Freed()
kept.itself = kept  # found by nothing but the end of Python

def late():
    time.sleep(0.2)
    print("a thread was waited for")

def main():
    atexit.register(print, "functions were called")
    threading.Thread(target=late).start()
    {body}

end_quickly(main)
"""
_DONE = "a thread was waited for\nfunctions were called\n"
_FREED = "freed object by object\n"


def ended(body: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM.replace("{body}", body)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("end", "code"), [("pass", 0), ("sys.exit()", 0), ("sys.exit(3)", 3)])
def test_what_only_asks_ends_at_once_with_its_code_and_all_that_it_wrote(end: str, code: int) -> None:
    done = ended(f"only_asks(); {end}")
    assert (done.returncode, done.stdout, done.stderr) == (code, _DONE, "")


def test_what_writes_ends_as_python_does() -> None:
    assert ended("sys.exit(3)").stdout == _DONE + _FREED


@pytest.mark.parametrize(
    ("end", "said"), [("sys.exit('no')", "no"), ("raise OSError('full')", "OSError: full")]
)
def test_what_python_has_to_say_at_the_end_it_says(end: str, said: str) -> None:
    done = ended(f"only_asks(); {end}")
    assert done.returncode == 1
    assert done.stdout == _DONE + _FREED
    assert said in done.stderr


def test_the_program_ends_quickly_after_a_question_and_says_what_it_ended_with(tmp_path: Path) -> None:
    program = (
        "import os, sys; leave = os._exit; os._exit = lambda code: (os.write(1, b'at once'), leave(code));"
        "from coalmine_server.cli import program; program()"
    )
    for arguments, code, at_once in (
        (["versions", "--json"], 0, True),
        (["versions", "--prompt", "nope"], 2, True),
        (["settings", "show", "--json"], 0, False),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout.endswith("at once")) == (code, at_once), (arguments, done.stderr)

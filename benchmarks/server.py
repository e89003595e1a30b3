"""A `coalmine serve` in a process of its own, and the environment its commands run in."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

GIVE_UP_S = 60.0


def coalmine(*arguments: str) -> list[str]:
    """The command line of a `coalmine` command, with this interpreter."""
    return [sys.executable, "-c", "from coalmine_server.cli import program; program()", *arguments]


def environment(home: Path, **settings: str) -> dict[str, str]:
    """This process's environment with one home and these settings, and no other setting of Coalmine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COALMINE_")}
    given = {f"COALMINE_{name.upper()}": value for name, value in settings.items()}
    return {**kept, "COALMINE_HOME": str(home), "COALMINE_LOG_LEVEL": "warning", **given}


@contextmanager
def serving(home: Path, env: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], str, str]]:
    """A ready server: its process, URL and token.

    Raises:
        RuntimeError: It did not become ready, or did not exit with 0.
    """
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(
            coalmine("serve", "--port", "0"), env=env, cwd=home, stdout=log, stderr=log
        )
    try:
        url = _ready_url(home, process)
        yield process, url, (home / "credentials").read_text(encoding="utf-8").strip()
        process.send_signal(signal.SIGTERM)
        if process.wait(60) != 0:
            raise RuntimeError(f"the server failed on exit:\n{_log(home)}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _ready_url(home: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + GIVE_UP_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            url = str(json.loads((home / "server.json").read_text(encoding="utf-8"))["url"])
            if httpx2.get(f"{url}/readyz").is_success:
                return url
        except (FileNotFoundError, httpx2.HTTPError):
            pass
        time.sleep(0.1)
    raise RuntimeError(f"the server did not start:\n{_log(home)}")


def _log(home: Path) -> str:
    return (home / "server.log").read_text(encoding="utf-8", errors="replace")[-4000:]

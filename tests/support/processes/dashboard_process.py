"""The dashboard in a process of its own, as users start it."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2

from coalmine_schemas.discovery import read_local_token, viewer_key
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import environment
from tests.support.servers.ports import free_port


def link_of(url: str, home: Path) -> str:
    """The page with the key that signs a viewer in, as the command prints it."""
    return f"{url}/?key={viewer_key(read_local_token(home) or '')}"


@contextmanager
def dashboard_process(
    home: Path, env: Mapping[str, str] | None = None, *, port: int | None = None
) -> Iterator[str]:
    """Serves the page for a home directory; yields its URL."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    log_file = home / "dashboard.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "coalmine_dashboards", "--port", str(port)],
            env=environment(home, env),
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    def healthy() -> bool:
        assert process.poll() is None, log_file.read_text(encoding="utf-8")
        try:
            return httpx2.get(f"{url}/_stcore/health", trust_env=False).is_success
        except httpx2.TransportError:
            return False

    try:
        eventually(healthy, what="the dashboard's start")
        yield url
    finally:
        process.terminate()
        process.wait(30)

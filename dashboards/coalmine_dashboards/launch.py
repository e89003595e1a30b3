"""Starts Streamlit with this page: on the loopback interface, without prompts and usage statistics."""

import os
import runpy
import signal
import sys
import threading
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

__all__ = ["DEFAULT_HOST", "DEFAULT_PORT", "command", "end_with_stdin", "main", "page_file"]

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8501

_OPTIONS: Mapping[str, str] = {
    "server.headless": "true",  # does not open a browser
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": "false",
    # Set for each mode: a colour set for both would force the light theme.
    "theme.light.primaryColor": "#0072B2",
    "theme.dark.primaryColor": "#4FA8E0",
}


def page_file() -> Path:
    """Returns the script that Streamlit runs."""
    return Path(str(files("coalmine_dashboards") / "entry" / "dashboard.py"))


def command(host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> list[str]:
    """Returns the command line that serves the page.

    Args:
        host: Address to listen on. Everyone who can reach the page sees what its token may see, so expose
            it beyond the loopback interface with care.
        port: Port to listen on.
    """
    options = {"server.address": host, "server.port": str(port), **_OPTIONS}
    return [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(page_file()),
        *(f"--{name}={value}" for name, value in options.items()),
    ]


def main(host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> None:
    """Becomes the Streamlit server, which gets the signals and sets the exit code."""
    sys.argv = command(host, port)[2:]
    runpy.run_module("streamlit", run_name="__main__", alter_sys=True)


def end_with_stdin() -> None:
    """Ends this process once its standard input does, because the process at its other end has ended."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="end-with-stdin", daemon=True).start()

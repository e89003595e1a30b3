"""Starts Streamlit with this page: on the loopback interface, without prompts and usage statistics."""

import os
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import NoReturn

__all__ = ["DEFAULT_HOST", "DEFAULT_PORT", "command", "main", "page_file"]

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


def main(host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> NoReturn:
    """Replaces this process by the Streamlit server, which then gets the signals and sets the exit code."""
    line = command(host, port)
    os.execv(line[0], line)  # noqa: S606 - our own interpreter, no shell

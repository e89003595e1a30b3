"""Starts Streamlit with this page: on the loopback interface, asking nothing, telling nobody."""

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
    "server.headless": "true",  # opens no browser and asks for no e-mail address
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": "false",
    # Given for both, and not once for all: that would fix the page to light.
    "theme.light.primaryColor": "#0072B2",
    "theme.dark.primaryColor": "#4FA8E0",
}


def page_file() -> Path:
    """The script that Streamlit runs."""
    return Path(str(files("coalmine_dashboards") / "entry" / "dashboard.py"))


def command(host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> list[str]:
    """The command line that serves the page.

    Args:
        host: Address to listen on. The page shows what the token of its environment may see, to everyone
            who can reach it: think before leaving the loopback interface.
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
    """Become the Streamlit server: the same process, so signals and exit codes are its own."""
    line = command(host, port)
    os.execv(line[0], line)  # noqa: S606 - our own interpreter, no shell

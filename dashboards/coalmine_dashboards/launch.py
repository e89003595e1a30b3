"""Starts Streamlit with this page: on the loopback interface, without prompts and usage statistics."""

import os
import signal
import sys
import threading
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from coalmine_dashboards.connection import key_of_link
from coalmine_dashboards.identity import is_configured, is_https
from coalmine_dashboards.palette import Mode, colours_of
from coalmine_dashboards.sign_in import SignIn

__all__ = ["DEFAULT_HOST", "DEFAULT_PORT", "end_with_stdin", "main", "options_of", "page_file"]

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8501

_COLOURS: Mapping[Mode, Mapping[str, Any]] = {
    "light": {
        "primaryColor": "#0069A6",
        "linkColor": "#0069A6",
        "backgroundColor": "#FFFFFF",
        "borderColor": "#DCDAD6",
        "chartCategoricalColors": colours_of("light"),
        "sidebar.backgroundColor": "#F7F6F4",
    },
    "dark": {
        "primaryColor": "#4FA8E0",
        "linkColor": "#6FBBEC",
        "backgroundColor": "#171614",
        "borderColor": "#3A3834",
        "chartCategoricalColors": colours_of("dark"),
        "sidebar.backgroundColor": "#1E1C1A",
    },
}
_OPTIONS: Mapping[str, Any] = {
    "server.headless": True,  # does not open a browser
    "browser.gatherUsageStats": False,
    "logger.hideWelcomeMessage": True,  # its address lacks the key
    "client.toolbarMode": "minimal",
    # A full collection after each run costs more than the run; Python collects by itself.
    "runner.postScriptGC": False,
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": False,
    # Dense: much to see at once.
    "theme.baseFontSize": 15,
    "theme.headingFontSizes": ["1.7rem", "1.35rem", "1.1rem", "1rem", "1rem", "1rem"],
    "theme.headingFontWeights": 600,
    "theme.baseRadius": "small",
    "theme.linkUnderline": False,
    # Set for each mode: a colour set for both would force the light theme.
    **{
        f"theme.{mode}.{name}": value for mode, colours in _COLOURS.items() for name, value in colours.items()
    },
}


def page_file() -> Path:
    """Returns the script that Streamlit runs."""
    return Path(str(files("coalmine_dashboards") / "entry" / "dashboard.py"))


def options_of(host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> dict[str, Any]:
    """Returns Streamlit's settings for serving the page.

    Args:
        host: Address to listen on.
        port: Port to listen on.
    """
    return {"server.address": host, "server.port": port, **_OPTIONS}


def main(host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> None:
    """Serves the page until a signal ends it, and prints the link that signs a viewer in."""
    from starlette.middleware import Middleware  # noqa: PLC0415
    from streamlit.starlette import App  # noqa: PLC0415 - slow

    from coalmine_dashboards.parts.early import ask_early  # noqa: PLC0415
    from coalmine_dashboards.preloads import Preloads, begun_pages, scripts_of  # noqa: PLC0415 - Streamlit
    from coalmine_dashboards.undelayed import Undelayed  # noqa: PLC0415

    key = key_of_link(os.environ)
    sys.stderr.write(f"dashboard: http://{host}:{port}/?key={key}  (Ctrl-C stops it)\n")
    by_provider = is_configured()
    pages = begun_pages(by_provider=by_provider)
    middleware = [
        Middleware(Undelayed),
        Middleware(SignIn, key=key, by_provider=by_provider, https=is_https()),
        Middleware(Preloads, pages=pages, scripts=scripts_of(pages.values()), ask_early=ask_early),
    ]
    App(page_file(), middleware=middleware).run(config=options_of(host, port))


def end_with_stdin() -> None:
    """Ends this process once its standard input does, because the process at its other end has ended."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="end-with-stdin", daemon=True).start()

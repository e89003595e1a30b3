"""The system's Chromium, driven by Playwright."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class BrowserUnavailable(Exception):
    """There is no browser on this machine."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; Playwright's own where it is installed, else the system's.

    Raises:
        BrowserUnavailable: There is neither.
    """
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
        if not Path(path).exists():
            path = next(filter(None, map(shutil.which, _NAMES)), "")
        if not path:
            raise BrowserUnavailable(f"none of {', '.join(_NAMES)} is installed")
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        loop = asyncio._get_running_loop()
        try:
            yield browser
        finally:
            asyncio._set_running_loop(loop)  # may be hidden: without, the pipe to the browser breaks
            browser.close()

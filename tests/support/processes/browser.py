"""The system's Chromium, driven by Playwright."""

import asyncio
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
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


class KeptBrowser:
    """A browser that tests use one after the other: started by the first, and again when it has gone."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._browser: Browser | None = None

    def running(self) -> Browser:
        """The browser.

        Raises:
            BrowserUnavailable: There is none.
        """
        if self._browser is None or not self._browser.is_connected():
            self.close()
            self._browser = self._stack.enter_context(chromium())
        return self._browser

    @contextmanager
    def within(self, seconds: float) -> Iterator[Browser]:
        """The browser, for no longer than this: Playwright waits for ever for one that hangs.

        Then it is killed, and what waits for it fails.
        """
        timer = threading.Timer(seconds, _kill_browsers)
        timer.daemon = True
        timer.start()
        try:
            yield self.running()
        finally:
            timer.cancel()

    def close(self) -> None:
        """Ends the browser, if there is one."""
        self._browser = None
        self._stack.close()


def _kill_browsers() -> None:
    """Kills what the drivers of this process have started."""
    for driver in _children(os.getpid()):
        if b"run-driver" in Path(f"/proc/{driver}/cmdline").read_bytes():
            for browser in _children(driver):
                with suppress(ProcessLookupError):
                    os.killpg(browser, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text(encoding="ascii").split()]

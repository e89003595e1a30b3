"""A browser that looks at the dashboard over a real server with the demonstration's data."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, ViewportSize

from tests.support.processes.dashboard_process import link_of
from tests.support.processes.seen_page import WITHIN_MS
from tests.support.servers.demo_dashboard import VARIABLE, DemoDashboard, demo_dashboard

_PROBE = re.compile(r"/[a-z]+/_stcore/(health|host-config)$")
"""Streamlit's page asks below its own path first, where nothing is, unless it is told where to."""

VIEWPORT: Final[ViewportSize] = {"width": 1440, "height": 900}


def _is_fault(said: ConsoleMessage) -> bool:
    """A form for signing in comes with status 401."""
    known = _PROBE.search(said.location["url"]) or "401 (Unauthorized)" in said.text
    return said.type == "error" and not known


def _ours(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", None)


@pytest.fixture(scope="session")
def demo(browser: Browser, share_server: Callable[[str], None]) -> Iterator[DemoDashboard]:
    """All tests share it: leave its data as they are, or make your own beside them."""
    share_server(VARIABLE)
    with ExitStack() as stack:
        yield demo_dashboard(stack)


@pytest.fixture(scope="session")
def only_page(browser: Browser) -> Page:
    """All tests of a process share it: a page that has shown Streamlit before shows it in half the time."""
    context = browser.new_context(viewport=VIEWPORT)  # closed with the browser
    context.set_default_timeout(WITHIN_MS)
    return context.new_page()


@pytest.fixture
def stranger(only_page: Page) -> Iterator[Page]:
    """A page of nobody we know, whose scripts may not fail or complain, and that asks dashboards alone."""
    failures: list[str] = []
    listeners: dict[Any, Callable[[Any], None]] = {
        "pageerror": lambda error: failures.append(str(error)),
        "console": lambda said: failures.append(said.text) if _is_fault(said) else None,
        "request": lambda asked: None if _ours(asked.url) else failures.append(asked.url),
    }
    only_page.set_viewport_size(VIEWPORT)
    only_page.emulate_media(color_scheme="light")
    for event, listener in listeners.items():
        only_page.on(event, listener)
    yield only_page
    for event, listener in listeners.items():
        only_page.remove_listener(event, listener)
    only_page.goto("about:blank")
    only_page.context.clear_cookies()
    assert failures == []


@pytest.fixture
def page(stranger: Page, demo: DemoDashboard) -> Iterator[Page]:
    """A signed-in viewer's, who need not see a page for that: told where Streamlit is, it need not try."""
    assert stranger.context.request.get(link_of(demo.url, demo.home)).ok
    tried: list[str] = []

    def note(asked: Request) -> None:
        if _PROBE.search(asked.url):
            tried.append(asked.url)

    stranger.on("request", note)
    yield stranger
    stranger.remove_listener("request", note)
    assert tried == []

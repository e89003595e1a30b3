"""A browser that looks at the dashboard over a real server with the demonstration's data."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.support.processes.dashboard_process import link_of
from tests.support.processes.seen_page import WITHIN_MS
from tests.support.servers.demo_dashboard import VARIABLE, DemoDashboard, demo_dashboard

_PROBE = re.compile(r"/[a-z]+/_stcore/(health|host-config)$")
"""Streamlit's page asks below its own path first, where nothing is, and then at the root."""


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


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[[], Page]]:
    """Makes pages whose scripts may not fail or complain, and that talk to nobody but the dashboard."""
    failures: list[str] = []
    with ExitStack() as stack:

        def make() -> Page:
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            stack.callback(context.close)
            context.set_default_timeout(WITHIN_MS)
            page = context.new_page()
            page.on("pageerror", lambda error: failures.append(str(error)))
            page.on("console", lambda said: failures.append(said.text) if _is_fault(said) else None)
            page.on("request", lambda asked: None if _ours(asked.url) else failures.append(asked.url))
            return page

        yield make
    assert failures == []


@pytest.fixture
def page(new_page: Callable[[], Page], demo: DemoDashboard) -> Page:
    """A signed-in viewer's."""
    page = new_page()
    page.goto(link_of(demo.url, demo.home))
    return page

"""Pages of the dashboard without a browser, by Streamlit's own test harness over a real HTTP server."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner

from coalmine_dashboards.parts import live
from coalmine_dashboards.parts.viewer import client_for
from tests.support.doubles.dashboard_api import DashboardApi
from tests.support.doubles.opened_page import Open, opened_page


@pytest.fixture(scope="session", autouse=True)
def no_components_of_installed_packages() -> Iterator[None]:
    """The harness begins each run of a page with the metadata of all packages: nine tenths of its time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", list)  # our pages have none
        yield


@pytest.fixture(autouse=True)
def same_main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """The harness leaves the page as the process's main module, which new processes would run."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture(autouse=True)
def no_cookies(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for who opens a page that nothing stands before: the harness has something else in their place."""
    monkeypatch.setattr(type(st.context), "cookies", {})


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How often each part of a page that refreshes itself is meant to, in seconds, as it is drawn."""
    found: list[float] = []

    def pause_s(every_s: float, _takes_s: float) -> float:
        found.append(every_s)
        return every_s

    monkeypatch.setattr(live, "pause_s", pause_s)
    return found


@pytest.fixture
def open_page(
    request: pytest.FixtureRequest, api: DashboardApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Open]:
    """Runs the page that the module's `PAGE` names, against its `api`, as if its address had this query."""
    monkeypatch.setenv("COALMINE_HOME", str(tmp_path))
    monkeypatch.setenv("COALMINE_SERVER_URL", api.url)
    monkeypatch.delenv("COALMINE_TOKEN", raising=False)
    yield partial(opened_page, request.module.PAGE)
    client_for.clear()
    st.cache_data.clear()

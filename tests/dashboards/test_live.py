"""Parts of pages while the server fails them: what stays, what goes, and that nobody is asked without end."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from coalmine_dashboards.api import ApiError, NotFound, Unauthorised, Unreachable
from coalmine_dashboards.parts import live as module
from coalmine_dashboards.parts.live import LONGEST_S, REFRESH_S, pause_s
from coalmine_dashboards.parts.viewer import client, client_for
from coalmine_registry.records import Caller
from coalmine_registry.roles import Role
from tests.support.doubles.dashboard_api import DashboardApi, problem
from tests.support.doubles.opened_page import opened_page
from tests.support.doubles.rollout_answers import dumped

URL = "http://server"
PART = """
import streamlit as st
from coalmine_dashboards.parts.live import live

def fetch():
    if (error := st.session_state.get("fetching")) is not None:
        raise error
    return "figures"

def draw(data):
    st.markdown(data)
    if (error := st.session_state.get("drawing")) is not None:
        raise error

live("part", fetch, draw, every_s=None)
"""


def drawn(page: AppTest) -> list[str]:
    assert not page.exception
    return [each.value for each in page.markdown]


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (Unreachable(URL, "refused"), True),
        (Unauthorised(URL, "another server", had_token=False), True),
        (Unauthorised(URL, "this token was revoked", had_token=True), False),
    ],
)
def test_the_last_data_stay_unless_they_are_no_longer_for_the_viewer(error: ApiError, stays: bool) -> None:
    page = AppTest.from_string(PART).run()
    page.session_state["fetching"] = error
    page.run()
    assert drawn(page) == ["figures"] * stays
    assert error.detail in page.error[0].value
    page.run()
    assert drawn(page) == ["figures"] * stays, "they do not come back"


@pytest.mark.parametrize(
    ("every_s", "error", "soon"),
    [
        ("None", Unreachable(URL, "refused"), True),
        ("60.0", Unreachable(URL, "refused"), True),
        ("60.0", NotFound(URL, "no such prompt"), False),
        ("3.0", Unreachable(URL, "refused"), False),
    ],
)
def test_what_is_refreshed_rarely_is_asked_for_soon_once_the_server_is_away(
    every_s: str, error: ApiError, soon: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    again: list[object] = []
    monkeypatch.setattr(module, "draw_again_once", again.append)
    page = AppTest.from_string(PART.replace("every_s=None", f"every_s={every_s}"))
    page.session_state["fetching"] = error
    assert drawn(page.run()) == []
    assert bool(again) is soon


def test_what_only_drawing_asks_for_fails_in_words_and_the_last_data_stay() -> None:
    page = AppTest.from_string(PART).run()
    page.session_state["drawing"] = Unreachable(URL, "refused")
    page.run()
    assert "refused" in page.error[0].value
    page.session_state["fetching"] = Unreachable(URL, "refused")
    page.run()
    assert drawn(page) == ["figures"]
    assert len(page.error) == 1


def test_what_is_drawn_first_may_have_been_asked_before_so_only_refreshes_are_known_to_be_quick() -> None:
    module._TAKES_S["part"] = 100.0
    page = AppTest.from_string(PART).run()
    assert module._TAKES_S["part"] == 100.0
    page.run()
    assert module._TAKES_S["part"] == pytest.approx(50.0, abs=10)
    del module._TAKES_S["part"]
    AppTest.from_string(PART).run()
    assert 0 <= module._TAKES_S.pop("part") < 10


@pytest.mark.parametrize(
    ("every_s", "takes_s", "pause"),
    [
        (REFRESH_S, 0.0, REFRESH_S),
        (REFRESH_S, 0.05, REFRESH_S),
        (REFRESH_S, 0.4, 12.0),
        (REFRESH_S, 60.0, LONGEST_S),
        (120.0, 60.0, 120.0),
    ],
)
def test_what_takes_the_server_long_is_asked_for_less_often(
    every_s: float, takes_s: float, pause: float
) -> None:
    assert pause_s(every_s, takes_s) == pytest.approx(pause)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DashboardApi]:
    caller = dumped(Caller("dana", Role.READER, None))
    with DashboardApi({"/v1/whoami": lambda _query: caller, "/v1/wins": lambda _query: "x"}) as api:
        monkeypatch.setenv("COALMINE_HOME", str(tmp_path))
        monkeypatch.setenv("COALMINE_SERVER_URL", api.url)
        monkeypatch.delenv("COALMINE_TOKEN", raising=False)
        yield api
    client_for.clear()


def test_a_page_that_fails_while_the_server_knows_the_viewer_asks_once(
    api: DashboardApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coalmine_dashboards.pages.wins.show", lambda: client().read("/v1/wins", int))
    page = opened_page("wins")
    assert "Unexpected answer" in page.error[0].value
    assert [path for path, _query in api.asked].count("/v1/wins") == 1


@pytest.mark.parametrize(("status", "tries"), [(503, True), (403, False), (404, False)])
def test_a_page_is_drawn_again_only_where_that_may_help(
    api: DashboardApi, monkeypatch: pytest.MonkeyPatch, status: int, tries: bool
) -> None:
    monkeypatch.setattr("coalmine_dashboards.pages.wins.show", lambda: client().read("/v1/wins", int))
    again: list[object] = []
    monkeypatch.setattr("coalmine_dashboards.app.draw_again_once", again.append)
    api.handlers["/v1/wins"] = lambda _query: (status, problem("some", status, "no"))
    assert not opened_page("wins").exception
    assert bool(again) is tries

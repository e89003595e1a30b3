"""A page's first questions are asked when its HTML is, and the page then asks none of them again."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st

from coalmine_consumers.results import Timeseries
from coalmine_dashboards.api import ApiClient, Unreachable
from coalmine_dashboards.pages import wins
from coalmine_dashboards.parts import early as module
from coalmine_dashboards.parts.early import answer, ask_early
from coalmine_dashboards.parts.links import PageName
from coalmine_dashboards.parts.viewer import client_for
from coalmine_dashboards.sign_in import SESSIONS
from tests.support.data.drift_answers import drift_handlers
from tests.support.data.money_answers import a_group, a_saving, a_spending, costs_of, savings_of
from tests.support.data.prompt_answers import NOW, a_version, facets_of, page_of, served
from tests.support.doubles.dashboard_api import DashboardApi
from tests.support.doubles.measured_simulation import ingest_status
from tests.support.doubles.opened_page import html, opened_page
from tests.support.eventually import eventually

FACETS = facets_of({"refund": ["1.0.0"], "summarize": ["1.0.0"]})


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DashboardApi]:
    handlers: dict[str, Any] = drift_handlers() | {
        "/v1/facets": lambda _query: FACETS,
        "/v1/ingest": lambda _query: ingest_status(NOW),
        "/v1/versions": lambda _query: page_of(a_version("refund", "1.0.0", 10)),
        "/v1/timeseries": lambda _query: served(Timeseries("hour", [], None)),
        "/v1/deployment-marks": lambda _query: page_of(),
        "/v1/model-calendar": lambda _query: page_of(),
        "/v1/timeline": lambda _query: page_of(),
        "/v1/costs": lambda query: served(costs_of(a_group("refund", 30.0), by=query["by"])),
        "/v1/spending": lambda _query: served(a_spending()),
        "/v1/savings": lambda _query: served(savings_of(a_saving("1.1.0", 0.5, 0.2))),
        "/v1/wins": lambda _query: 1,
    }
    monkeypatch.setattr(module, "_EARLY", module._Early())
    monkeypatch.setenv("COALMINE_HOME", str(tmp_path))
    with DashboardApi(handlers) as api:
        monkeypatch.setenv("COALMINE_SERVER_URL", api.url)
        monkeypatch.delenv("COALMINE_TOKEN", raising=False)
        yield api
    client_for.clear()
    st.cache_data.clear()


@pytest.fixture
def session() -> Iterator[str]:
    made = SESSIONS.begin(None)
    yield made
    SESSIONS.end(made)


def asked(api: DashboardApi) -> Counter[str]:
    return Counter(path for path, _query in api.asked)


@pytest.mark.parametrize(
    ("page", "query", "first"),
    [
        ("prompt", {}, ["facets", "versions", "timeseries", "ingest", "deployment-marks"]),
        ("prompt", {"prompt": "refund", "environment": "prod", "time": "24h"}, ["versions", "timeseries"]),
        ("costs", {}, ["facets", "costs", "spending", "savings"]),
        ("costs", {"by": "model", "prompt": "refund", "time": "30d"}, ["costs", "spending", "savings"]),
        ("costs", {"by": "segment", "to_model": "gpt-4o"}, ["facets", "spending"]),
        ("drift", {}, ["facets", "drifts", "model-calendar", "versions", "model-flags"]),
        ("drift", {"prompt": "summarize", "environment": "prod"}, ["drift", "timeseries", "versions"]),
    ],
)
def test_a_page_takes_what_was_asked_early_and_asks_none_of_it_again(
    api: DashboardApi, session: str, page: PageName, query: dict[str, str], first: list[str]
) -> None:
    ask_early(page, session, query)
    paths = {f"/v1/{name}" for name in first}
    eventually(lambda: paths <= asked(api).keys(), what="the first questions")
    opened = opened_page(page, **query)
    # What the page shows over time has the facets of its own time.
    expected = dict.fromkeys(paths, 1) | ({"/v1/facets": 2} if page == "prompt" else {})
    assert {path: times for path, times in asked(api).items() if path in expected} == expected
    assert ("summarize" if page == "drift" else "refund") in html(opened)
    opened.run()
    assert asked(api)["/v1/facets"] > expected.get("/v1/facets", 1)


def test_only_a_viewers_questions_are_asked_and_only_of_pages_that_say_which(
    api: DashboardApi, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        wins, "first_questions", lambda _query: {"x": lambda got: got.read("/v1/wins", int)}, False
    )
    for page, who in (("prompt", None), ("prompt", "ended"), ("now", session), ("wins", session)):
        ask_early(page, who, {})  # type: ignore[arg-type]
    eventually(lambda: asked(api)["/v1/wins"], what="the last of them")
    assert asked(api).keys() == {"/v1/wins"}


def of_wins(monkeypatch: pytest.MonkeyPatch, question: module.Question[int]) -> None:
    monkeypatch.setattr(wins, "first_questions", lambda _query: {"x": question}, False)


def until_asked(session: str) -> None:
    ask_early("wins", session, {})
    eventually(lambda: module._EARLY._found, what="the question")


def test_an_answer_is_given_once_while_it_is_fresh(
    api: DashboardApi, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_wins(monkeypatch, lambda _asked: 1)
    until_asked(session)
    assert [answer("x", lambda _asked: 2) for _ in range(2)] == [1, 2]
    monkeypatch.setattr(module, "FRESH_S", 0.0)
    until_asked(session)
    time.sleep(0.001)
    assert answer("x", lambda _asked: 2) == 2
    assert not asked(api)


@pytest.mark.usefixtures("api")
def test_a_failure_is_the_pages(session: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def question(asked: ApiClient) -> int:
        raise Unreachable(asked.url, "refused")

    of_wins(monkeypatch, question)
    until_asked(session)
    with pytest.raises(Unreachable, match="refused"):
        answer("x", lambda _asked: 2)
    assert answer("x", lambda _asked: 2) == 2


def test_what_no_page_comes_for_is_forgotten(
    api: DashboardApi, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST", 3)
    for prompt in "abcde":
        monkeypatch.setattr(wins, "first_questions", lambda query: {query["prompt"]: lambda _: 1}, False)
        ask_early("wins", session, {"prompt": prompt})
        eventually(lambda: prompt in str([*module._EARLY._found]), what="the question")  # noqa: B023
    assert len(module._EARLY._found) == 3
    assert not asked(api)

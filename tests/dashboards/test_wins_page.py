"""The page of wins, by Streamlit's own test harness against a real HTTP server."""

from collections.abc import Iterator
from typing import Any

import pytest

from coalmine_analytics.results.catalogue import MetricRow
from tests.dashboards.test_costs_page import FACETS, answer, captions
from tests.support.data.money_answers import a_shipped, an_effect, wins_of
from tests.support.data.prompt_answers import HOSTILE, page_of
from tests.support.doubles.dashboard_api import DashboardApi
from tests.support.doubles.opened_page import Open, html

PAGE = "wins"
THUMBS = an_effect(
    "thumbs_up_rate",
    unit="share",
    effect=0.01,
    lower=-0.01,
    upper=0.03,
    verdict="not worse",
    control_value=0.9,
)
BACK = a_shipped(
    "1.2.0",
    2,
    an_effect(verdict="worse", effect=-0.06, lower=-0.09, upper=-0.03),
    outcome="rolled back",
    lead_time_s=None,
    exposed_share=0.019,
    out_s=1_260.0,
)


@pytest.fixture
def api() -> Iterator[DashboardApi]:
    found = wins_of(a_shipped("1.0.1", 9, an_effect(), THUMBS), a_shipped("1.1.0", 5, an_effect()), BACK)
    quality, thumbs = (
        MetricRow(name, "mean", "", "higher", "must_prove", "0.01", "0", "auto", name != "quality", "")
        for name in ("quality", "thumbs_up_rate")
    )
    handlers: dict[str, Any] = {
        "/v1/facets": lambda _parameters: FACETS,
        "/v1/wins": answer(found),
        "/v1/metrics": lambda _parameters: page_of(quality, thumbs),
    }
    with DashboardApi(handlers) as opened:
        yield opened


def test_it_says_what_each_version_brought_and_all_together(open_page: Open) -> None:
    shown = html(open_page())
    assert "quality <b>+5 %</b> (+2.5 to +7.5), better" in shown
    assert "+10 % (" in shown  # 1.05 * 1.05
    assert "+1 points (\N{MINUS SIGN}1 to +3)" in shown
    assert "cannot be told from none" in shown
    assert ">better" in shown
    assert "rollouts?rollout=ro-1.1.0" in shown


def test_it_says_how_fast_and_how_safely_versions_ship(open_page: Open) -> None:
    shown = html(open_page())
    for words in ("1 of 3", "33 % (6 % to 79 %)", "26.0 h", "21 min", "1.9 %"):
        assert words in shown, words


def test_the_address_chooses_prompt_time_and_metrics(open_page: Open, api: DashboardApi) -> None:
    name = "summarize thumbs_up_rate (prod)"
    page = open_page(prompt="summarize", environment="prod", time="30d", metric=name)
    asked = dict(next(query for path, query in api.asked if path == "/v1/wins"))
    assert asked.pop("since")
    assert asked == {"prompt": "summarize", "environment": "prod"}
    assert page.multiselect(key="metric").value == [name]


def test_hostile_names_are_shown_as_text(open_page: Open, api: DashboardApi) -> None:
    shipped = a_shipped("1.0.1", 9, an_effect(HOSTILE), prompt=HOSTILE, rollout=HOSTILE)
    api.handlers["/v1/wins"] = answer(wins_of(shipped))
    shown = html(open_page())
    assert "<img" not in shown
    assert "&lt;img" in shown


def test_empty_states_say_what_to_do(open_page: Open, api: DashboardApi) -> None:
    api.handlers["/v1/wins"] = answer(wins_of())
    page = open_page()
    assert "No rollout has ended" in page.info[0].value
    assert "coalmine rollout start" in html(page)
    api.handlers["/v1/wins"] = answer(wins_of(BACK))
    page = open_page()
    assert "had a metric measured" in captions(page)

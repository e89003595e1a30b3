"""The page Explain, by Streamlit's own test harness against a real HTTP server."""

from collections.abc import Iterator
from typing import Any

import pytest

from coalmine_analytics.results.catalogue import MetricRow
from tests.support.data.prompt_answers import a_version, an_explanation, facets_of, page_of, served
from tests.support.doubles.dashboard_api import DashboardApi, problem
from tests.support.doubles.opened_page import Open, html

PAGE = "explain"
FACETS = facets_of({"summarize": ["1.1.0"], "support-refund": ["1.2.0", "1.3.0", "1.4.0"]})


def a_metric(name: str) -> MetricRow:
    return MetricRow(name, "mean", "", "higher", "must_prove", "0.1", "0.01", "auto", True, "")


@pytest.fixture
def api() -> Iterator[DashboardApi]:
    handlers: dict[str, Any] = {
        "/v1/facets": lambda _parameters: FACETS,
        "/v1/metrics": lambda _parameters: page_of(a_metric("error_rate"), a_metric("quality")),
        "/v1/explain": lambda _parameters: served(an_explanation()),
        "/v1/versions": lambda _parameters: page_of(a_version("support-refund", "1.4.0", 100)),
    }
    with DashboardApi(handlers) as found:
        yield found


def asked(api: DashboardApi) -> dict[str, str]:
    return [parameters for path, parameters in api.asked if path == "/v1/explain"][-1]


def test_two_versions_are_explained_with_every_part_and_its_interval(
    open_page: Open, api: DashboardApi
) -> None:
    page = open_page(prompt="support-refund", a="1.3.0", b="1.4.0", metric="quality", time="7d")
    question = asked(api)
    assert {name: question[name] for name in ("prompt", "a", "b", "metric")} == {
        "prompt": "support-refund",
        "a": "1.3.0",
        "b": "1.4.0",
        "metric": "quality",
    }
    assert "since" in question
    shown = html(page)
    assert "\N{MINUS SIGN}0.05" in shown
    assert "\N{MINUS SIGN}0.07 to \N{MINUS SIGN}0.03" in shown
    assert "language: de" in shown
    assert "5,000 requests of 2,100 units" in shown
    assert "<img" not in shown
    assert len(page.get("vega_lite_chart")) == 3
    assert "Associations, not causes" in " ".join(each.value for each in page.caption)


def test_the_newest_two_versions_are_compared_unless_the_address_names_others(
    open_page: Open, api: DashboardApi
) -> None:
    page = open_page(prompt="support-refund")
    assert (asked(api)["a"], asked(api)["b"]) == ("1.3.0", "1.4.0")
    page.selectbox(key="b").select("1.2.0").run()
    assert not page.exception
    assert (asked(api)["a"], asked(api)["b"]) == ("1.3.0", "1.2.0")


def test_a_prompt_with_one_version_is_compared_with_its_past(open_page: Open, api: DashboardApi) -> None:
    open_page(prompt="summarize", time="24h")
    question = asked(api)
    assert "a" not in question
    assert "since" in question


def test_a_prompt_without_quality_is_asked_about_another_metric(open_page: Open, api: DashboardApi) -> None:
    unrated = a_version("summarize", "1.1.0", 100, quality_mean=None)
    api.handlers["/v1/versions"] = lambda _parameters: page_of(unrated)
    page = open_page(prompt="summarize", time="24h")
    assert asked(api)["metric"] == "error_rate"
    assert page.selectbox(key="metric").options == ["error_rate"]


def test_all_time_has_no_time_before_it(open_page: Open, api: DashboardApi) -> None:
    page = open_page(prompt="summarize", time="all")
    assert "nothing before it" in page.info[0].value
    assert "/v1/explain" not in dict(api.asked)


def test_a_version_that_the_address_names_and_that_is_not_there_is_said(open_page: Open) -> None:
    page = open_page(prompt="support-refund", a="9.9.9", b="1.4.0")
    assert "9\\.9\\.9" in page.warning[0].value


def test_what_the_server_does_not_find_is_said_in_its_words(open_page: Open, api: DashboardApi) -> None:
    del api.handlers["/v1/explain"]
    page = open_page(prompt="support-refund")
    assert "no resource at" in page.info[0].value
    assert "other versions" in page.info[0].value


def test_a_prompt_too_young_to_be_compared_with_its_past_says_what_to_choose(
    open_page: Open, api: DashboardApi
) -> None:
    why = "no raw requests stored for summarize in the earlier period"
    hint = "`coalmine versions` shows when there were requests"
    api.handlers["/v1/explain"] = lambda _parameters: (404, problem("not-found", 404, f"{why}; {hint}"))
    page = open_page(prompt="summarize")
    assert not page.warning
    said = page.info[0].value
    assert why in said
    assert "Choose a shorter time above" in said
    assert "two versions" not in said
    assert "coalmine versions" not in said


def test_what_the_address_names_and_there_is_not_is_said_where_something_must_be_chosen(
    open_page: Open,
) -> None:
    page = open_page(prompt="gone", time="99z")
    said = " ".join(box.value for box in page.warning).replace("\\", "")
    assert "No prompt is called gone" in said
    assert "Shown instead: summarize" in said
    assert "No time is called 99z" in said
    page.selectbox(key="prompt").select("support-refund").run()
    assert "gone" not in " ".join(box.value for box in page.warning)


def test_what_the_address_names_is_chosen_once_it_is_there_unless_something_else_was(
    open_page: Open, api: DashboardApi
) -> None:
    waiting, busy = open_page(prompt="gone"), open_page(prompt="gone")
    busy.selectbox(key="prompt").select("support-refund").run()
    api.handlers["/v1/facets"] = lambda _parameters: facets_of(
        {"gone": ["1.0.0"], "summarize": ["1.1.0"], "support-refund": ["1.4.0"]}
    )
    assert waiting.run().selectbox(key="prompt").value == "gone"
    assert asked(api)["prompt"] == "gone"
    assert "No prompt is called" not in " ".join(box.value for box in waiting.warning)
    assert busy.run().selectbox(key="prompt").value == "support-refund"
    assert busy.selectbox(key="prompt").select("summarize").run().selectbox(key="prompt").value == "summarize"


def test_the_name_of_a_metric_is_shown_as_text(open_page: Open, api: DashboardApi) -> None:
    hostile = "![x](http://example.invalid/x.png)"
    api.handlers["/v1/explain"] = lambda _parameters: served(an_explanation(metric=hostile))
    api.handlers["/v1/metrics"] = lambda _parameters: page_of(a_metric(hostile))
    heading = next(
        each.value for each in open_page(prompt="support-refund").subheader if "goes with" in each.value
    )
    assert "![x](" not in heading

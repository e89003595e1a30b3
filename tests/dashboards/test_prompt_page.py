"""The page of one prompt, by Streamlit's own test harness against a real HTTP server."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from coalmine_alerts.results.alerts import Care
from coalmine_alerts.results.models import CalendarModel
from coalmine_analytics.results.breakdown import (
    Breakdown,
    BreakdownGroup,
    BreakdownMetric,
    BreakdownValue,
)
from coalmine_consumers.results import Timeseries, TimeseriesRow, VersionRow
from coalmine_registry.classify import Change, Classification
from coalmine_registry.provenance import VersionSource
from coalmine_registry.records import Diff, DiffLine, PromptSummary, VersionRecord
from coalmine_rollouts.records import AsShipped
from coalmine_server.results import TimelineItem
from tests.support.data.prompt_answers import HOSTILE, NOW, a_version, facets_of, page_of, served
from tests.support.doubles.dashboard_api import DashboardApi
from tests.support.doubles.measured_simulation import ingest_status
from tests.support.doubles.opened_page import Open, html

PAGE = "prompt"
PROMPT = "support-refund"
VERSIONS = [f"1.{place}.0" for place in range(12)]
FACETS = facets_of({PROMPT: VERSIONS})


def a_breakdown(by: str = "version", segment: str | None = None) -> Breakdown:
    names = ("1.3.0", "1.4.0", HOSTILE)
    groups = tuple(BreakdownGroup(name, 1_000, 400, NOW - timedelta(days=1), NOW) for name in names)
    values = (
        BreakdownValue("1.4.0", 400, 0.81, 0.79, 0.83, ("1.3.0",)),
        BreakdownValue("1.3.0", 400, 0.80, 0.78, 0.82, ("1.4.0",)),
        BreakdownValue(HOSTILE, 3, 0.60, None, None, ()),
    )
    words = "the best is one of 1.4.0, 1.3.0: they cannot be told apart from the first"
    quality = BreakdownMetric("quality", "", "higher", "must_prove", ("1.4.0", "1.3.0"), words, values)
    return Breakdown(PROMPT, by, None, segment, 0.05, 0.25, 2, groups, (quality,), ("tier",))  # type: ignore[arg-type]


def a_record(version: str, commit: str | None) -> VersionRecord:
    source = None if commit is None else VersionSource("https://example.com/r.git", commit, "dana", None)
    return VersionRecord(PROMPT, version, "sha256:0", "dana", NOW, "active", None, source, {})


def a_diff() -> Diff:
    lines = [DiffLine("removed", "-Be brief."), DiffLine("added", f"+{HOSTILE}")]
    change = Classification("1.3.0", "patch", (Change("the wording changed", "patch"),))
    return Diff(PROMPT, "1.3.0", "1.4.0", change, lines, None, None)


def an_hour(measured: VersionRow) -> TimeseriesRow:
    names = TimeseriesRow.__dataclass_fields__
    shared = {name: getattr(measured, name) for name in names if hasattr(measured, name)}
    return TimeseriesRow(**{**shared, "bucket_start": datetime.now(UTC) - timedelta(hours=2)})


def shipped() -> AsShipped:
    metric = {"metric": "quality", "unit": "", "role": "must_prove", "verdict": "not worse", "units": 900}
    numbers = {"value": 0.8, "effect": 0.01, "lower": -0.01, "upper": 0.03}
    own = {"value": 0.805, "lower": 0.79, "upper": 0.82}
    figures = {"units": 900, "against": "1.2.0", "metrics": [{**metric, **numbers, "own": own}]}
    return AsShipped("ro-1", PROMPT, "1.3.0", "prod", figures, NOW)


def happened() -> list[TimelineItem]:
    nothing: dict[str, Any] = {"reason": None, "rollout": None, "revision": None}
    return [
        TimelineItem(NOW, "version", None, "1.4.0", "register 1.4.0", "dana", **nothing),
        TimelineItem(
            NOW,
            "rollout",
            "prod",
            "1.4.0",
            "rollout ro-1: running",
            "rollout:ro-1",
            **{**nothing, "rollout": "ro-1"},
        ),
        TimelineItem(NOW, "model_change", "prod", "1.3.0", f"{HOSTILE} began to answer", None, **nothing),
    ]


@pytest.fixture
def api() -> Iterator[DashboardApi]:
    began = datetime.now(UTC) - timedelta(hours=1)
    model = CalendarModel("prod", "gpt-4o-2", [PROMPT], 1, 10, began, began, None, None, None)
    rows = [a_version(PROMPT, version, 100 * place + 1) for place, version in enumerate(VERSIONS)]
    summary = PromptSummary(PROMPT, "1.4.0", 2, NOW, NOW, {"prod": "1.3.0"})
    care = Care(owner="Team Refunds", runbook="https://example.com/run(book)")

    def breakdown(parameters: dict[str, str]) -> Any:
        return served(a_breakdown(parameters["by"], parameters.get("segment")))

    handlers: dict[str, Any] = {
        "/v1/facets": lambda _parameters: FACETS,
        "/v1/ingest": lambda _parameters: ingest_status(datetime.now(UTC)),
        "/v1/versions": lambda _parameters: page_of(*rows),
        "/v1/timeseries": lambda _parameters: served(Timeseries("hour", [an_hour(rows[4])], None)),
        "/v1/deployment-marks": lambda _parameters: page_of(),
        "/v1/model-calendar": lambda _parameters: page_of(model),
        "/v1/timeline": lambda _parameters: page_of(*happened()),
        "/v1/breakdown": breakdown,
        f"/v1/prompts/{PROMPT}": lambda _parameters: served(summary),
        f"/v1/prompts/{PROMPT}/care": lambda _parameters: served(care),
        f"/v1/prompts/{PROMPT}/versions": lambda _parameters: page_of(
            a_record("1.4.0", "0123456789abcdef"), a_record("1.3.0", None)
        ),
        f"/v1/prompts/{PROMPT}/diff": lambda _parameters: served(a_diff()),
        f"/v1/prompts/{PROMPT}/as-shipped": lambda _parameters: [served(shipped())],
    }
    with DashboardApi(handlers) as found:
        yield found


@pytest.fixture
def open_page(open_page: Open) -> Open:
    return lambda **query: open_page(prompt=PROMPT, **query)


def captions(page: AppTest) -> str:
    return " ".join(each.value for each in page.caption)


def test_the_owner_the_runbook_and_what_serves_come_first(open_page: Open) -> None:
    said = captions(open_page())
    assert "Owner: **Team Refunds**" in said
    assert "[Runbook](https://example.com/run%28book%29)" in said
    assert "Serving: prod 1\\.3\\.0" in said


def test_a_prompt_of_the_services_own_has_no_record_and_says_so(open_page: Open, api: DashboardApi) -> None:
    del api.handlers[f"/v1/prompts/{PROMPT}"]
    assert "not in the registry" in captions(open_page())
    page = open_page(view="Versions")
    assert "not in the registry" in page.info[0].value
    assert ">coalmine push<" in html(page)


def test_of_many_versions_those_with_the_most_calls_are_drawn_and_others_can_be_added(
    open_page: Open,
) -> None:
    page = open_page(time="24h")
    choice = page.multiselect(key="versions")
    assert choice.options == sorted(VERSIONS)
    assert choice.value == []
    assert "8 with the most calls" in choice.label
    page.multiselect(key="versions").select("1.0.0").run()
    assert not page.exception


def test_models_that_began_to_answer_are_marked(open_page: Open) -> None:
    page = open_page(time="24h")
    chart = page.get("vega_lite_chart")[0]
    assert "gpt-4o-2 began to answer" in str(chart.proto)


def test_side_by_side_says_which_cannot_be_told_apart(open_page: Open, api: DashboardApi) -> None:
    page = open_page(view="Side by side", time="7d")
    shown = html(page)
    assert "cannot be told apart from the first" in " ".join(each.value for each in page.markdown)
    assert "0.79 to 0.83" in shown
    assert "nothing: it differs from all" in shown
    assert "<img" not in shown
    assert "2 groups with fewer requests are left out" in captions(page)
    assert len(page.get("vega_lite_chart")) == 1
    page.selectbox(key="by").select("segment:tier").run()
    assert not page.exception
    asked = [parameters for path, parameters in api.asked if path == "/v1/breakdown"][-1]
    assert (asked["by"], asked["segment"]) == ("segment", "tier")


def test_what_is_alone_is_not_the_best_and_differs_from_nothing(open_page: Open, api: DashboardApi) -> None:
    found = a_breakdown()
    metric = replace(
        found.metrics[0],
        best=("1.4.0",),
        values=(replace(found.metrics[0].values[0], not_told_apart_from=()),),
    )
    alone = replace(found, groups=found.groups[1:2], metrics=(metric,))
    api.handlers["/v1/breakdown"] = lambda _parameters: served(alone)
    shown = html(open_page(view="Side by side"))
    assert "0.79 to 0.83" in shown
    assert "the best" not in shown
    assert "differs from all" not in shown


def test_the_address_restores_what_is_side_by_side(open_page: Open, api: DashboardApi) -> None:
    open_page(view="Side by side", by="segment:tier")
    asked = [parameters for path, parameters in api.asked if path == "/v1/breakdown"][-1]
    assert (asked["by"], asked["segment"]) == ("segment", "tier")


def test_versions_have_their_commit_their_diff_and_what_they_were_like_when_they_shipped(
    open_page: Open, api: DashboardApi
) -> None:
    page = open_page(view="Versions", a="1.3.0", b="1.4.0")
    shown = html(page)
    assert "0123456789" in shown
    assert "-Be brief." in shown
    assert "<img" not in shown
    asked = [parameters for path, parameters in api.asked if path.endswith("/diff")][-1]
    assert asked == {"a": "1.3.0", "b": "1.4.0"}
    assert "0.79 to 0.82" in shown
    assert "not worse" in shown


def test_the_timeline_leads_to_the_rollout(open_page: Open) -> None:
    shown = html(open_page(view="Timeline"))
    assert 'href="./rollouts?rollout=ro-1"' in shown
    assert "the rollout itself" in shown
    assert "register 1.4.0" in shown
    assert "<img" not in shown


def test_a_time_in_which_nothing_happened_says_what_to_do(open_page: Open, api: DashboardApi) -> None:
    api.handlers["/v1/timeline"] = lambda _parameters: page_of()
    page = open_page(view="Timeline")
    assert "choose a longer time" in page.info[0].value


def test_a_link_to_a_version_draws_that_one_and_one_that_has_no_calls_is_said(
    open_page: Open, api: DashboardApi
) -> None:
    few = [a_version(PROMPT, version, 100) for version in VERSIONS[:3]]
    api.handlers["/v1/versions"] = lambda _parameters: page_of(*few)
    page = open_page(versions=VERSIONS[1])
    assert page.multiselect(key="versions").value == [VERSIONS[1]]
    page = open_page(versions="9.9.9")
    assert "9.9.9" in " ".join(box.value for box in page.warning).replace("\\", "")


def test_of_very_many_versions_only_those_that_are_drawn_are_asked_for_over_time(
    open_page: Open, api: DashboardApi
) -> None:
    versions = [f"1.{place}.0" for place in range(150)]
    rows = [a_version(PROMPT, version, 10 * place + 1) for place, version in enumerate(versions)]
    api.handlers["/v1/versions"] = lambda _parameters: page_of(*rows)
    facets = {**api.handlers["/v1/facets"]({}), "versions": {PROMPT: versions}}
    api.handlers["/v1/facets"] = lambda _parameters: facets

    def drawn(page: AppTest) -> set[str | None]:
        assert not page.exception
        found = {given.get("version") for path, given in api.asked if path == "/v1/timeseries"}
        api.asked.clear()
        return found

    page = open_page(time="24h")
    assert drawn(page) == set(versions[-8:])
    assert html(page).count("<tr data-version=") == 100
    assert f'data-version="{PROMPT} 1.149.0"' in html(page)
    assert "The first 100 of 150 rows" in captions(page)
    assert drawn(open_page(time="24h", versions="1.0.0")) == {"1.0.0"}


@pytest.mark.parametrize(("view", "parts"), [("Over time", 2), ("Versions", 2), ("Timeline", 2)])
def test_what_others_do_meanwhile_is_seen_while_the_page_is_live(
    open_page: Open, pauses: list[float], view: str, parts: int
) -> None:
    open_page(view=view)
    assert len(pauses) == parts
    open_page(view=view, live="false")
    assert len(pauses) == parts

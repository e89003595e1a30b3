"""Tables and charts of drift."""

from dataclasses import replace
from datetime import UTC, datetime

from coalmine_dashboards.views.drift import (
    by_urgency,
    metric_columns,
    said_of,
    shifts_chart,
    trend_chart,
)
from tests.support.data.drift_answers import LATENCY, STEADY, UNKNOWN, WORSE, drift_of, series


def local(at: datetime | None) -> str:
    return "-" if at is None else f"{at.astimezone(UTC):%H:%M}"


def test_what_drifted_comes_first_and_the_way_it_went_is_said() -> None:
    items = [drift_of("a", STEADY), drift_of("b", WORSE), drift_of("c")]
    assert [each.prompt for each in by_urgency(items)] == ["b", "c", "a"]
    assert said_of(WORSE) == "drifted, worse"
    assert said_of(replace(WORSE, better=True)) == "drifted, better"
    assert said_of(replace(WORSE, better=None)) == "drifted"
    assert said_of(STEADY) == "steady"


def test_figures_have_their_units_and_what_is_not_known_is_a_dash() -> None:
    cells = {column.title: column.cell for column in metric_columns(local)}
    assert (cells["Reference"](LATENCY), cells["Now"](STEADY)) == ("812 ms", "1.27 %")
    assert cells["95 % interval"](WORSE) == "\N{MINUS SIGN}0.061 to \N{MINUS SIGN}0.026"
    assert cells["Evidence"](WORSE) == "152 %"
    assert {cells[title](UNKNOWN) for title in ("Now", "Shift", "Tolerated", "Evidence")} == {"\N{EN DASH}"}


def test_shifts_are_drawn_in_tolerances_so_that_metrics_can_be_compared() -> None:
    chart = shifts_chart([WORSE, STEADY, UNKNOWN])
    assert chart is not None
    points = chart.data["points"]
    assert [point["metric"] for point in points] == ["quality", "error_rate"]
    assert points[0]["shift"] == WORSE.shift / WORSE.tolerance  # type: ignore[operator]
    assert points[0]["said"] == "drifted, worse"
    assert shifts_chart([UNKNOWN]) is None


def test_a_metric_over_time_has_its_reference_and_the_likely_change() -> None:
    chart = trend_chart(series(), WORSE)
    assert chart is not None
    data = chart.data
    assert len(data["points"]) == 120
    assert data["reference"] == [{"value": 0.84}]
    (change,) = data["changes"]
    assert change["from"] < change["time"] < change["to"]
    assert trend_chart(replace(series(), items=[]), WORSE) is None

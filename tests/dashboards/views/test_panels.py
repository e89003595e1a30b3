from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_consumers.results import Step, Timeseries, TimeseriesRow
from coalmine_dashboards.steps import STEPS, length_of, whole_steps
from coalmine_dashboards.views.charts import draw
from coalmine_dashboards.views.panels import (
    PANELS,
    Panel,
    Point,
    label_of,
    milliseconds_of,
    panel_points,
    readable,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
BY_KEY = {panel.key: panel for panel in PANELS}


def row(
    minute: int, version: str = "1.0.0", *, requests: int = 10, cost: float | None = 0.01
) -> TimeseriesRow:
    return TimeseriesRow(
        bucket_start=START + timedelta(minutes=minute),
        prompt="greet",
        version=version,
        requests=requests,
        errors=1,
        error_rate=0.1,
        input_tokens=1,
        output_tokens=1,
        cached_input_tokens=None,
        cost_usd=None,
        cost_nano_usd=None,
        cost_usd_per_request=cost,
        priced_requests=1,
        latency_ms_mean=None,
        latency_ms_p50=500.0,
        latency_ms_p95=1500.0,
        time_to_first_token_ms_p50=None,
        time_to_first_token_ms_p95=None,
        quality_mean=0.75,
        quality_n=4,
        feedback=4,
        thumbs_up=3,
        thumbs_down=1,
        thumbs_up_rate=0.75,
    )


def points(
    panel: Panel,
    rows: Iterable[TimeseriesRow],
    *,
    now: datetime = START + timedelta(days=9),
    step: Step = "minute",
    ends: tuple[datetime, datetime] | None = None,
) -> list[Point]:
    series = Timeseries(step=step, items=list(rows), next_cursor=None)
    return panel_points(panel, series, now=now, ends=ends, with_prompt=False)


def minutes(found: list[Point]) -> list[float]:
    return [(point["time"] - milliseconds_of(START)) / 60_000 for point in found]


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("requests", [10.0]),
        ("cost", [0.01]),
        ("latency", [0.5, 1.5]),
        ("quality", [0.75]),
        ("thumbs", [0.75]),
        ("errors", [0.1]),
    ],
)
def test_each_panel_draws_the_server_s_figure(key: str, values: list[float]) -> None:
    assert [point["value"] for point in points(BY_KEY[key], [row(0)])] == values


def test_points_that_follow_each_other_are_connected() -> None:
    found = points(BY_KEY["cost"], [row(0), row(1), row(2)])
    assert [point["value"] for point in found] == [0.01, 0.01, 0.01]
    assert not any(point["alone"] for point in found)


def test_a_gap_breaks_the_line_and_a_point_between_gaps_gets_a_dot() -> None:
    found = points(BY_KEY["cost"], [row(0), row(1), row(5), row(9), row(10)])
    assert list(zip(minutes(found), [point["value"] for point in found], strict=True)) == [
        (0, 0.01),
        (1, 0.01),
        (4, None),
        (5, 0.01),
        (8, None),
        (9, 0.01),
        (10, 0.01),
    ]
    assert [minute for minute, point in zip(minutes(found), found, strict=True) if point["alone"]] == [5]


def test_an_unknown_value_breaks_the_line_too() -> None:
    found = points(BY_KEY["cost"], [row(0), row(1, cost=None), row(2)])
    assert [point["value"] for point in found] == [0.01, None, 0.01]


def test_amounts_are_stacked() -> None:
    found = points(BY_KEY["requests"], [row(0, "1"), row(0, "2", requests=5), row(1, "2", requests=7)])
    assert [(point["series"], point["bottom"], point["value"]) for point in found] == [
        ("1", 0.0, 10.0),
        ("2", 10.0, 5.0),
        ("2", 0.0, 7.0),
    ]


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from("abc"), st.integers(0, 50)),
        unique_by=lambda drawn: drawn[:2],
        max_size=40,
    )
)
def test_stacks_are_as_high_as_the_sum_of_their_parts(drawn: list[tuple[int, str, int]]) -> None:
    rows = [row(minute, version, requests=requests) for minute, version, requests in drawn]
    found = points(BY_KEY["requests"], rows)
    tops: dict[float, float] = {}
    for minute, point in zip(minutes(found), found, strict=True):
        tops[minute] = max(tops.get(minute, 0.0), (point["bottom"] or 0.0) + (point["value"] or 0.0))
    for minute in {minute for minute, _, _ in drawn}:
        assert tops[minute] == sum(requests for at, _, requests in drawn if at == minute)


def test_an_unfinished_minute_is_left_out() -> None:
    now = START + timedelta(minutes=1, seconds=30)
    assert minutes(points(BY_KEY["cost"], [row(0), row(1)], now=now)) == [0]
    assert minutes(points(BY_KEY["requests"], [row(0), row(1)], now=now)) == [0]


def test_an_unfinished_hour_has_means_but_no_amount() -> None:
    now = START + timedelta(minutes=90)
    assert minutes(points(BY_KEY["cost"], [row(0), row(60)], now=now, step="hour")) == [0, 60]
    assert minutes(points(BY_KEY["requests"], [row(0), row(60)], now=now, step="hour")) == [0]


def test_the_very_first_bucket_is_shown_unfinished() -> None:
    assert minutes(points(BY_KEY["requests"], [row(0)], now=START)) == [0]


def test_the_ends_of_the_axis_are_empty_points() -> None:
    ends = (START - timedelta(minutes=5), START + timedelta(minutes=5))
    found = points(BY_KEY["cost"], [row(0)], ends=ends)
    assert minutes(found) == [-5, 5, 0]
    assert [point["value"] for point in found] == [None, None, 0.01]


def test_the_ends_of_a_stacked_axis_are_bars_of_no_height() -> None:
    ends = (START, START + timedelta(minutes=5))
    found = points(BY_KEY["requests"], [row(0)], ends=ends)
    assert [(point["bottom"], point["value"]) for point in found] == [(0.0, 0.0), (0.0, 0.0), (0.0, 10.0)]


def test_a_label_includes_the_prompt_only_where_it_is_needed() -> None:
    assert label_of(("greet", "1.0.0"), with_prompt=False) == "1.0.0"
    assert label_of(("greet", "1.0.0"), with_prompt=True) == "greet 1.0.0"


def drawing(panel: Panel, rows: Iterable[TimeseriesRow], step: Step = "minute") -> dict[str, object]:
    ends = whole_steps(START, START + timedelta(hours=1), step)
    found = points(panel, rows, step=step, ends=ends)
    slots = {("greet", "1.0.0"): 0, ("greet", "2.0.0"): 1}
    chart = draw(panel, found, slots, step=step, mode="light", with_prompt=False)
    return {**chart.spec, "datasets": chart.data}


def test_versions_of_one_colour_are_told_apart_in_bars_and_in_lines() -> None:
    found = points(BY_KEY["requests"], [row(0), row(0, "2.0.0")])
    slots = {("greet", "1.0.0"): 0, ("greet", "2.0.0"): 7}
    bars = draw(BY_KEY["requests"], found, slots, step="minute", mode="light", with_prompt=False)
    first, second = bars.spec["layer"][0]["encoding"]["color"]["scale"]["range"]
    assert first != second
    assert readable(BY_KEY["latency"], (0, 1)) == BY_KEY["latency"]
    assert readable(BY_KEY["latency"], (0, 7)).aside == "p95 only", (
        "dashes tell versions apart, not quantiles"
    )


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.key)
def test_every_panel_is_a_valid_chart_with_units_on_its_axis(panel: Panel, step: Step) -> None:
    text = str(drawing(panel, [row(0), row(1), row(3, "2.0.0")], step))
    unit = panel.axis.split("{")[0].strip()
    assert unit
    assert unit in text
    assert length_of(step) > timedelta(0)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.key)
def test_new_points_leave_the_specification_as_it_is(panel: Panel) -> None:
    before = drawing(panel, [row(0), row(1, "2.0.0")])
    after = drawing(panel, [row(0), row(1, "2.0.0"), row(2, requests=99), row(3, "2.0.0")])
    assert before.pop("datasets") != after.pop("datasets")
    assert before == after


def test_only_versions_that_are_drawn_take_part_in_the_scale() -> None:
    text = str(drawing(BY_KEY["cost"], [row(0, "2.0.0")]))
    assert "'domain': ['2.0.0']" in text


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.key)
def test_what_is_pointed_at_tells_its_version_time_and_value(panel: Panel) -> None:
    layers = drawing(panel, [row(0), row(1, "2.0.0")])["layer"]
    assert isinstance(layers, list)
    (told,) = [each for layer in layers if (each := layer["encoding"].get("tooltip"))]
    said = told["value"]["expr"]
    assert said.startswith('{"Version": datum["series"], "From": timeFormat(datum["time"], "%Y-%m-%d %H:%M")')
    assert f'"{panel.title}": format(datum["value"], "{panel.number_format}")' in said
    assert ('"Quantile": datum["line"]' in said) is (len(panel.lines) > 1)
    assert ('"Requests": format(datum["requests"], ",d")' in said) is not panel.stacked

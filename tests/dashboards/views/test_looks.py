"""The looks at an experiment as points of charts."""

from datetime import timedelta
from typing import Any

import pytest

from coalmine_dashboards.views.looks import (
    LookPath,
    TrafficPoint,
    effect_chart,
    observed_shares,
    share_chart,
)
from tests.support.doubles.rollout_answers import BEGAN, a_look, an_experiment, decisions, looks


def test_a_path_grows_by_the_looks_that_are_new() -> None:
    every = looks(40)
    first = LookPath().after(every[:25])
    assert first.after(every[20:]) == LookPath().after(every)
    assert first.after(every[:25]) is first
    assert first.through == every[24].taken_at


def test_a_long_path_is_thinned_and_keeps_its_ends() -> None:
    path = LookPath().after(a_look(BEGAN + timedelta(minutes=n), 100 + n, 900) for n in range(1_000))
    moments = [each.at for each in path.traffic]
    assert len(moments) <= 400
    assert moments[0] == BEGAN
    assert moments[-1] == path.through == BEGAN + timedelta(minutes=999)
    assert {each.at for each in path.effects} == set(moments)


def test_a_look_at_nobody_is_no_point() -> None:
    assert LookPath().after([]) == LookPath()


def drawn(metric: str) -> dict[str, Any]:
    every = looks()
    found = next(each for each in every[-1].arms[0].metrics if each.metric == metric)
    drawing = effect_chart(found, LookPath().after(every).of(metric), an_experiment().epochs, "dark")
    return {**drawing.spec, "datasets": drawing.data}


def test_a_share_is_drawn_in_points_with_what_is_tolerated_on_the_side_that_is_worse() -> None:
    document = drawn("error_rate")
    bounds = {each["kind"]: each["value"] for each in document["datasets"]["bounds"]}
    assert bounds == {"no effect": 0.0, "tolerance": pytest.approx(2 / 3), "margin": pytest.approx(2.0)}
    assert "effect, points of %" in str(document)
    higher = {each["kind"]: each["value"] for each in drawn("quality")["datasets"]["bounds"]}
    assert higher["margin"] == pytest.approx(-0.024)


def test_a_metric_without_a_direction_has_no_bounds_but_none() -> None:
    assert [each["kind"] for each in drawn("output_tokens")["datasets"]["bounds"]] == ["no effect"]


def test_looks_without_enough_data_are_not_drawn_and_epochs_are_marked() -> None:
    data = drawn("quality")["datasets"]
    assert min(each["units"] for each in data["looks"]) >= 30
    assert [each["label"] for each in data["epochs"]] == ["epoch 2"]


def test_the_axis_is_not_stretched_by_the_first_intervals() -> None:
    document = drawn("latency_ms")
    rows = document["datasets"]["looks"]
    low, high = document["layer"][1]["encoding"]["y"]["scale"]["domain"]
    assert high < max(each["upper"] for each in rows)
    assert low <= rows[-1]["lower"] < rows[-1]["upper"] <= high


def test_what_was_seen_between_looks_is_a_share_of_enough_requests() -> None:
    path = [
        TrafficPoint(BEGAN + timedelta(minutes=n), 1, treatment, control, None)
        for n, (treatment, control) in enumerate([(10, 90), (11, 91), (60, 140)])
    ]
    assert [(each["share"], each["requests"]) for each in observed_shares(path)] == [(10.0, 100), (50.0, 100)]
    assert observed_shares([]) == []


def test_the_commanded_share_lasts_until_now() -> None:
    until = BEGAN + timedelta(hours=5)
    chart = share_chart(
        LookPath().after(looks()).traffic, decisions(), an_experiment().epochs, until, "light"
    )
    served = chart.data["commanded"]
    assert [each["share"] for each in served] == [10.0, 50.0, 50.0]
    assert served[-1]["at"] == until.timestamp() * 1000

"""The catalogue: what the data have becomes a metric, and settings may say otherwise."""

import pytest

from coalmine_analytics.metrics import BUILT_IN, MetricOverride, Size, metrics_in
from coalmine_consumers.aggregation.cells import BUILT_IN as BUILT_IN_CELLS
from coalmine_schemas.errors import InvalidParameter


def names(*cells: str) -> list[str]:
    return [metric.name for metric in metrics_in(cells, {})]


def test_every_name_in_the_data_is_a_metric() -> None:
    assert names("requests", "errors", "zeal", "grounding") == [
        "error_rate",
        "requests_per_unit",
        "grounding",
        "zeal",
    ]


def test_a_name_that_is_taken_is_kept_apart() -> None:
    found = {
        metric.name: metric.cells
        for metric in metrics_in(["errors", "error_rate", "custom.errors", "custom.latency_ms", "units"], {})
    }
    assert found == {
        "error_rate": "errors",
        "custom.error_rate": "error_rate",
        "custom.errors": "custom.errors",
        "custom.latency_ms": "custom.latency_ms",
        "units": "units",
    }


def test_outcomes_per_unit_are_a_metric_of_units() -> None:
    per_unit, mean = metrics_in(["per_unit.converted", "converted"], {})[::-1]
    assert (per_unit.name, per_unit.kind, per_unit.per_unit) == ("per_unit.converted", "ratio", True)
    assert (mean.name, mean.kind, mean.per_unit) == ("converted", "mean", False)


def test_the_built_in_metrics_are_those_of_the_design_and_their_cells_exist() -> None:
    assert {metric.name for metric in BUILT_IN} >= {
        "quality",
        "thumbs_up_rate",
        "feedback_rate",
        "correction_rate",
        "error_rate",
        "refusal_rate",
        "cost_per_request",
        "input_tokens",
        "output_tokens",
        "latency_ms",
        "latency_over_p95_rate",
        "time_to_first_token_over_p95_rate",
        "requests_per_unit",
    }
    for metric in BUILT_IN:
        for cells in (metric.cells, metric.raw_cells, metric.clipped_cells):
            assert cells is None or cells in BUILT_IN_CELLS | {"quality"}, metric.name
        assert metric.description


def test_costs_are_watched_before_they_can_be_capped() -> None:
    assert names("cost_nano_usd") == ["cost_per_request"]


def test_settings_may_change_what_is_known_of_a_metric() -> None:
    overrides = {"zeal": MetricOverride(direction="higher", role="must_prove", margin=Size(0.2))}
    (zeal,) = metrics_in(["zeal"], overrides)
    assert (zeal.direction, zeal.role, zeal.margin.value) == ("higher", "must_prove", 0.2)


@pytest.mark.parametrize(
    ("override", "tolerance"),
    [
        (MetricOverride(), Size(0.1, relative=True)),
        (MetricOverride(margin=Size(0.2, relative=True)), Size(0.1, relative=True)),
        (MetricOverride(margin=Size(0.03, relative=True)), Size(0.01, relative=True)),
        (MetricOverride(margin=Size(30.0)), Size(10.0)),
        (
            MetricOverride(margin=Size(0.03, relative=True), tolerance=Size(0.2, relative=True)),
            Size(0.2, relative=True),
        ),
    ],
)
def test_a_margin_that_is_given_is_not_exceeded_by_a_tolerance_that_is_not(
    override: MetricOverride, tolerance: Size
) -> None:
    (latency,) = (
        each for each in metrics_in(["latency_ms"], {"latency_ms": override}) if each.name == "latency_ms"
    )
    assert latency.tolerance == tolerance


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        (MetricOverride(role="signal"), "direction of zeal .signal. is 'unknown'"),
        (MetricOverride(mde=Size(0.0)), "mde of zeal is 0"),
    ],
)
def test_an_override_that_makes_no_sense_is_refused(override: MetricOverride, complaint: str) -> None:
    with pytest.raises(InvalidParameter, match=complaint):
        metrics_in(["zeal"], {"zeal": override})


def test_a_size_is_a_finite_number() -> None:
    with pytest.raises(InvalidParameter, match="size of a change"):
        Size(-1.0)

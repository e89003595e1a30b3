"""A version that everybody gets against the one before it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from coalmine_alerts.facts import VersionPair
from coalmine_alerts.rules.versions import VersionRegression
from coalmine_analytics.results.comparison import ComparedMetric, ComparedVersion, Comparison
from tests.support.data.alert_facts import KEY, NOW, facts, findings, one, served


def compared(metric: str = "quality", **given: Any) -> ComparedMetric:
    values: dict[str, Any] = {
        "metric": metric,
        "unit": "",
        "verdict": "seems worse",
        "words": "",
        "a_value": 0.8,
        "b_value": 0.75,
        "difference": -0.05,
        "adjusted_a_value": 0.8,
        "adjusted_b_value": 0.75,
        "adjusted_difference": -0.05,
        "lower": -0.09,
        "upper": -0.011,
        "relative_lower": None,
        "relative_upper": None,
    }
    return ComparedMetric(**{**values, **given})


def pair(*metrics: ComparedMetric) -> VersionPair:
    ran = ComparedVersion(1_000, 500, NOW - timedelta(days=5), NOW)
    return VersionPair(
        key=KEY,
        before="0.9.0",
        since=NOW - timedelta(days=1),
        comparison=Comparison(
            randomised=False,
            warnings=("not randomised: versions were not assigned by chance",),
            a=ran,
            b=ran,
            overlap=0.0,
            experiments=(),
            adjusted_for=("model",),
            coverage=1.0,
            metrics=metrics,
        ),
        tolerances={"quality": 0.01, "error_rate": 0.01},
        worse_if={"quality": "lower", "error_rate": "higher", "requests_per_unit": "same"},
    )


@pytest.mark.parametrize(
    ("metric", "condition"),
    [
        (compared(), True),
        (compared(upper=-0.01), False),
        (compared(upper=0.02), False),
        (compared(lower=None, upper=None), None),
        (compared("error_rate", lower=0.011, upper=0.05), True),
        (compared("error_rate", lower=0.01, upper=0.05), False),
        (compared("requests_per_unit", lower=0.01, upper=0.5), True),
        (compared("requests_per_unit", lower=-0.5, upper=-0.01), True),
        (compared("zeal"), None),
    ],
)
def test_a_metric_is_worse_when_its_interval_leaves_what_is_accepted(
    metric: ComparedMetric, condition: bool | None
) -> None:
    told = one(VersionRegression()(facts(pairs=[pair(metric)])))
    assert told.condition is condition
    assert told.recovered is (condition is False)


def test_it_says_that_it_is_no_experiment() -> None:
    story = one(VersionRegression()(facts(pairs=[pair(compared())]))).story
    assert story.title == "Worse than 0.9.0: quality -6.2 % · refund 1.0.0 · prod"
    assert "(not an experiment, adjusted for model)" in story.summary
    assert story.why is not None
    assert "not randomised" in story.why
    assert story.sure is not None
    assert story.sure.startswith("Observational")


def test_a_version_that_was_replaced_is_over() -> None:
    known = facts(served=[served("1.0.0", share=0.01), served("1.1.0", share=0.99)])
    assert [(each.labels["version"], each.ended) for each in findings(VersionRegression()(known))] == [
        ("1.0.0", True)
    ]
    both = replace(known, served=[served("1.0.0", share=0.5), served("1.1.0", share=0.5)])
    assert findings(VersionRegression()(both)) == []

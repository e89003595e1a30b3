"""Drift of versions that nobody changed, told metric by metric."""

from datetime import timedelta
from typing import Any

import pytest

from coalmine_alerts.rules.drift import DRIFT_RULES, Drifted
from coalmine_analytics.results.drift import MetricDrift
from tests.support.data.alert_facts import (
    NOW,
    facts,
    findings,
    metric_drift,
    model_change,
    one,
    served,
    version_drift,
)

RULES: dict[str, Drifted] = {rule.name: rule for rule in DRIFT_RULES}
QUALITY = RULES["quality_drift"]


def test_a_metric_that_got_worse_is_told_with_how_much_since_when_and_how_sure() -> None:
    told = one(QUALITY(facts(drifts=[version_drift(metric_drift())])))
    assert (told.condition, told.severity) == (True, "warning")
    assert told.value == pytest.approx(0.781)
    assert told.labels == {
        "environment": "prod",
        "prompt": "refund",
        "version": "1.0.0",
        "metric": "quality",
    }
    assert (told.cause.kind, told.cause.id) == ("prompt", "refund")
    assert told.since == NOW - timedelta(hours=6)
    assert told.story.title == "Quality fell 5.2 % · refund 1.0.0 · prod"
    assert "from 0.824 to 0.781 (-5.2 %)" in told.story.summary
    assert "nobody changed the prompt" in told.story.summary
    assert told.story.table is not None
    assert told.story.table.rows[0] == ("quality", "0.824", "0.781", "-5.2 %", "-6.6 % to -3.8 %")
    assert told.story.links[0].path == "/?prompt=refund&environment=prod&time=6h"
    assert QUALITY.timing.latch


@pytest.mark.parametrize(
    ("given", "condition", "recovered"),
    [
        ({"state": "steady", "better": None}, False, True),
        ({"state": "returned"}, False, True),
        ({"state": "not enough data", "better": None}, None, None),
        ({"better": True}, False, False),
        ({"better": None}, False, False),
    ],
)
def test_what_did_not_get_worse_is_not(
    given: dict[str, Any], condition: bool | None, recovered: bool | None
) -> None:
    told = one(QUALITY(facts(drifts=[version_drift(metric_drift(**given))])))
    assert (told.condition, told.recovered) == (condition, recovered)


@pytest.mark.parametrize(
    ("rule", "metric"),
    [
        ("quality_drift", "quality"),
        ("quality_drift", "rating"),
        ("quality_drift", "grounding"),
        ("cost_drift", "cost_per_request"),
        ("latency_drift", "latency_over_p95_rate"),
        ("error_drift", "error_rate"),
        ("refusal_drift", "refusal_rate"),
        ("thumbs_drift", "thumbs_up_rate"),
    ],
)
def test_each_metric_is_told_by_one_rule(rule: str, metric: str) -> None:
    known = facts(drifts=[version_drift(metric_drift(metric))])
    assert [name for name, each in RULES.items() if findings(each(known))] == [rule]


@pytest.mark.parametrize("metric", ["requests_per_unit", "output_tokens", "feedback_rate"])
def test_what_is_neither_good_nor_bad_is_told_by_none(metric: str) -> None:
    known = facts(drifts=[version_drift(metric_drift(metric, direction="same"))])
    assert [name for name, each in RULES.items() if findings(each(known))] == []


def test_latency_that_is_worse_in_two_ways_is_one_alert() -> None:
    slower: dict[str, Any] = {
        "direction": "lower",
        "unit": "ms",
        "before": 900.0,
        "after": 1100.0,
        "shift": 200.0,
    }
    tail = {"direction": "lower", "unit": "share", "before": 0.05, "after": 0.11, "shift": 0.06}
    early = NOW - timedelta(hours=9)
    rows = [metric_drift("latency_over_p95_rate", since=early, **tail), metric_drift("latency_ms", **slower)]
    told = one(RULES["latency_drift"](facts(drifts=[version_drift(*rows)])))
    assert (told.labels["metric"], told.condition, told.since) == ("latency_ms", True, early)
    assert told.story.title.startswith("Latency ms rose")
    assert told.story.table is not None
    assert [row[0] for row in told.story.table.rows] == ["latency_ms", "latency_over_p95_rate"]
    rows[1] = metric_drift("latency_ms", **{**slower, "state": "steady", "better": None})
    told = one(RULES["latency_drift"](facts(drifts=[version_drift(*rows)])))
    assert (told.labels["metric"], told.condition, told.recovered) == ("latency_ms", True, False)
    assert told.story.title.startswith("Latency over p95 rose")
    # Metrics of quality are different things.
    both = [metric_drift("quality"), metric_drift("grounding")]
    assert len(findings(QUALITY(facts(drifts=[version_drift(*both)])))) == 2


@pytest.mark.parametrize(
    ("direction", "lately", "accepted", "worse"),
    [
        # The level is 0.824, and 0.01 are no drift.
        ("higher", (-0.12, -0.08), 0.781, True),
        ("higher", (-0.12, -0.05), 0.781, False),
        ("higher", (-0.05, -0.03), 0.9, True),
        ("lower", (0.08, 0.12), 0.867, True),
        ("lower", (0.04, 0.12), 0.867, False),
        ("higher", (None, None), 0.781, False),
    ],
)
def test_what_was_accepted_is_what_the_last_days_are_compared_with(
    direction: str, lately: tuple[float | None, float | None], accepted: float, worse: bool
) -> None:
    row = metric_drift(direction=direction, lately_lower=lately[0], lately_upper=lately[1])
    told = one(QUALITY(facts(drifts=[version_drift(row)])))
    assert told.is_worse_than is not None
    assert told.is_worse_than(accepted) is worse


def test_a_metric_whose_direction_nobody_knows_is_never_judged() -> None:
    row: MetricDrift = metric_drift("zeal", direction="unknown", better=None)
    assert findings(QUALITY(facts(drifts=[version_drift(row)]))) == []


def test_a_model_that_changed_at_that_time_is_the_cause() -> None:
    row = metric_drift(likely_causes=(model_change(),))
    told = one(QUALITY(facts(drifts=[version_drift(row)])))
    assert (told.cause.kind, told.cause.id) == ("model", "gpt-4o-2026-11-18")
    assert "the model changed, the prompt did not" in told.story.summary
    assert told.story.why is not None
    assert "gpt-4o answers as gpt-4o-2026-11-18" in told.story.why


def test_a_version_that_another_one_has_replaced_is_over() -> None:
    old = served(last_at=NOW - timedelta(hours=6))
    known = facts(drifts=[version_drift(metric_drift())], served=[old, served("1.1.0")])
    assert one(QUALITY(known)).ended is True
    still = facts(drifts=[version_drift(metric_drift())], served=[served(), served("1.1.0")])
    assert one(QUALITY(still)).ended is False
    # A silent night is no end: nothing else is served.
    silent = facts(drifts=[version_drift(metric_drift())], served=[old])
    assert one(QUALITY(silent)).ended is False


def test_nothing_is_said_while_drift_could_not_be_read() -> None:
    known = facts(drifts=[version_drift(metric_drift())], read=frozenset(("traffic",)))
    assert list(QUALITY(known)) == []

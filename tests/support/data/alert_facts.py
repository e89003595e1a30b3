"""Facts for tests of rules: values that say nothing wrong, for a test to change one thing of."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from coalmine_alerts.facts import Facts, Served, VersionPlace
from coalmine_alerts.reading.reader import SOURCES
from coalmine_alerts.records import Finding, Inhibition
from coalmine_alerts.rule import Answer
from coalmine_analytics.results.drift import MetricDrift, ModelChange, VersionDrift

NOW = datetime(2026, 3, 20, 15, 20, tzinfo=UTC)
KEY = VersionPlace("prod", "refund", "1.0.0")


def facts(**given: Any) -> Facts:
    """Facts in which everything could be read."""
    return Facts(**{"now": NOW, "read": SOURCES, **given})


def findings(answers: Iterable[Answer]) -> list[Finding]:
    """The findings among what a rule said."""
    return [each for each in answers if isinstance(each, Finding)]


def one(answers: Iterable[Answer]) -> Finding:
    """The only finding."""
    (found,) = findings(answers)
    return found


def held_back(answers: Iterable[Answer]) -> list[Inhibition]:
    """What a rule holds back."""
    return [each for each in answers if isinstance(each, Inhibition)]


def served(version: str = "1.0.0", **given: Any) -> Served:
    """A version that has served for days."""
    values = {
        "first_at": NOW - timedelta(days=7),
        "last_at": NOW,
        "requests": 10_000,
        "lately": 60,
        "share": 1.0,
    }
    return Served(key=VersionPlace("prod", "refund", version), **{**values, **given})


def metric_drift(metric: str = "quality", **given: Any) -> MetricDrift:
    """A metric that drifted to the worse."""
    values: dict[str, Any] = {
        "metric": metric,
        "unit": "",
        "direction": "higher",
        "role": "must_prove",
        "state": "drifted",
        "words": "worse since",
        "better": False,
        "detected_at": NOW - timedelta(hours=1),
        "since": NOW - timedelta(hours=6),
        "since_earliest": NOW - timedelta(hours=8),
        "since_latest": NOW - timedelta(hours=5),
        "before": 0.824,
        "after": 0.781,
        "shift": -0.043,
        "lower": -0.054,
        "upper": -0.031,
        "relative_shift": -0.052,
        "log_evidence": 12.0,
        "log_threshold": 9.0,
        "tolerance": 0.01,
        "reference_value": 0.824,
        "reference_since": NOW - timedelta(days=20),
        "reference_until": NOW - timedelta(days=6),
        "matched_by": "hour of week",
        "bucket_hours": 1,
        "likely_causes": (),
        "lately_lower": -0.05,
        "lately_upper": -0.03,
    }
    return MetricDrift(**{**values, **given})


def model_change(**given: Any) -> ModelChange:
    """Another model behind the same name."""
    values: dict[str, Any] = {
        "request_model": "gpt-4o",
        "response_model": "gpt-4o-2026-11-18",
        "first_seen": NOW - timedelta(hours=6),
        "requests": 900,
        "share_lately": 1.0,
        "before": ("gpt-4o-2026-08-06",),
    }
    return ModelChange(**{**values, **given})


def version_drift(*rows: MetricDrift, prompt: str = "refund", **given: Any) -> VersionDrift:
    """The drift of a version."""
    values: dict[str, Any] = {
        "prompt": prompt,
        "version": "1.0.0",
        "environment": "prod",
        "state": "drifted" if any(row.state == "drifted" for row in rows) else "steady",
        "words": "",
        "warnings": (),
        "taken_at": NOW,
        "reference_since": NOW - timedelta(days=20),
        "reference_until": NOW - timedelta(days=6),
        "speaks_from": None,
        "reference_requests": 10_000,
        "watched_until": NOW - timedelta(hours=1),
        "false_alarm_every_days": 365.0,
        "metrics": rows,
        "model_changes": (),
        "ignored_days": (),
    }
    return VersionDrift(**{**values, **given})


def later(found: Facts, length: timedelta) -> Facts:
    """The same facts, read later."""
    return replace(found, now=found.now + length)

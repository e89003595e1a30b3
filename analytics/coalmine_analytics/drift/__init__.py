"""Drift of a version that nobody changed: e-detectors with a stated average run length to a false alarm."""

from coalmine_analytics.drift.plan import DEFAULT_DRIFT_PLAN, DriftPlan
from coalmine_analytics.drift.service import Drifts
from coalmine_analytics.drift.version import read_drift, too_young
from coalmine_analytics.results.drift import DriftState, MetricDrift, ModelChange, VersionDrift

__all__ = [
    "DEFAULT_DRIFT_PLAN",
    "DriftPlan",
    "DriftState",
    "Drifts",
    "MetricDrift",
    "ModelChange",
    "VersionDrift",
    "read_drift",
    "too_young",
]

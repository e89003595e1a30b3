"""Drift of an unchanged version: e-detectors with a stated average run length to a false alarm."""

from coalmine_analytics.drift.no_reference import no_reference
from coalmine_analytics.drift.plan import DEFAULT_DRIFT_PLAN, DriftPlan
from coalmine_analytics.drift.service import Drifts
from coalmine_analytics.drift.version import read_drift

__all__ = ["DEFAULT_DRIFT_PLAN", "DriftPlan", "Drifts", "no_reference", "read_drift"]

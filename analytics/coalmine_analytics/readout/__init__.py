"""Readouts: all metrics of an experiment with effect, interval, verdict, forecast, stored at each look."""

from coalmine_analytics.readout.plan import DEFAULT_PLAN, ExperimentPlans, FixedPlans, Plan
from coalmine_analytics.readout.reading import read_out
from coalmine_analytics.readout.results import (
    ArmReadout,
    Decision,
    Evidence,
    MetricReadout,
    Readout,
    Scales,
    SrmReadout,
    Verdict,
)
from coalmine_analytics.readout.taking import Readouts

__all__ = [
    "DEFAULT_PLAN",
    "ArmReadout",
    "Decision",
    "Evidence",
    "ExperimentPlans",
    "FixedPlans",
    "MetricReadout",
    "Plan",
    "Readout",
    "Readouts",
    "Scales",
    "SrmReadout",
    "Verdict",
    "read_out",
]

"""Readouts: all metrics of an experiment with effect, interval, verdict, forecast, stored at each look."""

from coalmine_analytics.readout.look import read_out
from coalmine_analytics.readout.plan import DEFAULT_PLAN, ExperimentPlans, FixedPlans, Plan
from coalmine_analytics.readout.service import Readouts
from coalmine_analytics.results.readout import (
    ArmReadout,
    Decision,
    Evidence,
    MetricReadout,
    Readout,
    Scales,
    SrmReadout,
    Verdict,
)

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

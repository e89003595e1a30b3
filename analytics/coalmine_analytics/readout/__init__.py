"""Readouts: all metrics of an experiment with effect, interval, verdict, forecast, stored at each look."""

from coalmine_analytics.readout.look import read_out
from coalmine_analytics.readout.own_values import OwnValue
from coalmine_analytics.readout.plan import DEFAULT_PLAN, ExperimentPlans, FixedPlans, Plan
from coalmine_analytics.readout.service import Readouts

__all__ = ["DEFAULT_PLAN", "ExperimentPlans", "FixedPlans", "OwnValue", "Plan", "Readouts", "read_out"]

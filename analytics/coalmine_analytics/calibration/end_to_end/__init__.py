"""Whole rollouts of simulated services, through the readouts that decide."""

from coalmine_analytics.calibration.end_to_end.document import as_list, as_markdown
from coalmine_analytics.calibration.end_to_end.scenarios import REPLICATIONS, scenarios

__all__ = ["REPLICATIONS", "as_list", "as_markdown", "scenarios"]

"""Whole rollouts of simulated services, through the readouts that decide."""

from coalmine_analytics.calibration.end_to_end.document import end_to_end_list, end_to_end_markdown
from coalmine_analytics.calibration.end_to_end.scenarios import REPLICATIONS, end_to_end

__all__ = ["REPLICATIONS", "end_to_end", "end_to_end_list", "end_to_end_markdown"]

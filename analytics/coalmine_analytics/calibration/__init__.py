"""Proof by simulation that the statistics hold, with controls that must fail."""

from coalmine_analytics.calibration.document import (
    Calibration,
    as_list,
    as_markdown,
    in_words,
    limit_of,
    rate_of,
)
from coalmine_analytics.calibration.grid import grid, size_of
from coalmine_analytics.calibration.simulation import BLOCK, SEED, run, run_trial
from coalmine_analytics.calibration.trial import Row, Trial

__all__ = [
    "BLOCK",
    "SEED",
    "Calibration",
    "Row",
    "Trial",
    "as_list",
    "as_markdown",
    "grid",
    "in_words",
    "limit_of",
    "rate_of",
    "run",
    "run_trial",
    "size_of",
]

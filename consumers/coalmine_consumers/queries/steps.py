"""Steps of a time series: each is a whole number of buckets of one resolution that rollups are kept at.

Sums, means and histograms merge by addition, so five minutes are five rows of a minute added up. The steps
between the resolutions keep a line drawable and its points worth looking at: six hours are 360 minutes of a
few thumbs each, or 72 buckets of five minutes with enough of them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from coalmine_consumers.aggregation.resolutions import LENGTH_S, Resolution
from coalmine_consumers.results import Step

STEP_S: Mapping[Step, int] = MappingProxyType(
    {"minute": 60, "5m": 300, "15m": 900, "hour": 3600, "6h": 21_600, "day": 86_400}
)
"""Seconds, finest first. Each divides a day, so that buckets start at midnight UTC."""

RESOLUTION_OF: Mapping[Step, Resolution] = MappingProxyType(
    {
        step: max(
            (name for name, length_s in LENGTH_S.items() if step_s % length_s == 0), key=LENGTH_S.__getitem__
        )
        for step, step_s in STEP_S.items()
    }
)
"""The coarsest resolution that each step is a multiple of."""


def floor_to_step(moment: datetime, step: Step) -> datetime:
    """Returns the start of the bucket around a moment."""
    moment = moment.astimezone(UTC)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    length = timedelta(seconds=STEP_S[step])
    return midnight + (moment - midnight) // length * length


def ceiling_to_step(moment: datetime, step: Step) -> datetime:
    """Returns the first start of a bucket that is not before a moment."""
    below = floor_to_step(moment, step)
    return below if below == moment else below + timedelta(seconds=STEP_S[step])

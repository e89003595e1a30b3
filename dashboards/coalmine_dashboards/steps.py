"""Steps of time series: the lengths of their buckets."""

from datetime import UTC, datetime, timedelta
from typing import get_args

from coalmine_consumers.results import Step

__all__ = ["STEPS", "length_of", "whole_steps"]

STEPS: tuple[Step, ...] = get_args(Step)
"""From short to long."""

_LENGTHS: dict[Step, timedelta] = {
    "minute": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "hour": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "day": timedelta(days=1),
}
_MIDNIGHT = datetime(1970, 1, 1, tzinfo=UTC)


def length_of(step: Step) -> timedelta:
    """Returns the length of a bucket."""
    return _LENGTHS[step]


def whole_steps(since: datetime, until: datetime, step: Step) -> tuple[datetime, datetime]:
    """Returns the period extended to whole buckets. It changes rarely, so the time axis stays in place."""
    length = length_of(step)
    start = _MIDNIGHT + (since - _MIDNIGHT) // length * length
    end = _MIDNIGHT - (_MIDNIGHT - until) // length * length
    return start, end

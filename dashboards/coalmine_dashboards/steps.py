"""The lengths of stretches of time that the server measures by."""

from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

__all__ = ["STEPS", "Step", "length_of", "whole_steps"]

Step = Literal["minute", "5m", "15m", "hour", "6h", "day"]

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
    """How long a stretch is."""
    return _LENGTHS[step]


def whole_steps(since: datetime, until: datetime, step: Step) -> tuple[datetime, datetime]:
    """The whole stretches around a span of time: they change rarely, so an axis made of them stands still."""
    length = length_of(step)
    start = _MIDNIGHT + (since - _MIDNIGHT) // length * length
    end = _MIDNIGHT - (_MIDNIGHT - until) // length * length
    return start, end

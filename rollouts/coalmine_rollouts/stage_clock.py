"""The clock of a stage: time counts only when it was watched and both arms had traffic.

It counts complete buckets of event time in which both arms had requests, and beside them the time that the
controller was there. Nights without traffic, a pause, a hold, a clock that jumps, and hours in which nobody
watched add nothing; neither does a backfill, nor a client whose clock runs ahead.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final, Self

_FINE_S: Final = 60
_COARSE_S: Final = 300
_SHORT_S: Final = 1_800
"""A stage shorter than this counts minutes, else buckets of five."""
_HOURS: Final = (1 << 24) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StageClock:
    """What a stage has seen so far."""

    began_at: datetime
    """When its weights were commanded."""
    observed_at: datetime | None = None
    """When the applications had followed."""
    seen_s: float = 0.0
    """Event time with traffic in both arms."""
    watched_s: float = 0.0
    """Time of the controller's clock, without gaps."""
    counted_to: datetime | None = None
    """Buckets that begin earlier were looked at."""
    ticked_at: datetime | None = None
    hours: int = 0
    """Bit h is set once hour h of the day (UTC) was seen."""

    def to_json(self) -> dict[str, Any]:
        """The clock as JSON, as `from_json` reads it."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote."""
        values: dict[str, Any] = {
            each.name: _read(found[each.name]) for each in fields(cls) if each.name in found
        }
        return cls(**values)

    def is_full(self, min_time_s: float, *, every_hour_of_day: bool = False) -> bool:
        """Returns True if the stage has had its time."""
        if self.observed_at is None:
            return False
        return self.left_s(min_time_s) <= 0 and (not every_hour_of_day or self.hours == _HOURS)

    def left_s(self, min_time_s: float) -> float:
        """Seconds that are missing."""
        return max(min_time_s - min(self.seen_s, self.watched_s), 0.0)


def bucket_s(min_time_s: float) -> int:
    """Length of the buckets that a stage counts."""
    return _FINE_S if min_time_s < _SHORT_S else _COARSE_S


def ticked(
    clock: StageClock,
    *,
    now: datetime,
    observed: bool,
    buckets: Iterable[datetime],
    length_s: int,
    stopped: bool,
    longest_gap_s: float,
) -> StageClock:
    """Returns the clock after a tick.

    Args:
        clock: Before it.
        now: Time of the tick.
        observed: True if the applications serve the weights of the stage.
        buckets: Begins of complete buckets of event time in which both arms had requests.
        length_s: Their length.
        stopped: True in a pause and while a hold stands.
        longest_gap_s: Between ticks; of a longer one nothing counts as watched.
    """
    if clock.observed_at is None or clock.ticked_at is None or clock.counted_to is None:
        if not observed:
            return clock
        return replace(clock, observed_at=now, ticked_at=now, counted_to=now)
    passed_s = (now - clock.ticked_at).total_seconds()
    if passed_s < 0 or passed_s > longest_gap_s:
        return replace(clock, ticked_at=now, counted_to=now)
    fresh = sorted({begin for begin in buckets if begin >= clock.counted_to})
    counted_to = fresh[-1] + timedelta(seconds=length_s) if fresh else clock.counted_to
    if stopped:
        return replace(clock, ticked_at=now, counted_to=counted_to)
    hours = clock.hours
    for begin in fresh:
        hours |= 1 << begin.hour
    return replace(
        clock,
        ticked_at=now,
        counted_to=counted_to,
        watched_s=clock.watched_s + passed_s,
        seen_s=clock.seen_s + length_s * len(fresh),
        hours=hours,
    )


def _read(value: Any) -> Any:  # noqa: ANN401 - JSON
    return datetime.fromisoformat(value) if isinstance(value, str) else value

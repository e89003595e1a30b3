"""The rule that tells the digest of a week, once, when the next one has begun."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final, Protocol

from coalmine_alerts.messages.digest import RULE, digest_finding
from coalmine_alerts.records import Finding
from coalmine_alerts.results.digest import Digest
from coalmine_alerts.timing import Timing
from coalmine_alerts.weekly import week_of

_TOLD_FOR: Final = timedelta(days=2)
"""Later it is history: nobody reads it after Tuesday."""


class _Dated(Protocol):
    @property
    def now(self) -> datetime: ...


class WeeklyDigest:
    """Tells each week once.

    Unlike other rules it reads by itself, and keeps what it read for as long as it says it: a week that is
    over does not change, and computing it costs something.
    """

    name: Final = RULE
    timing: Final = Timing(info="at_once", group_wait=timedelta(0))

    def __init__(self, read: Callable[[tuple[str, datetime, datetime]], Digest], *, hour: int = 9) -> None:
        """Prepares.

        Args:
            read: Computes the digest of a week, as `weekly.digest_of` does.
            hour: Of Monday, in UTC, from which it is told.
        """
        self._read, self._due = read, timedelta(hours=hour)
        self._told: Finding | None = None

    def __call__(self, facts: _Dated) -> Iterator[Finding]:
        """One notice, from Monday morning on."""
        week = week_of(facts.now)
        if not self._due <= facts.now - week[2] < self._due + _TOLD_FOR:
            self._told = None
            return
        if self._told is None or self._told.notice != week[0]:
            self._told = digest_finding(self._read(week))
        yield self._told

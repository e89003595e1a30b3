"""The rule that tells the digest of a week, once, when the next one has begun."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final, Protocol

from coalmine_alerts.grouping import DEFAULT_DIGEST, DigestTime
from coalmine_alerts.messages.digest import RULE, digest_finding
from coalmine_alerts.records import Finding
from coalmine_alerts.results.digest import Digest
from coalmine_alerts.timing import Timing
from coalmine_alerts.weekly import week_of

_TOLD_FOR: Final = timedelta(days=2)
"""Later it is history."""


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

    def __init__(
        self, read: Callable[[tuple[str, datetime, datetime]], Digest], when: DigestTime = DEFAULT_DIGEST
    ) -> None:
        """Prepares.

        Args:
            read: Computes the digest of a week, as `weekly.digest_of` does.
            when: From when on it is told.
        """
        self._read, self._when = read, when
        self._told: Finding | None = None

    def __call__(self, facts: _Dated) -> Iterator[Finding]:
        """One notice, for two days from the time on that is set."""
        week = week_of(facts.now)
        due = self._when.after_week(week[2])
        if not due <= facts.now < due + _TOLD_FOR:
            self._told = None
            return
        if self._told is None or self._told.notice != week[0]:
            self._told = digest_finding(self._read(week))
        yield self._told

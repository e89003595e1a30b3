"""What is told together, and when: alerts of one environment and cause are one message."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final, Literal, get_args

from coalmine_alerts.results.alerts import Alert, Severity, TransitionKind
from coalmine_alerts.timing import Timing

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_WEEKDAYS: Final[tuple[Weekday, ...]] = get_args(Weekday)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestTime:
    """When digests are told: the daily one every day, the one of a week once a week."""

    at: time = time(9)
    time_zone: tzinfo = UTC
    weekday: Weekday = "monday"

    def next(self, now: datetime) -> datetime:
        """Returns the time of the next daily digest."""
        today = self._on(now)
        return today if today > now else self._on(now, days=1)

    def last(self, now: datetime) -> datetime:
        """Returns the time of the latest daily digest."""
        today = self._on(now)
        return today if today <= now else self._on(now, days=-1)

    def after_week(self, end: datetime) -> datetime:
        """Returns when the digest of a week that ends then is told."""
        found = self.next(end - timedelta(microseconds=1))
        days = (_WEEKDAYS.index(self.weekday) - found.astimezone(self.time_zone).weekday()) % 7
        return self._on(found, days=days)

    def _on(self, moment: datetime, *, days: int = 0) -> datetime:
        day = moment.astimezone(self.time_zone).date() + days * _DAY
        return datetime.combine(day, self.at, self.time_zone).astimezone(UTC)


DEFAULT_DIGEST: Final = DigestTime()


def group_key(alert: Alert) -> str:
    """Returns the group that an alert is told in."""
    return f"{alert.labels.get('environment', '')}|{alert.cause.kind}|{alert.cause.id}"


def digest_of(now: datetime, kind: TransitionKind, when: DigestTime) -> tuple[str, datetime]:
    """Returns the group of what a daily digest tells, and when it is told.

    What is for information waits for the next one. Alerts that fire on are in the one whose time it is.
    """
    at = when.last(now) if kind == "repeat" else when.next(now)
    # A minute later: the evaluation that finds what fires on must come first.
    return f"digest|{at.astimezone(when.time_zone):%Y-%m-%d}", max(now, at + timedelta(minutes=1))


def is_digest(group: str) -> bool:
    """Returns True for the group of a day's digest."""
    return group.startswith("digest|")


def is_for_digest(severity: Severity, kind: TransitionKind, timing: Timing) -> bool:
    """Returns True if a transition is told in the daily digest, not by itself."""
    return (severity == "info" and timing.info == "digest") or (kind == "repeat" and severity != "page")


def due_at(
    now: datetime,
    severity: Severity,
    kind: TransitionKind,
    timing: Timing,
    *,
    sent_at: datetime | None,
    waiting_until: datetime | None,
) -> datetime:
    """Returns when a transition is told.

    Args:
        now: When it happened.
        severity: Of the alert.
        kind: Of the transition.
        timing: Of the alert's rule.
        sent_at: When the channel was last sent a message of the group.
        waiting_until: When the channel will be sent the next one, if one waits.
    """
    wait = timing.group_wait
    if severity == "page" or kind in ("acknowledge", "accept") or wait <= timedelta(0):
        return now
    due = now + wait
    if sent_at is not None and now < sent_at + timing.group_interval:
        # Sent in the future: the clock was set back since.
        due = min(sent_at, now) + timing.group_interval
    return due if waiting_until is None else max(now, min(due, waiting_until))

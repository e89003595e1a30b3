"""What is told together, and when: alerts of one environment and cause are one message."""

from datetime import UTC, datetime, timedelta
from typing import Final

from coalmine_alerts.results.alerts import Alert, Severity, TransitionKind
from coalmine_alerts.timing import Timing

DIGEST_HOUR: Final = 9
"""Of the day, in UTC."""


def group_key(alert: Alert) -> str:
    """Returns the group that an alert is told in."""
    return f"{alert.labels.get('environment', '')}|{alert.cause.kind}|{alert.cause.id}"


def digest_of(now: datetime, kind: TransitionKind) -> tuple[str, datetime]:
    """Returns the group of what a daily digest tells, and when it is told.

    What is for information waits for the next one. Alerts that fire on are in the one whose time it is.
    """
    at = last_digest(now) if kind == "repeat" else next_digest(now)
    # A minute later: the evaluation that finds what fires on must come first.
    return f"digest|{at:%Y-%m-%d}", max(now, at + timedelta(minutes=1))


def is_digest(group: str) -> bool:
    """Returns True for the group of a day's digest."""
    return group.startswith("digest|")


def next_digest(now: datetime) -> datetime:
    """Returns the time of the next daily digest."""
    today = now.astimezone(UTC).replace(hour=DIGEST_HOUR, minute=0, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)


def last_digest(now: datetime) -> datetime:
    """Returns the time of the latest daily digest."""
    return next_digest(now) - timedelta(days=1)


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

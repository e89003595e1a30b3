"""What is said of a version whose reference is not complete: what it waits for, and until when."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from coalmine_analytics.drift.plan import DriftPlan
from coalmine_analytics.results.drift import VersionDrift
from coalmine_consumers.drift import DayOfRequests, VersionKey
from coalmine_consumers.results import DayIgnored

FARTHEST_DAYS = 3650
"""Nothing is forecast beyond that."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def no_reference(
    key: VersionKey,
    plan: DriftPlan,
    taken_at: datetime,
    days: Sequence[DayOfRequests] = (),
    named: Sequence[DayIgnored] = (),
) -> VersionDrift:
    """The answer while there is no reference: drift is unknown, not absent.

    Args:
        key: Which version.
        plan: Says what a reference needs.
        taken_at: The current time.
        days: Those on which the version had requests, oldest first.
        named: Days that are ignored, or count again.
    """
    policy = plan.reference
    since = days[0].first_event_time if days else None
    off = {each.day for each in named if each.ignored}
    days = [each for each in days if each.day.date() not in off]
    requests = sum(each.requests for each in days)
    whole_days = 0 if since is None else _whole_days(days, since, taken_at)
    speaks_from = None if since is None or not days else _speaks_from(days, plan, since, taken_at)
    words = (
        f"no reference yet: it needs its first {policy.days} whole days with requests ({whole_days} so far), "
        f"and at least {policy.min_requests:,} requests ({requests:,} so far)"
    )
    if since is not None:
        words += f"; requests began {since:%Y-%m-%d %H:%M} UTC"
    if speaks_from is not None:
        words += f", and if they go on like that, drift can be told from {speaks_from:%Y-%m-%d} on"
    return VersionDrift(
        prompt=key.prompt,
        version=key.version,
        environment=key.environment,
        state="not enough data",
        words=words,
        warnings=(),
        taken_at=taken_at,
        reference_since=since,
        reference_until=None,
        speaks_from=speaks_from,
        reference_requests=requests,
        watched_until=None,
        false_alarm_every_days=plan.false_alarm_days,
        metrics=(),
        model_changes=(),
        ignored_days=() if since is None else so_far(named, since, taken_at),
    )


def _whole_days(days: Sequence[DayOfRequests], since: datetime, taken_at: datetime) -> int:
    """Complete days with requests; a first day that began before its first request is not whole."""
    return sum(1 for each in days if since <= each.day <= taken_at - DAY)


def _speaks_from(
    days: Sequence[DayOfRequests], plan: DriftPlan, since: datetime, taken_at: datetime
) -> datetime | None:
    """When the reference will be complete if requests go on as so far; None if that is not within sight."""
    today = taken_at.replace(hour=0, minute=0, second=0, microsecond=0)
    more_days = plan.reference.days - _whole_days(days, since, taken_at) + (today < since)
    requests = sum(each.requests for each in days)
    per_day = requests / (max(taken_at - since, HOUR) / DAY)
    for_requests = math.ceil((plan.reference.min_requests - requests) / per_day)
    wait_days = max(more_days, for_requests + 1, 1)
    return today + wait_days * DAY if wait_days <= FARTHEST_DAYS else None


def so_far(named: Sequence[DayIgnored], since: datetime, until: datetime) -> tuple[DayIgnored, ...]:
    """Return the named days between two moments."""
    return tuple(each for each in named if since.date() <= each.day <= until.date())

"""Drift of an unchanged version: pure, from its sums and a plan."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from coalmine_analytics.arrays import known
from coalmine_analytics.drift.metric import DAY_H, Finding, MonitoredMetric, Window, monitored
from coalmine_analytics.drift.model_changes import likely_causes, model_changes
from coalmine_analytics.drift.plan import DEFAULT_DRIFT_PLAN, DriftPlan
from coalmine_analytics.drift.sentences import is_better, metric_words, version_words, warnings
from coalmine_analytics.metrics import Metric, metrics_in
from coalmine_analytics.results.drift import MetricDrift, ModelChange, VersionDrift
from coalmine_analytics.results.verdicts import DriftState
from coalmine_consumers.drift import DayOfRequests, DaySeries, Reallocation, VersionKey, VersionSeries

SETTLED_H = 1
"""An hour counts once it ended this many hours ago."""
FARTHEST_DAYS = 3650
"""Nothing is forecast beyond that."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def read_drift(
    series: VersionSeries,
    plan: DriftPlan = DEFAULT_DRIFT_PLAN,
    *,
    taken_at: datetime,
    reallocations: Sequence[Reallocation] = (),
) -> VersionDrift:
    """Judge a watched version: does it drift, and since when?

    The same sums always give the same answer: a drift that was found stays found, unless late events change
    the hours in which it was found.

    Args:
        series: The version's sums.
        plan: Fixed before looking.
        taken_at: The current time; the current hour does not count.
        reallocations: Changes of who gets the version since its reference began.
    """
    watched = series.watched
    begun, end = _hour(watched.first_hour), watched.reference_until
    if end is None:
        return no_reference(watched.key, plan, taken_at, _days(series))
    window = Window(_hour(end), _hour(taken_at) - SETTLED_H)
    changes = model_changes(series.models, end)
    metrics = metrics_in(series.hours, plan.overrides)
    found = {metric.name: _monitored(metric, series, plan, begun, window) for metric in metrics}
    count = sum(1 for each in found.values() if each is not None)
    rows = tuple(
        _Row(plan, count, changes).of(metric, found[metric.name], series.days.get(metric.cells))
        for metric in metrics
    )
    state = _state_of(rows)
    return VersionDrift(
        prompt=watched.key.prompt,
        version=watched.key.version,
        environment=watched.key.environment,
        state=state,
        words=version_words(state, rows, changes),
        warnings=tuple(warnings(_reference_days(series, _hour(end)), watched.first_hour, reallocations)),
        taken_at=taken_at,
        reference_since=watched.first_hour,
        reference_until=end,
        speaks_from=None,
        reference_requests=_requests(series, _hour(end)),
        watched_until=_moment(window.until),
        false_alarm_every_days=plan.false_alarm_days,
        metrics=rows,
        model_changes=changes,
    )


def no_reference(
    key: VersionKey, plan: DriftPlan, taken_at: datetime, days: Sequence[DayOfRequests] = ()
) -> VersionDrift:
    """The answer while there is no reference: drift is unknown, not absent.

    Args:
        key: Which version.
        plan: Says what a reference needs.
        taken_at: The current time.
        days: Those on which the version had requests, oldest first.
    """
    policy = plan.reference
    since = days[0].first_event_time if days else None
    requests = sum(each.requests for each in days)
    whole_days = _whole_days(days, taken_at)
    speaks_from = _speaks_from(days, plan, taken_at)
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
    )


def _whole_days(days: Sequence[DayOfRequests], taken_at: datetime) -> int:
    """Complete days with requests; a first day that began before its first request is not whole."""
    return sum(1 for each in days if days[0].first_event_time <= each.day <= taken_at - DAY)


def _speaks_from(days: Sequence[DayOfRequests], plan: DriftPlan, taken_at: datetime) -> datetime | None:
    """When the reference will be complete if requests go on as so far; None if that is not within sight."""
    if not days:
        return None
    since = days[0].first_event_time
    today = taken_at.replace(hour=0, minute=0, second=0, microsecond=0)
    more_days = plan.reference.days - _whole_days(days, taken_at) + (today < since)
    requests = sum(each.requests for each in days)
    per_day = requests / (max(taken_at - since, HOUR) / DAY)
    for_requests = math.ceil((plan.reference.min_requests - requests) / per_day)
    wait_days = max(more_days, for_requests + 1, 1)
    return today + wait_days * DAY if wait_days <= FARTHEST_DAYS else None


def _monitored(
    metric: Metric, series: VersionSeries, plan: DriftPlan, begun: int, window: Window
) -> MonitoredMetric | None:
    hours = series.hours.get(metric.cells)
    return None if hours is None else monitored(metric, hours, plan, begun, window)


class _Row:
    """One metric, as text and plain numbers."""

    def __init__(self, plan: DriftPlan, count: int, changes: Sequence[ModelChange]) -> None:
        self._plan, self._count, self._changes = plan, count, changes

    def of(self, metric: Metric, found: MonitoredMetric | None, days: DaySeries | None) -> MetricDrift:
        """The metric, judged or not."""
        if found is None or not len(found.buckets.x):
            return _unknown(metric, found)
        evidence = found.evidence(self._plan)
        threshold = found.log_threshold(self._plan, self._count)
        scaled = None if days is None else DaySeries(days.day, days.x, days.y * metric.scale)
        finding = found.find(evidence, threshold, scaled)
        shift = found.recent() if finding is None else finding.shift
        state: DriftState = "steady" if finding is None else "returned" if finding.returned else "drifted"
        earliest, since, latest = (None, None, None) if finding is None else _when(found, finding)
        causes = () if earliest is None or latest is None else likely_causes(self._changes, earliest, latest)
        return MetricDrift(
            metric=metric.name,
            unit=metric.unit,
            direction=metric.direction,
            role=metric.role,
            state=state,
            words=metric_words(metric, state, since, causes, upward=finding is not None and finding.upward),
            better=None if finding is None else is_better(metric, upward=finding.upward),
            detected_at=None if finding is None else _end_of(found, finding.place),
            since=since,
            since_earliest=earliest,
            since_latest=latest,
            before=None if shift is None else shift.before,
            after=None if shift is None else shift.after,
            shift=None if shift is None else shift.size,
            lower=None if shift is None else shift.lower,
            upper=None if shift is None else shift.upper,
            relative_shift=None if shift is None or shift.before == 0 else shift.size / abs(shift.before),
            log_evidence=known(np.logaddexp(evidence[0, -1], evidence[1, -1])),
            log_threshold=threshold,
            tolerance=found.tolerance(self._plan),
            reference_value=found.level,
            reference_since=_moment(found.window.since),
            reference_until=_moment(found.window.until),
            matched_by=found.reference.matching,
            bucket_hours=found.reference.length,
            likely_causes=causes,
        )


def _unknown(metric: Metric, found: MonitoredMetric | None) -> MetricDrift:
    words = (
        "too few values in the reference, or they do not vary: nothing to compare with"
        if found is None
        else "no complete hours after the reference yet"
    )
    return MetricDrift(
        metric=metric.name,
        unit=metric.unit,
        direction=metric.direction,
        role=metric.role,
        state="not enough data",
        words=words,
        better=None,
        detected_at=None,
        since=None,
        since_earliest=None,
        since_latest=None,
        before=None,
        after=None,
        shift=None,
        lower=None,
        upper=None,
        relative_shift=None,
        log_evidence=None,
        log_threshold=None,
        tolerance=None,
        reference_value=None if found is None else found.level,
        reference_since=None,
        reference_until=None,
        matched_by=None,
        bucket_hours=None,
        likely_causes=(),
    )


def _when(found: MonitoredMetric, finding: Finding) -> tuple[datetime, datetime, datetime]:
    began = finding.began
    earliest, since, latest = (
        _moment(int(found.buckets.start[at])) for at in (began.earliest, began.most_likely, began.latest)
    )
    return earliest, since, latest


def _end_of(found: MonitoredMetric, place: int) -> datetime:
    return _moment(int(found.buckets.start[place]) + found.reference.length)


def _state_of(rows: Sequence[MetricDrift]) -> DriftState:
    states = {row.state for row in rows}
    for state in ("drifted", "returned", "steady"):
        if state in states:
            return state
    return "not enough data"


def _requests(series: VersionSeries, until: int | None = None) -> int:
    hours = series.hours.get("requests")
    if hours is None:
        return 0
    return int(hours.y[hours.hour < until].sum() if until is not None else hours.y.sum())


def _days(series: VersionSeries) -> list[DayOfRequests]:
    hours = series.hours.get("requests")
    if hours is None:
        return []
    of_hour = hours.hour // DAY_H
    return [
        DayOfRequests(
            _moment(day * DAY_H),
            int(hours.y[of_hour == day].sum()),
            _moment(int(hours.hour[of_hour == day].min())),
        )
        for day in np.unique(of_hour).tolist()
    ]


def _reference_days(series: VersionSeries, until: int) -> int:
    """Days of the reference that had requests."""
    hours = series.hours.get("requests")
    return 0 if hours is None else len(np.unique(hours.hour[hours.hour < until] // DAY_H))


def _hour(moment: datetime) -> int:
    return int(moment.timestamp()) // 3600


def _moment(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * 3600, UTC)

"""Drift of an unchanged version: pure, from its sums and a plan."""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime

import numpy as np

from coalmine_analytics.arrays import known
from coalmine_analytics.drift.metric import Finding, MonitoredMetric, Window, monitored
from coalmine_analytics.drift.model_changes import likely_causes, model_changes
from coalmine_analytics.drift.no_reference import no_reference, so_far
from coalmine_analytics.drift.plan import DEFAULT_DRIFT_PLAN, DriftPlan
from coalmine_analytics.drift.reference import DAY_H
from coalmine_analytics.drift.sentences import is_better, metric_words, version_words, warnings
from coalmine_analytics.metrics import Metric, metrics_in
from coalmine_analytics.results.drift import MetricDrift, ModelChange, VersionDrift
from coalmine_analytics.results.verdicts import DriftState
from coalmine_consumers.drift import (
    DayOfRequests,
    DaySeries,
    Reallocation,
    VersionSeries,
)
from coalmine_consumers.results import DayIgnored

SETTLED_H = 1
"""An hour counts once it ended this many hours ago."""


def read_drift(
    series: VersionSeries,
    plan: DriftPlan = DEFAULT_DRIFT_PLAN,
    *,
    taken_at: datetime,
    reallocations: Sequence[Reallocation] = (),
    named: Sequence[DayIgnored] = (),
) -> VersionDrift:
    """Judge a watched version: does it drift, and since when?

    The same sums always give the same answer: a drift that was found stays found, unless late events change
    the hours in which it was found.

    Args:
        series: The version's sums.
        plan: Fixed before looking.
        taken_at: The current time; the current hour does not count.
        reallocations: Changes of who gets the version since its reference began.
        named: Days that are ignored, or count again.
    """
    watched = series.watched
    end = watched.reference_until
    if end is None:
        return no_reference(watched.key, plan, taken_at, _days(series), named)
    window = Window(_hour(end), _hour(taken_at) - SETTLED_H)
    changes = model_changes(series.models, end)
    ignored = _numbers(named)
    metrics = metrics_in(series.hours, plan.overrides)
    found = {metric.name: _monitored(metric, series, plan, window, ignored) for metric in metrics}
    count = sum(1 for each in found.values() if each is not None)
    rows = tuple(
        _Row(plan, count, changes).of(
            metric, found[metric.name], _counted(series.days.get(metric.cells), ignored)
        )
        for metric in metrics
    )
    state = _state_of(rows)
    return VersionDrift(
        prompt=watched.key.prompt,
        version=watched.key.version,
        environment=watched.key.environment,
        state=state,
        words=version_words(state, rows, changes),
        warnings=tuple(
            warnings(_reference_days(series, _hour(end), ignored), watched.first_hour, reallocations)
        ),
        taken_at=taken_at,
        reference_since=watched.first_hour,
        reference_until=end,
        speaks_from=None,
        reference_requests=_requests(series, _hour(end), ignored),
        watched_until=_moment(window.until),
        false_alarm_every_days=plan.false_alarm_days,
        metrics=rows,
        model_changes=changes,
        ignored_days=so_far(named, watched.first_hour, taken_at),
    )


def _monitored(
    metric: Metric,
    series: VersionSeries,
    plan: DriftPlan,
    window: Window,
    ignored: Collection[int],
) -> MonitoredMetric | None:
    hours = series.hours.get(metric.cells)
    if hours is None:
        return None
    begun = _hour(series.watched.first_hour)
    return monitored(metric, hours, plan, begun, window, ignored=ignored)


def _numbers(named: Sequence[DayIgnored]) -> list[int]:
    """Days since 1970 that are ignored."""
    return [(each.day - date(1970, 1, 1)).days for each in named if each.ignored]


def _counted(days: DaySeries | None, ignored: Collection[int]) -> DaySeries | None:
    if days is None:
        return None
    counts = ~np.isin(days.day, list(ignored))
    return DaySeries(days.day[counts], days.x[counts], days.y[counts])


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
        lately = None if finding is None else found.lately()
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
            lately_lower=None if lately is None else lately.lower,
            lately_upper=None if lately is None else lately.upper,
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


def _requests(series: VersionSeries, until: int, ignored: Collection[int]) -> int:
    hours = series.hours.get("requests")
    if hours is None:
        return 0
    return int(hours.y[(hours.hour < until) & ~np.isin(hours.hour // DAY_H, list(ignored))].sum())


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


def _reference_days(series: VersionSeries, until: int, ignored: Collection[int]) -> int:
    """Days of the reference that had requests and count."""
    hours = series.hours.get("requests")
    if hours is None:
        return 0
    return len(np.setdiff1d(hours.hour[hours.hour < until] // DAY_H, list(ignored)))


def _hour(moment: datetime) -> int:
    return int(moment.timestamp()) // 3600


def _moment(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * 3600, UTC)

"""What the statistics say: drift of served versions, a new version against the one before, experiments.

Each answer costs something, so it is kept: drift counts whole hours, and is asked for once in one; two
versions are compared once in an hour for some days; and of what is dear, one thing is read at a time.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Literal

from coalmine_alerts.facts import Course, Place, Served, VersionPair, VersionPlace
from coalmine_alerts.reading.kept import Kept
from coalmine_analytics.drift import Drifts
from coalmine_analytics.drift.no_reference import no_reference
from coalmine_analytics.drift.plan import DriftPlan
from coalmine_analytics.drift.service import AT_ONCE
from coalmine_analytics.drift.version import read_drift
from coalmine_analytics.explain import explain
from coalmine_analytics.metrics import Metric, metrics_in
from coalmine_analytics.observational import compare_versions
from coalmine_analytics.readout import Readouts
from coalmine_analytics.readout.plan import Plan
from coalmine_analytics.results.comparison import Comparison
from coalmine_analytics.results.drift import MetricDrift, VersionDrift
from coalmine_analytics.results.explain import Explanation
from coalmine_analytics.results.readout import Readout
from coalmine_consumers.drift import VersionKey, ignored_days, read_watched, reallocations, version_series
from coalmine_consumers.experiments import VersionPair as Compared
from coalmine_consumers.experiments import version_sums
from coalmine_consumers.explain import NoEvidence, Question, Side, evidence
from coalmine_consumers.sql import statement
from coalmine_consumers.store import Store

MOST_WATCHED: Final = 200
"""Versions that are watched for drift, those with the most requests first."""
SETTLES_IN: Final = timedelta(days=3)
"""A version that took over is compared with the one before it, again and again, for so long."""
_HOUR: Final = timedelta(hours=1)
_EXPLAINED_AGAIN: Final = timedelta(hours=6)
_COMPARED: Final = timedelta(days=3)
"""How much of the time before and after a change is explained, at most."""
_EVERYBODY: Final = 0.95
"""A version with this share of the requests is served to everybody."""
_LEAST: Final = 100
"""Requests that a version needs before it is compared."""
_ALPHA: Final = 0.01
"""Of each interval of two versions: a dozen metrics are looked at, and nothing was randomised."""
_AT_ONCE_S: Final = 1.0
"""How long drift is asked for in one go: a store that was never summed up takes its time."""
_DAY: Final = timedelta(days=1)
_POINTS: Final = 20
"""Of a chart."""
_LEAST_BEFORE_H: Final = 8
_MOST_BEFORE_H: Final = 96
_EXPERIMENT_LIVES: Final = timedelta(days=2)


class Analysis:
    """Asks the statistics; for one thread.

    Args:
        store: The store.
        drifts: Its drift detectors; None: drift is judged by the sums that are kept, without adding to them.
        readouts: Looks at experiments; None: none are read.
        plan: For versions that are not in an experiment.
        drift_plan: How drift is judged where `drifts` is None.
        hurries: True: what takes long is spread over several readings.
    """

    def __init__(
        self,
        store: Store,
        drifts: Drifts | None,
        readouts: Readouts | None,
        plan: Plan,
        drift_plan: DriftPlan,
        *,
        hurries: bool = True,
    ) -> None:
        self._hurries = hurries
        self._store, self._drifts, self._readouts = store, drifts, readouts
        self._plan, self._drift_plan = plan, drift_plan
        self._drift: dict[VersionPlace, tuple[datetime, VersionDrift]] = {}
        self._explained: dict[tuple[VersionPlace, str], tuple[datetime, Explanation]] = {}
        self._courses: dict[tuple[VersionPlace, str], Kept[Course | None]] = {}
        self._pairs: dict[tuple[VersionPlace, str], tuple[datetime, VersionPair | None]] = {}

    def drift(self, served: Sequence[Served], now: datetime) -> list[VersionDrift]:
        """Returns the drift of the versions that are served, each as of this hour or the last."""
        keys = [each.key for each in served[:MOST_WATCHED]]
        hour = now.replace(minute=0, second=0, microsecond=0)
        due = [key for key in keys if key not in self._drift or not hour <= self._drift[key][0] <= now]
        due.sort(key=lambda key: self._drift[key][0] if key in self._drift else hour - timedelta(days=999))
        began = time.monotonic()
        for begin in range(0, len(due), AT_ONCE):
            some = due[begin : begin + AT_ONCE]
            for key, found in zip(some, self._drift_of(some, now), strict=True):
                self._drift[key] = (now, found)
            if self._hurries and time.monotonic() - began >= _AT_ONCE_S:
                break  # the others have their turn at the next
        wanted = set(keys)
        self._drift = {key: found for key, found in self._drift.items() if key in wanted}
        return [self._drift[key][1] for key in keys if key in self._drift]

    def _drift_of(self, keys: Sequence[VersionPlace], now: datetime) -> list[VersionDrift]:
        own = [VersionKey(key.prompt, key.version, key.environment) for key in keys]
        if self._drifts is not None:
            return self._drifts.current(*own)
        return [drift_at(self._store, each, self._drift_plan, now) for each in own]

    def explained(
        self, drifts: Iterable[VersionDrift], now: datetime
    ) -> dict[tuple[VersionPlace, str], Explanation]:
        """Returns why metrics drifted, as far as that is known; finds out about one more."""
        drifted = {
            (VersionPlace(each.environment, each.prompt, each.version), row.metric): row
            for each in drifts
            for row in each.metrics
            if row.state == "drifted" and row.since is not None and row.better is not True
        }
        self._explained = {key: found for key, found in self._explained.items() if key in drifted}
        for key, row in drifted.items():
            if key not in self._explained or not (
                timedelta(0) <= now - self._explained[key][0] < _EXPLAINED_AGAIN
            ):
                found = self._why(key[0], row, now)
                if found is not None:
                    self._explained[key] = (now, found)
                break
        return {key: found for key, (_, found) in self._explained.items()}

    def _why(self, key: VersionPlace, row: MetricDrift, now: datetime) -> Explanation | None:
        began = row.since
        metric = self._metric_of(row.metric)
        if began is None or metric is None or began >= now:
            return None
        sides = (
            Side(key.version, began - _COMPARED, began),
            Side(key.version, max(began, now - _COMPARED), now),
        )
        return self._explain(key, metric, *sides)

    def courses(self, drifts: Iterable[VersionDrift]) -> dict[tuple[VersionPlace, str], Course]:
        """Returns how drifted metrics went, from before the drift until now."""
        found = {}
        for drift in drifts:
            key = VersionPlace(drift.environment, drift.prompt, drift.version)
            for row in drift.metrics:
                drifted = row.state == "drifted" and row.better is not True
                if drifted and row.since is not None and drift.watched_until is not None:
                    kept = self._courses.setdefault((key, row.metric), Kept(_HOUR, _DAY))
                    found[key, row.metric] = kept.get(
                        drift.taken_at,
                        drift.watched_until,
                        partial(self._course, key, row, drift.watched_until),
                    )
        self._courses = {name: kept for name, kept in self._courses.items() if name in found}
        return {name: course for name, course in found.items() if course is not None}

    def _course(self, key: VersionPlace, row: MetricDrift, until: datetime) -> Course | None:
        metric, since = self._metric_of(row.metric), row.since
        if metric is None or since is None:
            return None
        hours = max(int((until - since) / _HOUR), 1)
        before = max(min(hours, _MOST_BEFORE_H), _LEAST_BEFORE_H)
        step_h = -(-(hours + before) // _POINTS)
        begin = until - step_h * _POINTS * _HOUR
        rows = self._store.reader().rows(
            statement("course", "coalmine_alerts"),
            {**key.labels(), "metric": metric.cells, "since": begin, "until": until, "step_h": step_h},
        )
        values = {each["place"]: each["value"] * metric.scale for each in rows}
        return Course(step_h, tuple((begin + at * step_h * _HOUR, values.get(at)) for at in range(_POINTS)))

    def _explain(self, key: VersionPlace, metric: Metric, a: Side, b: Side) -> Explanation | None:
        if metric.per_unit:
            return None
        question = Question(prompt=key.prompt, cells=metric.cells, a=a, b=b, environment=key.environment)
        with self._store.cursor() as cursor:
            found = evidence(cursor, question)
        return None if isinstance(found, NoEvidence) else explain(found, metric, alpha=self._plan.alpha)

    def _metric_of(self, name: str) -> Metric | None:
        cells = self._store.reader().table("SELECT DISTINCT metric FROM drift_hours")["metric"].to_pylist()
        return next((each for each in metrics_in(cells, self._plan.overrides) if each.name == name), None)

    def pairs(
        self, served: Sequence[Served], proven: frozenset[VersionPlace], now: datetime
    ) -> list[VersionPair]:
        """Returns versions that lately took over, compared with those before; compares one more, or all.

        Args:
            served: What had requests.
            proven: Versions that a rollout has compared already.
            now: The time.
        """
        wanted = {(new.key, old.key.version): new for new, old in took_over(served) if new.key not in proven}
        self._pairs = {key: found for key, found in self._pairs.items() if key in wanted}
        due = [
            key
            for key in wanted
            if key not in self._pairs
            or (
                now - wanted[key].first_at <= SETTLES_IN
                and not timedelta(0) <= now - self._pairs[key][0] < _HOUR
            )
        ]
        due.sort(key=lambda key: self._pairs[key][0].timestamp() if key in self._pairs else 0.0)
        for key in due[:1] if self._hurries else due:
            self._pairs[key] = (now, self._compare(*key, wanted[key].first_at, now))
        return [pair for _, pair in self._pairs.values() if pair is not None]

    def _compare(self, key: VersionPlace, before: str, since: datetime, now: datetime) -> VersionPair | None:
        asked = Compared(key.prompt, before, key.version, key.environment, None, now)
        with self._store.cursor() as cursor:
            sums = version_sums(cursor, asked)
        if sums is None:
            return None
        comparison = compare_versions(sums, replace(self._plan, alpha=_ALPHA))
        metrics = {each.name: each for each in metrics_in(sums.metrics, self._plan.overrides)}
        worse_if = {
            name: _WORSE[each.direction]
            for name, each in metrics.items()
            if each.direction in _WORSE and (each.role != "shown" or each.cells in _ALSO)
        }
        tolerances = {
            each.metric: _tolerance(metrics[each.metric], each.adjusted_a_value)
            for each in comparison.metrics
        }
        pair = VersionPair(
            key=key,
            before=before,
            since=since,
            comparison=comparison,
            tolerances=tolerances,
            worse_if=worse_if,
        )
        return replace(pair, explanations=self._reasons(pair, comparison, metrics))

    def _reasons(
        self, pair: VersionPair, comparison: Comparison, metrics: Mapping[str, Metric]
    ) -> dict[str, Explanation]:
        """Why it is worse, for the first metric that is."""
        for each in comparison.metrics:
            if each.verdict == "seems worse" and each.metric in pair.worse_if:
                found = self._explain(
                    pair.key, metrics[each.metric], Side(pair.before, None, None), Side(pair.key.version)
                )
                return {} if found is None else {each.metric: found}
        return {}

    def experiments(self, now: datetime) -> list[tuple[Place, Readout]]:
        """Returns the last look at each experiment that had requests lately; takes none itself."""
        if self._readouts is None:
            return []
        rows = self._store.reader().rows(
            "SELECT DISTINCT environment, prompt, experiment FROM requests "
            "WHERE experiment IS NOT NULL AND event_time >= $since AND event_time < $now",
            {"since": now - _HOUR, "now": now},
        )
        found = []
        for row in rows:
            looks = self._readouts.path(row["experiment"], limit=1)
            if looks and now - looks[-1].taken_at <= _EXPERIMENT_LIVES:
                found.append((Place(row["environment"], row["prompt"]), looks[-1]))
        return found


def drift_at(store: Store, key: VersionKey, plan: DriftPlan, now: datetime) -> VersionDrift:
    """Returns the drift of a version as it was at a moment, by the sums that are kept."""
    with store.reader().snapshot() as snapshot:
        watched = read_watched(snapshot, key)
        named = ignored_days(snapshot, [key], plan.reference.special_days)[key]
        if watched is None or watched.reference_until is None or watched.reference_until > now:
            return no_reference(key, plan, now, (), named)
        (series,) = version_series(snapshot, [watched])
        changed = reallocations(snapshot, {key: watched.first_hour})[key]
    return read_drift(
        series,
        plan,
        taken_at=now,
        reallocations=[each for each in changed if each.event_time <= now],
        named=named,
    )


def took_over(served: Sequence[Served]) -> list[tuple[Served, Served]]:
    """Versions that lately came to be served to everybody, each with the one before it."""
    of_place: dict[Place, list[Served]] = {}
    for each in served:
        of_place.setdefault(each.key.place, []).append(each)
    found = []
    for new in served:
        others = [
            each
            for each in of_place[new.key.place]
            if each.key != new.key and each.first_at < new.first_at and each.requests >= _LEAST
        ]
        if new.share >= _EVERYBODY and new.requests >= _LEAST and others:
            found.append((new, max(others, key=lambda each: each.last_at)))
    return found


_WORSE: Final[Mapping[str, Literal["higher", "lower", "same"]]] = {
    "higher": "lower",
    "lower": "higher",
    "same": "same",
}
_ALSO: Final = ("thumbs_up", "quality", "cost_nano_usd.capped")
"""Metrics that are looked at though nothing depends on them in an experiment."""


def _tolerance(metric: Metric, value: float | None) -> float:
    size = metric.tolerance
    return size.value * (abs(value or 0.0) if size.relative else 1.0)

"""A version that nobody changed gives other results than it did."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from coalmine_alerts.facts import Course, Facts, Served, Source, VersionPlace
from coalmine_alerts.records import Finding
from coalmine_alerts.results.alerts import Cause
from coalmine_alerts.results.story import Story, StoryChart, StoryTable, moment
from coalmine_alerts.rules.base import of_prompt
from coalmine_alerts.rules.words import (
    causes,
    change_words,
    details,
    interval_words,
    runbook,
    title,
    value_words,
    view_of,
    where,
    worst,
)
from coalmine_alerts.timing import Timing
from coalmine_analytics.results.drift import MetricDrift, ModelChange, VersionDrift
from coalmine_schemas.providers import named_provider

_GONE: Final = timedelta(hours=6)
"""A version is no longer served if another one is, and it had no request for so long."""
_MOST_ROWS: Final = 8
_SHOWN: Final = ("quality", "thumbs_up_rate", "cost_per_request", "latency_ms", "error_rate")
"""Metrics that a message shows, whether or not they drifted."""

FAMILIES: Final = {
    "quality_drift": ("quality", "rating", "correction_rate"),
    "cost_drift": ("cost_per_request", "cost_per_request_uncached", "cost_over_cap_rate"),
    "latency_drift": (
        *("latency_ms", "latency_over_cap_rate", "latency_over_p95_rate"),
        "time_to_first_token_over_p95_rate",
    ),
    "error_drift": ("error_rate",),
    "refusal_drift": ("refusal_rate",),
    "thumbs_drift": ("thumbs_up_rate",),
}
"""Metrics by rule, the one that stands for all first; metrics of one's own whose direction is known belong to
quality."""
_ELSEWHERE: Final = frozenset(
    metric for rule, metrics in FAMILIES.items() if rule != "quality_drift" for metric in metrics
) | frozenset(("requests_per_unit", "return_rate", "feedback_rate", "input_tokens", "output_tokens"))


@dataclass(frozen=True, slots=True)
class Drifted:
    """An unchanged version against its own first days."""

    name: str
    metrics: Sequence[str] = field(default=())
    others: bool = False
    """True: metrics of one's own that have a direction, too; each is told by itself. Else all metrics say the
    same in other ways, so that they are one alert."""
    timing: ClassVar[Timing] = Timing(latch=True, metric=True)
    needs: ClassVar[frozenset[Source]] = frozenset(("traffic", "drift", "models"))
    on: ClassVar[bool] = True

    @property
    def summary(self) -> str:
        """What it tells."""
        return f"{self.name.removesuffix('_drift')} of a version that nobody changed got worse"

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each version, and for each metric where metrics are told apart."""
        if "drift" not in facts.read:
            return
        of_place = facts.served_at()
        for drift in facts.drifts:
            key = VersionPlace(drift.environment, drift.prompt, drift.version)
            gone = _is_gone(of_place.get(key.place, ()), key, facts.now)
            mine = [row for row in drift.metrics if self._is_mine(row)]
            for rows in [[row] for row in mine] if self.others else [sorted(mine, key=self._place)]:
                if rows:
                    yield self._finding(facts, key, drift, rows, gone=gone)

    def _is_mine(self, row: MetricDrift) -> bool:
        return row.metric in self.metrics or (
            self.others and row.metric not in _ELSEWHERE and row.direction != "unknown"
        )

    def _place(self, row: MetricDrift) -> int:
        return self.metrics.index(row.metric)

    def _finding(
        self, facts: Facts, key: VersionPlace, drift: VersionDrift, rows: Sequence[MetricDrift], *, gone: bool
    ) -> Finding:
        known = [row for row in rows if row.state != "not enough data"]
        bad = [row for row in known if row.state == "drifted" and row.better is False]
        row = (bad or known or rows)[0]
        measured = (known or rows)[0]
        return Finding(
            rule=self.name,
            labels={**key.labels(), "metric": rows[0].metric if self.others else self.metrics[0]},
            condition=bool(bad) if known else None,
            severity="warning",
            cause=_cause(key, row) if bad else of_prompt(key),
            story=drift_story(self.name, facts, key, drift, row),
            since=min((each.since for each in bad if each.since is not None), default=None),
            value=_level(measured, measured.shift),
            # The same sums always give the same answer: what was found and is found no more was never so.
            recovered=all(each.state in ("returned", "steady") for each in known) if known else None,
            ended=gone,
            is_worse_than=_worse_than(measured),
        )


def _level(row: MetricDrift, shift: float | None) -> float | None:
    """What a shift makes of the reference: other than what was measured, it does not depend on the hour."""
    return None if shift is None or row.reference_value is None else row.reference_value + shift


def _worse_than(row: MetricDrift) -> Callable[[float], bool]:
    """Whether the interval of the last days excludes what was accepted, and what is no drift from there."""
    lower, upper, slack = _level(row, row.lately_lower), _level(row, row.lately_upper), row.tolerance or 0.0

    def is_worse_than(accepted: float) -> bool:
        if row.state != "drifted" or lower is None or upper is None:
            return False
        return upper < accepted - slack if row.direction == "higher" else lower > accepted + slack

    return is_worse_than


def drift_story(rule: str, facts: Facts, key: VersionPlace, drift: VersionDrift, row: MetricDrift) -> Story:
    """Tells of a metric that drifted."""
    fell = (row.shift or 0.0) < 0
    name = _words_of(row.metric)
    change = change_words(row.before, row.shift, row.unit)
    verb = "fell" if fell else "rose"
    since = "" if row.since is None else f" since {moment(row.since)}"
    why = facts.explanations.get((key, row.metric))
    before, after = (value_words(each, row.unit) for each in (row.before, row.after))
    blame = _model_words(row.likely_causes)
    return Story(
        title=title(f"{name} {verb} {change.lstrip('+-')}", f"{key.prompt} {key.version}", key.environment),
        summary=f"{name} of {where(key)} {verb} from {before} to {after} ({change}){since}"
        f"{'; the model changed, the prompt did not' if blame else '; nobody changed the prompt'}.",
        why=blame or "Nobody changed the version: what its users ask, or what answers, is different now.",
        table=_table(drift, row),
        chart=_chart(facts.courses.get((key, row.metric)), key, row),
        details=details(
            Why=causes(why),
            Worst=worst(why),
            Began=None
            if row.since_earliest is None or row.since_latest is None
            else f"between {moment(row.since_earliest)} and {moment(row.since_latest)}",
            Careful="; ".join(drift.warnings) or None,
        ),
        done="Nothing.",
        could=(
            *((f"ask for {row.likely_causes[0].before[0]} by name",) if blame else ()),
            f"see why: `coalmine explain {key.prompt} --metric {row.metric} --since ...`",
            "accept it as the new normal",
        ),
        sure=f"Test at every hour against its own first days: a false alarm once in "
        f"{drift.false_alarm_every_days:,.0f} days for each version",
        links=(view_of(key, row.since, facts.now), runbook(rule)),
    )


def _table(drift: VersionDrift, mine: MetricDrift) -> StoryTable | None:
    shown = [row for row in drift.metrics if row.metric in _SHOWN or row.state == "drifted"]
    rows = [mine, *(row for row in shown if row.metric != mine.metric and row.after is not None)]
    return StoryTable(
        ("Metric", "Before", "Since", "Change", "95 % interval"),
        tuple(
            (
                row.metric,
                value_words(row.before, row.unit),
                value_words(row.after, row.unit),
                change_words(row.before, row.shift, row.unit),
                interval_words(row.before, row.lower, row.upper, row.unit),
            )
            for row in rows[:_MOST_ROWS]
        ),
    )


def _chart(course: Course | None, key: VersionPlace, row: MetricDrift) -> StoryChart | None:
    if course is None:
        return None
    by_hour = course.step_h == 1
    return StoryChart(
        title=f"{_words_of(row.metric)} per {'hour' if by_hour else f'{course.step_h} hours'}, {key.prompt}"[
            :50
        ],
        labels=tuple(f"{at:%H}" if by_hour else f"{at:%d %H}h" for at, _ in course.points),
        series=((key.version, tuple(value for _, value in course.points)),),
        y_label=row.unit or row.metric,
        x_label="Hour (UTC)" if by_hour else "Day and hour (UTC)",
    )


def _cause(key: VersionPlace, row: MetricDrift) -> Cause:
    """A model that changed at that time, else the prompt."""
    if row.likely_causes:
        return cause_of_model(row.likely_causes[0])
    return of_prompt(key)


def cause_of_model(change: ModelChange) -> Cause:
    """Returns the cause of all that a change of the answering model brings about."""
    provider = named_provider(change.response_model) or named_provider(change.request_model)
    return Cause(
        kind="model", id=f"{provider}/{change.response_model}" if provider else change.response_model
    )


def _model_words(changes: Sequence[ModelChange]) -> str | None:
    if not changes:
        return None
    first = changes[0]
    return (
        f"Nobody changed the prompt. The model did: {first.request_model} answers as {first.response_model} "
        f"since {moment(first.first_seen)}, before as {', '.join(first.before)}."
    )


def _words_of(metric: str) -> str:
    return metric.removesuffix("_rate").replace("_", " ").capitalize()


def _is_gone(served: Sequence[Served], key: VersionPlace, now: datetime) -> bool:
    """True if another version of the prompt is served there, and this one no more."""
    mine = next((each for each in served if each.key == key), None)
    if mine is None:
        return False
    return now - mine.last_at >= _GONE and any(each.last_at >= mine.last_at + _GONE for each in served)


DRIFT_RULES: Final[tuple[Any, ...]] = tuple(
    Drifted(name, metrics, others=name == "quality_drift") for name, metrics in FAMILIES.items()
)

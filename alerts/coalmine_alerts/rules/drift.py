"""A version that nobody changed gives other results than it did."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Final

from coalmine_alerts.facts import Facts, Source, VersionPlace
from coalmine_alerts.records import Finding
from coalmine_alerts.results.alerts import Cause
from coalmine_alerts.results.story import Story, StoryTable, moment
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
"""Metrics by rule; metrics of one's own whose direction is known belong to quality."""
_ELSEWHERE: Final = frozenset(
    metric for rule, metrics in FAMILIES.items() if rule != "quality_drift" for metric in metrics
) | frozenset(("requests_per_unit", "return_rate", "feedback_rate", "input_tokens", "output_tokens"))


@dataclass(frozen=True, slots=True)
class Drifted:
    """An unchanged version against its own first days."""

    name: str
    metrics: Sequence[str] = field(default=())
    others: bool = False
    """True: metrics of one's own that have a direction, too."""
    timing: ClassVar[Timing] = Timing(latch=True, metric=True)
    needs: ClassVar[frozenset[Source]] = frozenset(("traffic", "drift", "models"))
    on: ClassVar[bool] = True

    @property
    def summary(self) -> str:
        """What it tells."""
        return f"{self.name.removesuffix('_drift')} of a version that nobody changed got worse"

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each version and metric that has a reference."""
        if "drift" not in facts.read:
            return
        for drift in facts.drifts:
            key = VersionPlace(drift.environment, drift.prompt, drift.version)
            gone = _is_gone(facts, key)
            for row in drift.metrics:
                if self._is_mine(row):
                    yield self._finding(facts, key, drift, row, gone=gone)

    def _is_mine(self, row: MetricDrift) -> bool:
        return row.metric in self.metrics or (
            self.others and row.metric not in _ELSEWHERE and row.direction != "unknown"
        )

    def _finding(
        self, facts: Facts, key: VersionPlace, drift: VersionDrift, row: MetricDrift, *, gone: bool
    ) -> Finding:
        bad = row.state == "drifted" and row.better is False
        condition = None if row.state == "not enough data" else bad
        return Finding(
            rule=self.name,
            labels={**key.labels(), "metric": row.metric},
            condition=condition,
            severity="warning",
            cause=_cause(key, row) if bad else of_prompt(key),
            story=drift_story(self.name, facts, key, drift, row),
            since=row.since if bad else None,
            value=row.after,
            # The same sums always give the same answer: what was found and is found no more was never so.
            recovered=None if condition is None else row.state in ("returned", "steady"),
            ended=gone,
        )


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


def _is_gone(facts: Facts, key: VersionPlace) -> bool:
    """True if another version of the prompt is served there, and this one no more."""
    mine = next((each for each in facts.served if each.key == key), None)
    if mine is None:
        return False
    return facts.now - mine.last_at >= _GONE and any(
        each.key.place == key.place and each.last_at >= mine.last_at + _GONE for each in facts.served
    )


DRIFT_RULES: Final[tuple[Any, ...]] = tuple(
    Drifted(name, metrics, others=name == "quality_drift") for name, metrics in FAMILIES.items()
)

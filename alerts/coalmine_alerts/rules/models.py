"""Rules about the models behind prompts: changed in silence, not evaluated, soon gone."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar, Final

from coalmine_alerts.facts import AnsweredBy, Facts, VersionPlace
from coalmine_alerts.records import Finding, Inhibition
from coalmine_alerts.results.alerts import Cause
from coalmine_alerts.results.story import Story, StoryTable, moment
from coalmine_alerts.rule import Answer
from coalmine_alerts.rules.base import DefaultRule
from coalmine_alerts.rules.drift import FAMILIES, cause_of_model
from coalmine_alerts.rules.words import (
    change_words,
    details,
    listed,
    percent,
    runbook,
    title,
    value_words,
    view,
    where,
)
from coalmine_alerts.timing import Timing
from coalmine_analytics.results.drift import MetricDrift, ModelChange, VersionDrift
from coalmine_schemas.providers import named_provider

_MOST_ROWS: Final = 20
_MOST_PROMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class ModelChanged(DefaultRule):
    """A provider answers with another model, for however many prompts: one cause, one message."""

    name: ClassVar[str] = "model_change"
    timing: ClassVar[Timing] = Timing(info="at_once", group_wait=timedelta(minutes=2))
    needs: ClassVar = frozenset(("traffic", "drift"))
    summary: ClassVar[str] = "another model answers for the same name"

    told_for: timedelta = timedelta(days=2)
    """From its first answer on, and as long as a metric that moved with it has not come back."""

    def __call__(self, facts: Facts) -> Iterator[Answer]:
        """One finding for each environment and model that answers anew; holds back drift that it explains."""
        changes: dict[tuple[str, str, str], list[tuple[VersionDrift, ModelChange]]] = {}
        for drift in facts.drifts:
            for change in drift.model_changes:
                if change.first_seen <= facts.now:
                    key = (drift.environment, change.request_model, change.response_model)
                    changes.setdefault(key, []).append((drift, change))
        for (environment, _, _), found in changes.items():
            moved = [
                (drift, row)
                for drift, change in found
                for row in drift.metrics
                if row.state == "drifted" and row.better is False and change in row.likely_causes
            ]
            first = min(change.first_seen for _, change in found)
            is_new = facts.now - max(change.first_seen for _, change in found) <= self.told_for
            if is_new or moved:
                for drift, row in moved:
                    yield Inhibition(
                        by=found[0][1].response_model,
                        labels={
                            "environment": environment,
                            "prompt": drift.prompt,
                            "version": drift.version,
                            "metric": row.metric,
                        },
                        rules=frozenset(FAMILIES),
                    )
            yield self._finding(facts, environment, found, moved, first, condition=bool(is_new or moved))

    def _finding(
        self,
        facts: Facts,
        environment: str,
        found: Sequence[tuple[VersionDrift, ModelChange]],
        moved: Sequence[tuple[VersionDrift, MetricDrift]],
        first: datetime,
        *,
        condition: bool,
    ) -> Finding:
        change = found[0][1]
        cause = cause_of_model(change)
        prompts = sorted({drift.prompt for drift, _ in found})
        before = sorted({name for _, each in found for name in each.before})
        worse = sorted({f"{row.metric} of {drift.prompt}" for drift, row in moved})
        story = Story(
            title=title(
                f"{change.request_model} answers as {change.response_model}",
                f"{len(prompts)} prompts" if len(prompts) > 1 else prompts[0],
                environment,
            ),
            summary=f"{change.request_model} answers as {change.response_model} since {moment(first)}, "
            f"before as {', '.join(before)}; it serves {listed(prompts, _MOST_PROMPTS)} ({environment})."
            + (f" Worse since: {listed(worse)}." if worse else " No metric is shown to be worse."),
            why="Nobody changed a prompt: the provider moved the name to another model.",
            table=_changed_table(found, moved),
            done="Nothing." + (" Drift that it explains is told here alone." if moved else ""),
            could=(
                f"ask for {before[0]} by name in the prompt's `model`",
                "rerun the evaluations on the new model",
                "accept it as the new normal",
            ),
            sure="Read from the answers; a metric counts as moved with it within two days",
            links=(
                view(
                    "drift", environment=environment, model=change.response_model, since=first, now=facts.now
                ),
                runbook(self.name),
            ),
            icon="🔁" if not moved else "🔴",
        )
        return Finding(
            rule=self.name,
            labels={
                "environment": environment,
                "request_model": change.request_model,
                "response_model": change.response_model,
            },
            condition=condition,
            severity="warning" if moved else "info",
            cause=cause,
            story=story,
            since=first,
            value=float(len(prompts)),
        )


@dataclass(frozen=True, slots=True)
class ModelNotEvaluated(DefaultRule):
    """A version answers with a model on which no run of evals that passed has looked at it."""

    name: ClassVar[str] = "model_not_evaluated"
    timing: ClassVar[Timing] = Timing(for_=timedelta(hours=1), on_no_data="ok")
    needs: ClassVar = frozenset(("traffic", "models", "evaluations"))
    summary: ClassVar[str] = "a version answers with a model that it was never evaluated on, or failed on"

    share: float = 0.01
    """Of the version's requests in the last hour."""

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each model of a version whose evaluations name models."""
        evaluated = {each.key: each for each in facts.evaluations}
        total: dict[VersionPlace, int] = {}
        for each in facts.answered:
            total[each.key] = total.get(each.key, 0) + each.requests
        for each in facts.answered:
            known = evaluated.get(each.key)
            if known is None or not (known.models or known.unsafe):
                continue
            share = each.requests / total[each.key]
            name, models = where(each.key), listed(sorted(known.models)) or "no other"
            unsafe = each.model in known.unsafe
            lacks = (
                "a run of its suite has shown harm"
                if unsafe
                else "no run of evals that passed has looked at it"
            )
            story = Story(
                title=title(
                    "Unsafe on this model" if unsafe else "Not evaluated on this model", name, each.model
                ),
                summary=f"{name} answers {percent(share)} of its calls with {each.model}, on which {lacks}; "
                f"it was evaluated on {models}.",
                could=(
                    f"run the evaluations of {each.key.prompt} on {each.model}",
                    "ask for the evaluated model by name in the prompt's `model`",
                ),
                sure=f"Counted: {each.requests:,} of {total[each.key]:,} calls of the last hour",
                links=(
                    view(
                        prompt=each.key.prompt,
                        environment=each.key.environment,
                        model=each.model,
                        since=each.first_at,
                        now=facts.now,
                    ),
                    runbook(self.name),
                ),
                icon="🧪",
            )
            yield Finding(
                rule=self.name,
                labels={**each.key.labels(), "model": each.model},
                condition=each.model not in known.models and share > self.share,
                severity="warning",
                cause=_of_model(each.model),
                story=story,
                since=each.first_at,
                value=share,
            )


@dataclass(frozen=True, slots=True)
class Deprecation:
    """The end of a model."""

    model: str
    """As it answers, or as it is asked for."""
    ends: date
    """From then on its provider refuses requests."""
    provider: str | None = None
    replacement: str | None = None
    """What the provider proposes."""


@cache
def shipped_deprecations() -> tuple[Deprecation, ...]:
    """Returns the ends of models that are known as of this release."""
    text = files("coalmine_alerts").joinpath("models.toml").read_text("utf-8")
    return read_deprecations(tomllib.loads(text))


def read_deprecations(document: Mapping[str, Any]) -> tuple[Deprecation, ...]:
    """Reads a list of models and their ends."""
    return tuple(
        Deprecation(model, group["ends"], group.get("provider"), group.get("replacement"))
        for group in document["model"]
        for model in group["names"]
    )


@dataclass(frozen=True, slots=True)
class ModelDeprecated(DefaultRule):
    """A model that answers will soon be gone."""

    name: ClassVar[str] = "model_deprecation"
    timing: ClassVar[Timing] = Timing()
    needs: ClassVar = frozenset(("models",))
    summary: ClassVar[str] = "a model that answers is taken off by its provider soon"

    days_before: tuple[int, ...] = (60, 30, 7)
    """It is told on each of these days before, and when it is gone."""
    models: tuple[Deprecation, ...] = field(default_factory=shipped_deprecations)
    """Ends that are known."""

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each environment and model that ends soon, told once at each border."""
        using: dict[tuple[str, Deprecation], list[AnsweredBy]] = {}
        ends = {each.model: each for each in self.models}
        for answered in facts.answered:
            end = ends.get(answered.model)
            if end is not None:
                using.setdefault((answered.key.environment, end), []).append(answered)
        for (environment, end), found in using.items():
            left = (end.ends - facts.now.date()).days
            passed = [border for border in (*self.days_before, 0) if left <= border]
            if not passed:
                continue
            prompts = sorted({each.key.prompt for each in found})
            when = f"in {left} days" if left > 0 else "today" if left == 0 else f"{-left} days ago"
            story = Story(
                title=title(f"{end.model} ends {when}", listed(prompts, 2), environment),
                summary=f"{end.provider or 'Its provider'} takes {end.model} off on {end.ends}, {when}; it "
                f"answers for {listed(prompts, _MOST_PROMPTS)} ({environment}).",
                table=StoryTable(
                    ("Prompt", "Version", "Calls in the last hour"),
                    tuple(
                        (each.key.prompt, each.key.version, f"{each.requests:,}")
                        for each in found[:_MOST_ROWS]
                    ),
                ),
                details=details(Replacement=end.replacement),
                could=("evaluate the prompts on the replacement, and roll it out",),
                sure="From a list of dates that is kept with releases; correct it in `alerts.yaml`",
                links=(view("drift", environment=environment, model=end.model), runbook(self.name)),
                icon="📅",
            )
            yield Finding(
                rule=self.name,
                labels={"environment": environment, "model": end.model},
                condition=True,
                severity="warning",
                cause=_of_model(end.model),
                story=story,
                value=float(left),
                notice=f"{end.ends}@{min(passed)}",
            )


def _of_model(model: str) -> Cause:
    provider = named_provider(model)
    return Cause(kind="model", id=f"{provider}/{model}" if provider else model)


def _changed_table(
    found: Sequence[tuple[VersionDrift, ModelChange]], moved: Sequence[tuple[VersionDrift, MetricDrift]]
) -> StoryTable:
    """What moved, then the prompts of which nothing has."""
    rows = [
        (
            f"{drift.prompt} {drift.version}",
            row.metric,
            value_words(row.before, row.unit),
            value_words(row.after, row.unit),
            change_words(row.before, row.shift, row.unit),
        )
        for drift, row in moved
    ]
    with_moves = {(drift.prompt, drift.version) for drift, _ in moved}
    for drift, _ in found:
        if (drift.prompt, drift.version) in with_moves:
            continue
        quality = next((row for row in drift.metrics if row.metric == "quality"), None)
        before, after = (None, None) if quality is None else (quality.before, quality.after)
        told = "no change shown" if quality is not None and quality.state == "steady" else "not known yet"
        rows.append(
            (
                f"{drift.prompt} {drift.version}",
                "quality",
                value_words(before, ""),
                value_words(after, ""),
                told,
            )
        )
    return StoryTable(("Prompt", "Metric", "Before", "Since", "Change"), tuple(rows[:_MOST_ROWS]))


MODEL_RULES: Final = (ModelChanged(), ModelNotEvaluated(), ModelDeprecated())

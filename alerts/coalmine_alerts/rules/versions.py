"""A version that everybody gets is worse than the one before it: observational, and it says so."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from coalmine_alerts.facts import Facts, VersionPair
from coalmine_alerts.records import Finding
from coalmine_alerts.results.story import Story, StoryTable, moment
from coalmine_alerts.rules.base import DefaultRule, of_prompt
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
from coalmine_analytics.results.comparison import ComparedMetric

_FIRST = ("quality", "thumbs_up_rate", "error_rate", "cost_per_request", "latency_ms")
_MOST_ROWS = 8
_EVERYBODY = 0.95


@dataclass(frozen=True, slots=True)
class VersionRegression(DefaultRule):
    """A new version that everybody gets seems worse than the one before it, by more than is accepted."""

    name: ClassVar[str] = "version_regression"
    timing: ClassVar[Timing] = Timing(
        latch=True, metric=True, on_no_data="ok", no_data_after=timedelta(days=1)
    )
    needs: ClassVar = frozenset(("traffic", "rollouts", "comparisons"))
    summary: ClassVar[str] = "a new version that everybody gets is worse than the one before it"

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each version that lately took over; one that is taken back is over."""
        for pair in facts.pairs:
            yield self._finding(facts, pair)
        compared = {pair.key for pair in facts.pairs}
        for old in facts.served:
            replaced = any(
                each.key.place == old.key.place and each.key != old.key and each.share >= _EVERYBODY
                for each in facts.served
            )
            if replaced and old.key not in compared:
                yield Finding(
                    rule=self.name,
                    labels=old.key.labels(),
                    condition=False,
                    severity="warning",
                    cause=of_prompt(old.key),
                    story=Story(
                        title=title("Not served any more", where(old.key)),
                        summary=f"{where(old.key)} is not served any more.",
                    ),
                    ended=True,
                )

    def _finding(self, facts: Facts, pair: VersionPair) -> Finding:
        known = [each for each in pair.comparison.metrics if each.metric in pair.worse_if]
        judged = [each for each in known if each.lower is not None and each.upper is not None]
        worse = sorted((each for each in judged if is_worse(pair, each)), key=_order)
        return Finding(
            rule=self.name,
            labels=pair.key.labels(),
            condition=bool(worse) if judged else None,
            severity="warning",
            cause=of_prompt(pair.key),
            story=_story(self.name, facts, pair, worse, known),
            since=pair.since,
            value=worse[0].adjusted_difference if worse else None,
            recovered=bool(judged) and not worse,
        )


def is_worse(pair: VersionPair, each: ComparedMetric) -> bool:
    """Returns True if the interval excludes that a metric got worse by no more than is accepted."""
    if each.lower is None or each.upper is None:
        return False
    tolerance = pair.tolerances.get(each.metric, 0.0)
    match pair.worse_if.get(each.metric):
        case "lower":
            return each.upper < -tolerance
        case "higher":
            return each.lower > tolerance
        case "same":
            return each.upper < -tolerance or each.lower > tolerance
        case _:
            return False


def _order(each: ComparedMetric) -> tuple[int, str]:
    place = _FIRST.index(each.metric) if each.metric in _FIRST else len(_FIRST)
    return place, each.metric


def _story(
    rule: str, facts: Facts, pair: VersionPair, worse: list[ComparedMetric], known: list[ComparedMetric]
) -> Story:
    key, found = pair.key, pair.comparison
    changes = [
        f"{each.metric} {change_words(each.adjusted_a_value, each.adjusted_difference, each.unit)}"
        for each in worse[:3]
    ]
    said = ", ".join(changes) or "nothing is shown to be worse"
    why = next(iter(pair.explanations.values()), None)
    rows = [*worse, *(each for each in sorted(known, key=_order) if each not in worse)]
    how = "compared in the experiment in which both were arms" if found.randomised else "not an experiment"
    adjusted = ", ".join(found.adjusted_for) or "nothing"
    return Story(
        title=title(f"Worse than {pair.before}: {said}", f"{key.prompt} {key.version}", key.environment),
        summary=f"{where(key)}, which everybody gets since {moment(pair.since)}, seems worse than "
        f"{pair.before}: {said} ({how}, adjusted for {adjusted}).",
        why="; ".join(found.warnings[:2]) or None,
        table=StoryTable(
            ("Metric", pair.before, key.version, "Change", "Interval"),
            tuple(
                (
                    each.metric,
                    value_words(each.adjusted_a_value, each.unit),
                    value_words(each.adjusted_b_value, each.unit),
                    change_words(each.adjusted_a_value, each.adjusted_difference, each.unit),
                    interval_words(each.adjusted_a_value, each.lower, each.upper, each.unit),
                )
                for each in rows[:_MOST_ROWS]
            ),
        ),
        details=details(Why=causes(why), Worst=worst(why)),
        done="Nothing: no rollout watched it.",
        could=(
            f"go back: `coalmine rollback {key.prompt} {key.environment}`",
            f"compare them: `coalmine compare {key.prompt} {pair.before} {key.version}`",
            "roll the next version out in stages, which proves it",
        ),
        sure=f"Observational, valid at every look: {found.b.units:,} against {found.a.units:,} units, "
        f"{found.coverage:.0%} of the calls can be compared",
        links=(view_of(key, pair.since, facts.now), runbook(rule)),
    )

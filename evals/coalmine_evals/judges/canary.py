"""Fixed answers that a judge scores every day: when it moves, quality seems to move everywhere at once."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Final

from scipy.special import stdtrit

from coalmine_evals.judges.labelled import Labelled
from coalmine_evals.results.judges import CanaryState, CanaryStatus

CASES: Final = 30
"""Answers of a canary set: a few cents a day."""
REFERENCE_DAYS: Final = 5
"""First days, whose mean later ones are compared with: one alone would be off by its own noise."""
LEAST_SHIFT: Final = 0.05
"""A smaller one matters to nobody."""
ALPHA: Final = 0.001
"""Chance of a false alarm in a day: about one in three years."""


@dataclass(frozen=True, slots=True)
class CanaryDay:
    """What the judge said on one day."""

    day: str
    scores: Mapping[str, float | None]
    """By answer; None if there was no verdict."""
    response_models: tuple[str, ...] = ()


def canary_answers(labelled: Sequence[Labelled]) -> list[Labelled]:
    """Chooses the answers of a canary set."""
    return drawn(labelled, CASES)


def drawn(labelled: Sequence[Labelled], count: int) -> list[Labelled]:
    """Chooses some answers, always the same: by a hash of their ids, never by what a judge says of them."""
    ranked = sorted(labelled, key=lambda each: hashlib.sha256(each.case.id.encode()).digest())
    return ranked[:count]


def canary_status(scorer: str, cases: int, days: Sequence[CanaryDay]) -> CanaryStatus:
    """Compares the last day with the first ones.

    Args:
        scorer: Series of the judge's scores.
        cases: Number of fixed answers.
        days: What it said, in the order of days.
    """
    reference, later = days[:REFERENCE_DAYS], days[REFERENCE_DAYS:]
    last = days[-1] if days else None
    shift = lower = upper = moved_since = None
    state: CanaryState = "learning"
    before = _means(reference)
    for each in later:
        found = _shift(before, each)
        if found is None:
            continue
        shift, lower, upper = found
        state = "moved" if abs(shift) >= LEAST_SHIFT and not lower <= 0 <= upper else "steady"
        moved_since = (moved_since or each.day) if state == "moved" else None
    return CanaryStatus(
        scorer=scorer,
        state=state,
        cases=cases,
        days=len(days),
        day=None if last is None else last.day,
        shift=shift,
        lower=lower,
        upper=upper,
        moved_since=moved_since,
        response_models=() if last is None else last.response_models,
        sentence=_sentence(state, days, shift),
    )


def _means(days: Sequence[CanaryDay]) -> dict[str, float]:
    """Mean score of each answer over days, of those that got a verdict."""
    by_answer: dict[str, list[float]] = {}
    for each in days:
        for name, value in each.scores.items():
            if value is not None:
                by_answer.setdefault(name, []).append(value)
    return {name: fmean(values) for name, values in by_answer.items()}


def _shift(before: Mapping[str, float], day: CanaryDay) -> tuple[float, float, float] | None:
    """Mean change of the same answers, with its interval; None with fewer than two answers."""
    changes = [
        value - before[name] for name, value in day.scores.items() if value is not None and name in before
    ]
    if len(changes) < 2:
        return None
    mean = fmean(changes)
    half = float(stdtrit(len(changes) - 1, 1 - ALPHA / 2)) * stdev(changes) / math.sqrt(len(changes))
    return mean, mean - half, mean + half


def _sentence(state: CanaryState, days: Sequence[CanaryDay], shift: float | None) -> str:
    if state == "learning" or shift is None:
        left = max(REFERENCE_DAYS + 1 - len(days), 0)
        return f"{left} more days until it is known whether the judge moves"
    before = sorted({model for each in days[:REFERENCE_DAYS] for model in each.response_models})
    now = sorted(days[-1].response_models)
    other = f"; {', '.join(now)} answers now, and {', '.join(before)} did" if now != before else ""
    if state == "steady":
        return f"it scores the same answers as on its first days, within {abs(shift):.3f}{other}"
    return (
        f"it scores the same answers {abs(shift):.2f} {'higher' if shift > 0 else 'lower'} than on its first "
        f"days{other}: charts of quality by it are not comparable across that day"
    )

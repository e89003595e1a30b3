"""Has two versions answer what was asked in the past, and compares what they say."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from coalmine_analytics.paired.interval import paired_interval
from coalmine_analytics.paired.power import smallest_drop
from coalmine_evals.judges.pairs import position_consistency
from coalmine_evals.records import Output, Score, Scorer
from coalmine_evals.results.backtest import BacktestOutcome, BacktestRow
from coalmine_evals.results.datasets import Case
from coalmine_evals.runs.sides import RunSide
from coalmine_evals.scorers.reference import unscored
from coalmine_evals.scorers.scoring import scored
from coalmine_schemas.errors import CoalmineError, InvalidParameter, Terminal

PREFERRED: Final = "preferred"
"""Name of the metric of a judge of pairs."""
AT_ONCE: Final = 32
ALPHA: Final = 0.05
_MOST_UNSCORED: Final = 0.2
"""Share of inputs without a score, beyond which nothing is said: those left may be of another kind."""

Progress = Callable[[int, int], None]


@runtime_checkable
class Compares(Protocol):
    """A judge of pairs."""

    async def compare(self, case: Case, candidate: str, baseline: str) -> Score:
        """Compares two answers: 1 if the candidate is better, 0 if the baseline is, .5 for a tie."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of one input."""

    case: Case
    candidate: Output
    baseline: Output
    scores: Mapping[str, tuple[Score, Score]]
    """Of candidate and baseline, by metric; those of a pair add up to 1."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of all inputs."""

    compared: Sequence[Compared]
    """In the order of the cases."""
    stopped: str | None
    """Why not all of them are there."""


async def compare_all(
    cases: Sequence[Case],
    candidate: RunSide,
    baseline: RunSide,
    scorers: Mapping[str, Scorer],
    *,
    progress: Progress = lambda _done, _total: None,
    stop: asyncio.Event | None = None,
) -> Comparison:
    """Has both versions answer every case, and scores the answers.

    Args:
        cases: What is asked.
        candidate: The version that is tried.
        baseline: The version that it is compared with.
        scorers: By name of the metric; one that compares is given both answers.
        progress: Told how many cases are done.
        stop: Ends it early.

    Returns:
        What was done; it also ends early if no further answer can be had: the budget is spent, a key is
        refused.
    """
    waiting = iter(enumerate(cases))
    done: dict[int, Compared] = {}
    stopped: list[str] = []

    async def worker() -> None:
        for place, case in waiting:
            if stop is not None and stop.is_set():
                stopped.append("it was stopped")
            if stopped:
                return
            try:
                done[place] = await _one(case, candidate, baseline, scorers)
            except Terminal as reason:
                stopped.append(str(reason))
                return
            progress(len(done), len(cases))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(cases))):
                group.create_task(worker())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return Comparison([done[place] for place in sorted(done)], stopped[0] if stopped else None)


async def _one(case: Case, candidate: RunSide, baseline: RunSide, scorers: Mapping[str, Scorer]) -> Compared:
    try:
        for side in (candidate, baseline):
            side.request(case)
    except InvalidParameter as error:  # an input that one of them does not take: neither is asked
        new = old = Output(None, str(error).removeprefix(f"case {case.id}: "))
    else:
        new, old = await asyncio.gather(candidate.answer(case, 0), baseline.answer(case, 0))
    made = await asyncio.gather(*(_scores(each, case, new, old) for each in scorers.values()))
    return Compared(case, new, old, dict(zip(scorers, made, strict=True)))


async def _scores(scorer: Scorer, case: Case, new: Output, old: Output) -> tuple[Score, Score]:
    if not isinstance(scorer, Compares):
        first, second = await asyncio.gather(scored(scorer, case, new), scored(scorer, case, old))
        return first, second
    if new.text is None or old.text is None:
        none = unscored(new.error or old.error or "there is no answer")
        return none, none
    try:
        found = await scorer.compare(case, new.text, old.text)
    except Terminal:
        raise
    except CoalmineError as error:
        found = unscored(str(error))
    return found, Score(None if found.value is None else 1.0 - found.value)


def row_of(metric: str, compared: Sequence[Compared], *, pairs: bool) -> BacktestRow:
    """Returns what all inputs say together about one metric.

    Args:
        metric: Its name.
        compared: What came of each input.
        pairs: True for a judge of pairs.
    """
    both = [
        (each.case, new.value, old.value, new.details)
        for each in compared
        for new, old in (each.scores[metric],)
        if new.value is not None and old.value is not None
    ]
    lacking = len(compared) - len(both)
    clusters = [case.cluster for case, *_ in both]
    new_mean = math.fsum(new for _, new, _, _ in both) / len(both) if both else None
    old_mean = math.fsum(old for _, _, old, _ in both) / len(both) if both else None
    ties = None
    if pairs and both:
        new_mean = sum(new == 1.0 for _, new, _, _ in both) / len(both)
        old_mean = sum(old == 1.0 for _, _, old, _ in both) / len(both)
        ties = 1.0 - new_mean - old_mean
    outcome: BacktestOutcome = "invalid"
    difference = lower = upper = smallest = None
    if both and lacking <= _MOST_UNSCORED * len(compared):
        found = paired_interval([new - old for _, new, old, _ in both], clusters, alpha=ALPHA)
        difference, lower, upper = float(found.mean), float(found.lower), float(found.upper)
        smallest = smallest_drop(float(found.se), alpha=ALPHA, clusters=len(set(clusters)))
        outcome = "better" if lower > 0 else "worse" if upper < 0 else "undecided"
    return BacktestRow(
        metric=metric,
        outcome=outcome,
        sentence=_sentence(outcome, metric, compared, difference, smallest),
        cases=len(both),
        clusters=len(set(clusters)),
        unscored=lacking,
        candidate=new_mean,
        baseline=old_mean,
        ties=ties,
        position_consistency=position_consistency([each for *_, each in both]) if pairs else None,
        difference=difference,
        lower=lower,
        upper=upper,
        smallest=smallest,
    )


def _sentence(
    outcome: BacktestOutcome,
    metric: str,
    compared: Sequence[Compared],
    difference: float | None,
    smallest: float | None,
) -> str:
    if outcome == "invalid" or difference is None or smallest is None:
        reasons = Counter(
            str(without[0].details.get("unscored", "no score"))
            for each in compared
            if (without := [score for score in each.scores[metric] if score.value is None])
        )
        usual = f"; most often: {reasons.most_common(1)[0][0]}" if reasons else ""
        return f"{reasons.total():,} of {len(compared):,} inputs have no score, so nothing can be said{usual}"
    points = f"{abs(difference) * 100:.1f} points"
    if outcome == "better":
        return f"the candidate would have been better, by {points}"
    if outcome == "worse":
        return f"the candidate would have been worse, by {points}"
    return f"undecided: a difference of {smallest * 100:.0f} points or more would have been seen (80 %)"

"""Runs a suite: every case to every side, each answer scored and kept before the next is counted."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from coalmine_evals.judges.pairs import Beside, LlmJudgePairs
from coalmine_evals.providers.provider import Asking, AsksModels, Models
from coalmine_evals.records import Score, Scorer
from coalmine_evals.results.datasets import Case
from coalmine_evals.runs.answers import KeptAnswer, SideName
from coalmine_evals.runs.sides import RunSide
from coalmine_evals.runs.store import RunStore
from coalmine_evals.scorers.reference import unscored
from coalmine_evals.scorers.scoring import TIME_LIMIT_S, scored
from coalmine_schemas.errors import Terminal

_ALL_ERRORS: Final = 20
"""If so many first answers are errors, the next will be, too."""

Unit = tuple[int, SideName, int]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done."""

    cases: Sequence[Case]
    repeats: int
    sides: Mapping[SideName, RunSide]
    scorers: Mapping[str, Scorer]
    """By metric."""

    def units(self) -> Iterator[Unit]:
        """Yields each answer that is wanted; both sides of a case are asked at about the same time."""
        for place in range(len(self.cases)):
            for repeat in range(self.repeats):
                for side in self.sides:
                    yield place, side, repeat

    @property
    def size(self) -> int:
        """Number of answers that are wanted."""
        return len(self.cases) * self.repeats * len(self.sides)


@dataclass(slots=True)
class Done:
    """What has been done."""

    ending: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it stops, so that what waits for its turn is not waited for."""

    answers: dict[Unit, KeptAnswer] = field(default_factory=dict)
    stopped: str | None = None
    """Why it did not end; None if it did."""

    def stop(self, reason: str) -> None:
        """Ends it before all is done; the first reason counts."""
        if self.stopped is None:
            self.stopped = reason
        self.ending.set()


def bound(scorers: Mapping[str, Scorer], models: Models) -> dict[str, Scorer]:
    """Returns scorers, by metric, that ask models of this run, where they ask any."""
    return {
        name: scorer.with_models(models) if isinstance(scorer, AsksModels) else scorer
        for name, scorer in scorers.items()
    }


def ready(scorers: Mapping[str, Scorer], models: Models) -> dict[str, Scorer]:
    """Returns the same once all models are found that they ask: before anything is paid.

    Raises:
        InvalidParameter: A judge, or who answers for its model, cannot be found.
    """
    found = bound(scorers, models)
    for each in found.values():
        if isinstance(each, Asking):
            each.provider()
    return found


async def carry_out(
    work: Work,
    store: RunStore,
    run: str,
    *,
    at_once: int,
    progress: Progress = lambda _done, _total: None,
    stop: asyncio.Event | None = None,
) -> Done:
    """Asks for what is missing of a run, scores it and keeps it.

    Ends before all is done when `stop` is set, when the budget is spent, or when a provider refuses all
    requests: what was asked for by then is waited for and kept.

    Args:
        work: What is to be done.
        store: Where answers are kept.
        run: The run, which the store has.
        at_once: Answers under way at once; providers have limits of their own.
        progress: Told how many answers are there, and how many are wanted.
        stop: Ends it early; set when it ends early by itself.
    """
    done = Done(stop or asyncio.Event())
    wanted = set(work.units())
    kept = {answer.unit: answer for answer in store.kept(run)}
    done.answers = {
        unit: answer for unit, answer in kept.items() if unit in wanted and _is_final(answer, work.scorers)
    }
    progress(len(done.answers), work.size)
    if set(done.answers) == wanted:
        return done
    missing = (unit for unit in work.units() if unit not in done.answers)
    asked: Counter[SideName] = Counter()
    failed: Counter[SideName] = Counter()

    async def worker() -> None:
        for unit in missing:
            if done.stopped is not None:
                return
            if done.ending.is_set():
                done.stop("it was stopped")
                return
            try:
                answer = await answered(work, unit)
            except Unjudged as reason:  # it was paid for
                answer = reason.answer
                done.stop(str(reason))
            except Terminal as reason:  # a spent budget, a refused key: the next would fail, too
                done.stop(str(reason))
                return
            if unit in kept:
                answer = _with_paid(answer, kept[unit])
            await store.keep(run, answer)
            done.answers[unit] = answer
            progress(len(done.answers), work.size)
            side, error = answer.side, answer.output.error
            asked[side] += 1
            failed[side] += error is not None
            if asked[side] == failed[side] == _ALL_ERRORS:
                done.stop(f"the first {_ALL_ERRORS} answers of the {side} are all errors, such as {error}")

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(wanted) - len(done.answers))):
                group.create_task(worker())
    except BaseExceptionGroup as group_of_errors:
        raise group_of_errors.exceptions[0] from None
    return done


def _is_final(answer: KeptAnswer, scorers: Mapping[str, Scorer]) -> bool:
    """Whether asking again gives the same: what went wrong with a model, or with a judge, may have passed."""
    # Not those of a run that was published, of which nobody is asked here.
    asking = [name for name, scorer in scorers.items() if _asks(scorer)]
    return (
        answer.output.error is None
        and set(answer.scores) == set(scorers)
        and all(answer.scores[name].value is not None for name in asking)
    )


def _with_paid(answer: KeptAnswer, before: KeptAnswer) -> KeptAnswer:
    """The answer with what its run has paid before for the one in its place."""
    output, paid = answer.output, sum(score.cost_nano_usd for score in before.scores.values())
    if replace(output, cached=before.output.cached) == before.output:  # of the cache, or published
        output = before.output
    elif not before.output.cached:
        paid += before.output.cost_nano_usd or 0
    scores = dict(answer.scores)
    for name, score in list(scores.items())[:1]:  # as `kept_answer` has it
        scores[name] = replace(score, cost_nano_usd=score.cost_nano_usd + paid)
    return replace(answer, output=output, scores=scores)


def _asks(scorer: Scorer) -> bool:
    """Whether it asks models, as it was told which."""
    return getattr(scorer, "models", None) is not None


class Unjudged(Terminal):
    """There is an answer, and a judge cannot be asked any more: see `answer`."""

    def __init__(self, answer: KeptAnswer, reason: str) -> None:
        super().__init__(answer, reason)
        self.answer, self.reason = answer, reason

    def __str__(self) -> str:
        return self.reason


async def answered(work: Work, unit: Unit, *, time_limit_s: float = TIME_LIMIT_S) -> KeptAnswer:
    """Asks for one answer and scores it; raises what stops all others, too.

    Those that ask models take as long as providers let them: many wait for their turn at a slow one.

    Raises:
        Unjudged: It stops them while this answer is scored.
        Terminal: Before it is there.
    """
    place, side, repeat = unit
    case = work.cases[place]
    output = await work.sides[side].answer(case, repeat)
    others = [other for name, other in work.sides.items() if name != side]

    async def score(scorer: Scorer) -> Score:
        limit_s = None if _asks(scorer) else time_limit_s
        if isinstance(scorer, LlmJudgePairs) and others:
            # Asked once: who answers for the other side gets the same answer.
            beside = await others[0].answer(case, repeat)
            scorer = Beside(scorer, beside.text, is_candidate=side == "candidate")
        return await scored(scorer, case, output, time_limit_s=limit_s)

    found = await asyncio.gather(*map(score, work.scorers.values()), return_exceptions=True)
    reasons: list[str] = []
    scores: dict[str, Score] = {}
    for name, each in zip(work.scorers, found, strict=True):
        if isinstance(each, Terminal):
            reasons.append(str(each))
            scores[name] = unscored(str(each))
        elif isinstance(each, BaseException):
            raise each
        else:
            scores[name] = each
    answer = KeptAnswer(place, case.id, side, repeat, output, scores)
    if reasons:
        raise Unjudged(answer, reasons[0])
    return answer

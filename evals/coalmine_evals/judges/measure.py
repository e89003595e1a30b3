"""Scores answers by a judge, many at a time."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from coalmine_evals.judges.ask import request_of
from coalmine_evals.judges.labelled import Labelled
from coalmine_evals.judges.material import TooLong, block_of
from coalmine_evals.judges.pairs import LlmJudgePairs
from coalmine_evals.judges.scorer import LlmJudge
from coalmine_evals.providers.provider import Request
from coalmine_evals.records import Score

JudgeScorers = LlmJudge | LlmJudgePairs
Progress = Callable[[int, int], None]
AT_ONCE = 32
"""Answers under way at once; providers have limits of their own."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A labelled answer and what the judge says of it."""

    labelled: Labelled
    score: Score


async def measure(
    scorer: JudgeScorers, labelled: Sequence[Labelled], progress: Progress = lambda _done, _total: None
) -> list[Measured]:
    """Scores answers, in their order.

    Raises:
        ProviderRefused: Nothing will be answered until something is changed.
    """
    limit = asyncio.Semaphore(AT_ONCE)
    done = 0

    async def one(each: Labelled) -> Measured:
        nonlocal done
        async with limit:
            score = await score_of(scorer, each)
        done += 1
        progress(done, len(labelled))
        return Measured(each, score)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(each)) for each in labelled]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


async def score_of(scorer: JudgeScorers, each: Labelled) -> Score:
    """Scores one answer, or compares two."""
    if isinstance(scorer, LlmJudgePairs):
        return await scorer.compare(each.case, each.answers[0], each.answers[1])
    return await scorer.score(each.case, each.answers[0])


def requests_of(scorer: JudgeScorers, labelled: Sequence[Labelled]) -> list[Request]:
    """Returns what `measure` would ask, for saying what it costs."""
    found = []
    for each in labelled:
        names = ("answer",) if scorer.kind == "one" else ("first", "second")
        for answers in [each.answers] if scorer.kind == "one" else [each.answers, each.answers[::-1]]:
            texts = scorer.texts(each.case, dict(zip(names, answers, strict=True)))
            with suppress(TooLong):
                block = block_of(scorer.judge.name, texts)
                found += [request_of(scorer.judge, block, scorer.settings.rubric)] * scorer.settings.samples
    return found

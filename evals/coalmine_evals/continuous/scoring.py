"""Has a scorer score answers, several at the same time, none for longer than it may take."""

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from coalmine_evals.continuous.paid import Paid
from coalmine_evals.continuous.requests import Texts
from coalmine_evals.judges.scorer import JudgeScorer
from coalmine_evals.records import Output, Scorer
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.reference import unscored
from coalmine_evals.scorers.scoring import first_text, scored, why_unscored
from coalmine_schemas.errors import CoalmineError

AT_ONCE: Final = 16
"""Scores that are made at the same time; who answers for a model limits itself further."""
SCORE_TIMEOUT_S: Final = 60.0
_LOOK_S: Final = 0.2
"""How often to look whether to stop."""
_LONGEST_REASON: Final = 300


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one answer."""

    value: float | None
    reason: str | None
    """Why it has no score."""
    rationale: str | None
    """Why this score, if the scorer says so."""
    cost_nano_usd: int


async def score_all(
    scorer: Scorer, texts: Mapping[str, Texts], stop: threading.Event, timeout_s: float = SCORE_TIMEOUT_S
) -> dict[str, Verdict]:
    """Scores the answers to requests.

    Args:
        scorer: Who scores.
        texts: What was asked and answered, by request id.
        stop: Ends it early when it is set.
        timeout_s: How long one score may take.

    Returns:
        By request id; what was not done when it was stopped is left out.
    """
    room = asyncio.Semaphore(AT_ONCE)

    async def one(request_id: str, asked: Texts) -> Verdict:
        async with room:
            return await _verdict(scorer, case_of(request_id, asked), asked.output_text, timeout_s)

    tasks = {request_id: asyncio.create_task(one(request_id, asked)) for request_id, asked in texts.items()}
    waiting: set[asyncio.Task[Verdict]] = set(tasks.values())
    while waiting and not stop.is_set():
        _, waiting = await asyncio.wait(waiting, timeout=_LOOK_S)
    for task in waiting:
        task.cancel()
    if waiting:
        await asyncio.wait(waiting, timeout=_LOOK_S)
    return {
        request_id: task.result()
        for request_id, task in tasks.items()
        if task.done() and not task.cancelled()
    }


def case_of(request_id: str, asked: Texts) -> Case:
    """The case that a production request is: its input is the variable `input`, and nothing is expected."""
    return Case(
        id=request_id,
        variables={} if asked.input_text is None else {"input": asked.input_text},
        expected=None,
        capabilities=(),
        cluster=request_id,
        split="test",
        must_pass=False,
        source=f"request:{request_id}",
    )


async def _verdict(scorer: Scorer, case: Case, output: str, timeout_s: float) -> Verdict:
    paid = None
    if isinstance(scorer, JudgeScorer) and scorer.models is not None:
        paid = Paid(scorer.models)
        scorer = scorer.with_models(paid)
    try:
        score = await scored(scorer, case, Output(output), time_limit_s=timeout_s)
    except CoalmineError as error:  # nothing can be scored until something is changed: say what
        score = unscored(str(error))
    if score.value is None:
        # Of several samples some may have come.
        cost = max(score.cost_nano_usd, 0 if paid is None else paid.nano_usd)
        return Verdict(None, why_unscored(score)[:_LONGEST_REASON], None, cost)
    return Verdict(score.value, None, first_text(score, ("reasoning", "rationale")), score.cost_nano_usd)

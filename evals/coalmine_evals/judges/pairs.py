"""`llm_judge_pairs`: which of two answers a judge prefers, whichever it sees first."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from coalmine_evals.judges.addressed import signs_of_address
from coalmine_evals.judges.ask import Judgement
from coalmine_evals.judges.scorer import JudgeScorer, JudgeSettings
from coalmine_evals.records import Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.settings import made
from coalmine_schemas.prompts.json_values import JsonObject, JsonValue

CONSISTENT = "consistent"
"""Name of the detail: did the verdict survive the swap of the order?"""


@dataclass(frozen=True, slots=True)
class LlmJudgePairs(JudgeScorer):
    """Asks a judge which of two answers is better, in both orders: an answer or the expected one."""

    Settings: ClassVar = JudgeSettings

    @classmethod
    def of(cls, settings: Mapping[str, JsonValue]) -> Self:
        """Makes the scorer from a suite's settings.

        Raises:
            InvalidPrompt: They have a mistake; names it and what to write instead.
        """
        return cls(made(JudgeSettings, settings), "pair")

    async def compare(self, case: Case, candidate: str, baseline: str) -> Score:
        """Compares two answers to a case.

        Returns:
            1 if the candidate is preferred in both orders, 0 if the baseline is, .5 for a tie, which a
            disagreement between the orders is, too; None if either order has no verdict.
        """
        if candidate == baseline:
            return Score(0.5, {"same": True, CONSISTENT: True})
        forth, back = await asyncio.gather(
            self.ask(self.texts(case, {"first": candidate, "second": baseline})),
            self.ask(self.texts(case, {"first": baseline, "second": candidate})),
        )
        return _joined(forth, back, candidate, baseline)

    async def score(self, case: Case, output: str) -> Score:
        """Compares an answer with the expected one: for answers that there is no other side to."""
        if not isinstance(case.expected, str):
            return Score(None, {"reason": "the case expects no text to compare with"})
        return await self.compare(case, output, case.expected)


@dataclass(frozen=True, slots=True)
class Beside:
    """Scores answers of one side beside one answer of the other: both sides' scores add up to 1."""

    pairs: LlmJudgePairs
    other: str | None
    """The answer of the other side; None if it has none."""
    is_candidate: bool
    """Whether the candidate's answers are scored."""

    @property
    def name(self) -> str:
        """That of the judge."""
        return self.pairs.name

    async def score(self, case: Case, output: str) -> Score:
        """Compares an answer with the other side's."""
        if self.other is None:
            return Score(None, {"reason": "the other side has no answer to compare with"})
        if self.is_candidate:
            return await self.pairs.compare(case, output, self.other)
        score = await self.pairs.compare(case, self.other, output)
        value = None if score.value is None else 1 - score.value
        return Score(value, score.details, score.cost_nano_usd)


def position_consistency(details: Iterable[Mapping[str, JsonValue]]) -> float | None:
    """Share of pairs whose verdict survives the swap of the order; None without any that has both."""
    known = [bool(each[CONSISTENT]) for each in details if CONSISTENT in each and "same" not in each]
    return sum(known) / len(known) if known else None


def _joined(forth: Judgement, back: Judgement, candidate: str, baseline: str) -> Score:
    details: JsonObject = {"candidate_first": forth.details(), "baseline_first": back.details()}
    signs: JsonObject = {
        side: list(found)
        for side, text in (("candidate", candidate), ("baseline", baseline))
        if (found := signs_of_address(text))
    }
    if signs:
        details["signs_of_address"] = signs
    cost = forth.cost_nano_usd + back.cost_nano_usd
    if forth.value is None or back.value is None:
        return Score(None, {**details, "failures": [*forth.failures, *back.failures]}, cost)
    first, second = _side(forth.value), _side(1 - back.value)
    details[CONSISTENT] = first == second
    return Score(first if first == second else 0.5, details, cost)


def _side(value: float) -> float:
    """The answer that most samples of one order prefer: 1 the candidate, 0 the baseline, .5 neither."""
    return 1.0 if value > 0.5 + 1e-9 else 0.0 if value < 0.5 - 1e-9 else 0.5

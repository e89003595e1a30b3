"""Scores answers, whatever scorers do: one that fails is an answer without a score, and says why."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from coalmine_evals.records import Output, Score, Scorer
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers.reference import unscored
from coalmine_schemas.errors import Terminal
from coalmine_schemas.prompts.json_values import check_json

_ROUNDING: Final = 1e-9
TIME_LIMIT_S: Final = 300.0


async def scored(
    scorer: Scorer, case: Case, output: Output, *, time_limit_s: float | None = TIME_LIMIT_S
) -> Score:
    """Scores one answer.

    Args:
        scorer: Any; those of other packages fail in ways of their own.
        case: What was asked.
        output: What was answered. Without an answer there is no score.
        time_limit_s: How long a scorer that waits may take; None for as long as it wants.

    Raises:
        Terminal: No answer can be scored until something is changed: a key, a package.
    """
    if output.text is None:
        return unscored(output.error or "there is no answer")
    try:
        async with asyncio.timeout(time_limit_s):
            score = await scorer.score(case, output.text)
        value = None if score.value is None else float(score.value)
        check_json(score.details, "details")
    except TimeoutError:
        return unscored(f"{scorer.name} gave no score within {time_limit_s:g} s")
    except Terminal:
        raise
    except Exception as error:  # noqa: BLE001 - somebody else's code
        return unscored(f"{scorer.name} failed: {type(error).__name__}: {error}")
    if value is None:
        return score
    if not math.isfinite(value) or not -_ROUNDING <= value <= 1 + _ROUNDING:
        return unscored(f"{scorer.name} gave {value}: scores lie from 0 to 1")
    return replace(score, value=min(1.0, max(0.0, value)))


def why_unscored(score: Score) -> str:
    """Returns why there is no score, as far as the scorer says."""
    return first_text(score, ("unscored", "failures", "reason", "error")) or "the scorer does not say why"


def first_text(score: Score, names: Sequence[str]) -> str | None:
    """Returns the first text of these details, or the first of a list of them; None without any."""
    found = (score.details.get(name) for name in names)
    texts = (each[0] if isinstance(each, list) and each else each for each in found)
    return next((each for each in texts if isinstance(each, str) and each), None)

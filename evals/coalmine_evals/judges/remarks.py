"""What to know of a judge's scores in a run before believing them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from coalmine_evals.judges.family import shared_family
from coalmine_evals.judges.pairs import LlmJudgePairs, position_consistency
from coalmine_evals.judges.scorer import JudgeScorer
from coalmine_evals.records import Output, Score

_FEWEST: Final = 20
_CORRELATED: Final = 0.3
_INCONSISTENT: Final = 0.7
_ADDRESSED: Final = 0.01


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """An answer with the score of a judge."""

    case: str
    repeat: int
    output: Output
    score: Score


@dataclass(frozen=True, slots=True)
class AtEqualLength:
    """The difference of two sides, and what is left of it at equal length."""

    difference: float
    at_equal_length: float
    """Intercept of the regression of differences on differences of the logarithm of the length."""
    correlation: float
    """Of differences of scores with differences of length."""


def remarks(
    metric: str,
    scorer: JudgeScorer,
    candidate: Sequence[JudgedAnswer],
    baseline: Sequence[JudgedAnswer],
) -> list[str]:
    """Returns what to know of a metric that a judge scored, a sentence each; none if nothing stands out."""
    found = []
    models = {
        each.output.response_model
        for each in (*candidate, *baseline)
        if each.output.response_model is not None
    }
    family = shared_family(scorer.judge.model, models)
    if family is not None and not scorer.settings.same_family:
        found.append(
            f"{metric}: the judge {scorer.judge.model} is of the family {family}, whose answers it judges: "
            "judges like those of their own better; take another, or say `same_family: true`"
        )
    length = at_equal_length(candidate, baseline)
    if length is not None and abs(length.correlation) >= _CORRELATED:
        found.append(
            f"{metric}: scores go with the lengths of answers (correlation {length.correlation:+.2f}); the "
            f"difference is {length.difference:+.3f}, and {length.at_equal_length:+.3f} at equal length"
        )
    if isinstance(scorer, LlmJudgePairs):
        consistent = position_consistency([each.score.details for each in candidate])
        if consistent is not None and consistent < _INCONSISTENT:
            found.append(
                f"{metric}: {consistent:.0%} of verdicts survive the swap of the order; the others are ties"
            )
    for side, answers in (("candidate", candidate), ("baseline", baseline)):
        share = _addressed(answers)
        if share > _ADDRESSED:
            found.append(
                f"{metric}: {share:.0%} of answers of the {side} seem to speak to the judge: read them"
            )
    return found


def at_equal_length(
    candidate: Sequence[JudgedAnswer], baseline: Sequence[JudgedAnswer]
) -> AtEqualLength | None:
    """Returns what is left of a difference when both sides' answers are equally long.

    None with fewer than 20 answers that both sides have a score of, or if lengths do not differ.
    """
    before = {(each.case, each.repeat): each for each in baseline}
    pairs = [
        (each, other)
        for each in candidate
        if (other := before.get((each.case, each.repeat))) is not None
        and each.score.value is not None
        and other.score.value is not None
    ]
    if len(pairs) < _FEWEST:
        return None
    scores = np.array([(one.score.value or 0.0) - (two.score.value or 0.0) for one, two in pairs])
    lengths = np.array([_log_length(one.output) - _log_length(two.output) for one, two in pairs])
    if np.ptp(scores) == 0 or np.ptp(lengths) == 0:
        return None
    at_equal = float(np.polyfit(lengths, scores, 1)[1])
    return AtEqualLength(float(scores.mean()), at_equal, float(np.corrcoef(lengths, scores)[0, 1]))


def _log_length(output: Output) -> float:
    return math.log(1 + len(output.text or ""))


def _addressed(answers: Sequence[JudgedAnswer]) -> float:
    """Share of answers that the judge, or the detector, says speak to the judge."""
    if not answers:
        return 0.0
    return sum(_speaks(each.score.details) for each in answers) / len(answers)


def _speaks(details: Mapping[str, object]) -> bool:
    orders = [details, details.get("candidate_first"), details.get("baseline_first")]
    return "signs_of_address" in details or any(
        isinstance(each, Mapping) and bool(each.get("addresses_judge")) for each in orders
    )

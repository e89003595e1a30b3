"""Measures a judge by people: may a gate decide by it?"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from statistics import fmean
from typing import Final

import numpy as np

from coalmine_analytics.agreement import agreement
from coalmine_evals.judges.judge import Judge
from coalmine_evals.judges.labelled import digest_of_labelled
from coalmine_evals.judges.measure import Measured
from coalmine_evals.judges.pairs import position_consistency
from coalmine_evals.results.judges import Calibration, Confusion, JudgeAgreement, SegmentAgreement

LEAST_KAPPA: Final = 0.4
"""Lower end of kappa from which a gate may decide by a judge."""
MIN_LABELS: Final = 30
"""Fewer labels let no judge decide."""
_MOST_SEGMENTS: Final = 50
_MOST_UNSCORED: Final = 0.05


def calibration_of(
    judge: Judge,
    scorer: str,
    measured: Sequence[Measured],
    *,
    at: datetime,
    least_kappa: float = LEAST_KAPPA,
) -> Calibration:
    """Compares a judge with people.

    Args:
        judge: The judge.
        scorer: Name of the series of its scores.
        measured: Labelled answers with its scores.
        at: Now.
        least_kappa: What the lower end of kappa has to reach.
    """
    scored = [each for each in measured if each.score.value is not None]
    found = _agreement(judge, scored)
    unscored = len(measured) - len(scored)
    decides, reason = _decision(found, unscored / len(measured), least_kappa)
    values = [each.score.value or 0.0 for each in scored]
    labels = [judge.values[each.labelled.label] for each in scored]
    lengths = [_length(each) for each in scored]
    spreads = [spread for each in scored if isinstance(spread := each.score.details.get("spread"), float)]
    pairs = Counter((each.labelled.label, verdict_of(judge, each.score.value or 0.0)) for each in scored)
    return Calibration(
        scorer=scorer,
        found=found,
        decides=decides,
        reason=reason,
        least_kappa=least_kappa,
        confusion=tuple(Confusion(human, said, count) for (human, said), count in pairs.most_common()),
        segments=tuple(_segments(judge, scored)),
        lenience=fmean(values) - fmean(labels) if scored else 0.0,
        spread=fmean(spreads) if spreads else None,
        length_correlation=_correlation(values, lengths),
        human_length_correlation=_correlation(labels, lengths),
        position_consistency=position_consistency([each.score.details for each in scored]),
        unscored=unscored,
        labels_digest=digest_of_labelled([each.labelled for each in measured]),
        cost_nano_usd=sum(each.score.cost_nano_usd for each in measured),
        calibrated_at=at,
    )


def verdict_of(judge: Judge, value: float) -> str:
    """Returns the verdict nearest to a mean of samples; the worse of two as near."""
    return min(judge.values, key=lambda each: (round(abs(judge.values[each] - value), 9), judge.values[each]))


def _agreement(judge: Judge, scored: Sequence[Measured]) -> JudgeAgreement:
    if not scored:
        return JudgeAgreement(0, None, None, None, None, None)
    people = [judge.values[each.labelled.label] for each in scored]
    said = [judge.values[verdict_of(judge, each.score.value or 0.0)] for each in scored]
    found = agreement(people, said, [each.labelled.case.cluster for each in scored])
    return JudgeAgreement(
        labels=len(scored),
        agreement=found.agreement,
        by_chance=found.by_chance,
        kappa=found.kappa,
        lower=found.lower,
        upper=found.upper,
    )


def _decision(found: JudgeAgreement, unscored: float, least: float) -> tuple[bool, str]:
    if unscored > _MOST_UNSCORED:
        return (
            False,
            f"it has no verdict on {unscored:.0%} of answers; at most {_MOST_UNSCORED:.0%}",
        )
    if found.labels < MIN_LABELS:
        return False, f"{found.labels} labels; at least {MIN_LABELS} are needed"
    if found.kappa is None or found.lower is None or found.upper is None:
        return False, "one verdict was given throughout: add answers that people find bad, or good"
    shown = f"kappa {found.kappa:.2f}, {found.lower:.2f} to {found.upper:.2f}"
    if found.lower >= least:
        return True, f"{shown}; at least {least:.2f} is shown"
    more = "label more answers" if found.upper >= least else "change the judge"
    return False, f"{shown}; at least {least:.2f} is not shown: {more}"


def _segments(judge: Judge, scored: Sequence[Measured]) -> list[SegmentAgreement]:
    named = Counter(pair for each in scored for pair in each.labelled.segments.items())
    found = []
    for (key, value), _ in named.most_common(_MOST_SEGMENTS):
        there = [each for each in scored if each.labelled.segments.get(key) == value]
        found.append(SegmentAgreement(key, value, _agreement(judge, there)))
    return sorted(found, key=lambda each: (each.found.agreement or 0.0, each.key, each.value))


def _length(each: Measured) -> float:
    """Of an answer; of a pair by how much the first is longer."""
    first, *others = (len(answer) for answer in each.labelled.answers)
    return float(first - sum(others))


def _correlation(values: Sequence[float], lengths: Sequence[float]) -> float | None:
    if len(values) < MIN_LABELS or np.ptp(values) == 0 or np.ptp(lengths) == 0:
        return None
    from scipy import stats  # noqa: PLC0415 - half a second

    return float(stats.spearmanr(values, lengths).statistic)

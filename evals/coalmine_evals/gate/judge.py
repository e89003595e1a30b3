"""The answer of the gate, from the scores of both sides on the same cases."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from coalmine_analytics.arrays import BoolArray, FloatArray, known
from coalmine_analytics.core.holm import holm
from coalmine_analytics.errors import invalid
from coalmine_analytics.paired import Interval
from coalmine_evals.gate.cases import flaky, must_pass_failures, worst
from coalmine_evals.gate.measured import ALPHA, Measured, check_scores, measured, scored_share
from coalmine_evals.gate.words import interval_words, name_of, points, power_words, share_words
from coalmine_evals.records import GateInput, MetricScores
from coalmine_evals.results.datasets import Case
from coalmine_evals.results.gate import CaseDifference, GateReport, GateRow, Outcome

_NAMED: Final = 5
"""Cases or rows that one sentence names."""


def judge(given: GateInput) -> GateReport:
    """Judges a candidate beside its baseline.

    A metric passes if the one-sided 95 % bound of its difference lies above -margin. Harm is shown if the
    difference is below 0 by a one-sided test at 5 %, corrected by Holm over metrics and capabilities, and at
    least half of the margin. Anything else is undecided. Capabilities, and whether answers could be scored,
    decide by harm only. Cases of the split `dev` are left out.

    Raises:
        InvalidParameter: Scores do not fit the cases, or there are none.
    """
    if not given.cases or not given.metrics:
        raise invalid("cases x metrics", (len(given.cases), len(given.metrics)), "give at least one of each")
    for metric in given.metrics:
        check_scores(metric, len(given.cases))
    test = np.array([case.split == "test" for case in given.cases])
    warnings = list(given.warnings)
    only_dev = None
    if not test.any():
        only_dev, test = "cases of the split dev never decide", ~test
    elif not test.all():
        warnings.append(f"{int((~test).sum()):,} cases of the split dev are left out: they never decide")
    cases = [case for case, taken in zip(given.cases, test, strict=True) if taken]
    metrics = [_of(metric, test) for metric in given.metrics]
    warnings += [f"{each.metric} is shown only: {each.advisory}" for each in metrics if each.advisory]

    found = list(_measure(given, cases, metrics, only_dev))
    adjusted = _adjusted(found)
    rows = tuple(_row(each, p, given.unscored_limit) for each, p in zip(found, adjusted, strict=True))
    deciding = [each for each in metrics if each.advisory is None]
    wrong, unscored = ((), ()) if only_dev else must_pass_failures(cases, deciding, given.right_from)
    outcome, sentence = _outcome(rows, wrong, unscored, found)
    return GateReport(
        outcome=outcome,
        sentence=sentence,
        power=tuple(power_words(each) for each in found if each.must_be_shown),
        rows=rows,
        must_pass_failures=(*wrong, *unscored),
        worst=worst(cases, deciding or metrics),
        flaky=flaky(cases, metrics),
        warnings=tuple(warnings),
    )


def _of(metric: MetricScores, chosen: BoolArray) -> MetricScores:
    return MetricScores(
        metric.metric, metric.margin, metric.candidate[chosen], metric.baseline[chosen], metric.advisory
    )


def _measure(
    given: GateInput, cases: Sequence[Case], metrics: Sequence[MetricScores], only_dev: str | None
) -> Iterator[Measured]:
    """All rows: metrics of all cases first, then whether they were scored, then by capability."""
    clusters = [case.cluster for case in cases]
    everything = np.ones(len(cases), np.bool_)
    why = [only_dev or each.advisory for each in metrics]
    for metric, shown_only in zip(metrics, why, strict=True):
        yield measured(metric, clusters, everything, shown_only=shown_only)
    for metric, shown_only in zip(metrics, why, strict=True):
        scored = scored_share(metric, given.unscored_limit)
        if scored is not None:
            yield measured(scored, clusters, everything, shown_only=shown_only, must_be_shown=False)
    wanted = given.capabilities or sorted({name for case in cases for name in case.capabilities})
    for capability in wanted:
        chosen = np.array([capability in case.capabilities for case in cases])
        for metric, shown_only in zip(metrics, why, strict=True):
            yield measured(metric, clusters, chosen, capability=capability, shown_only=shown_only)


def _adjusted(found: Sequence[Measured]) -> FloatArray:
    """p-values of harm, after Holm over the rows that decide; those of the others as they are."""
    p = np.array([math.nan if each.interval is None else float(each.interval.p_worse) for each in found])
    decide = np.array([each.shown_only is None and each.interval is not None for each in found])
    if decide.any():
        p[decide] = holm(p[decide])
    return p


def _row(each: Measured, p_harm: float, unscored_limit: float) -> GateRow:
    interval = each.interval
    outcome, reason = _judged(each, p_harm, unscored_limit)
    return GateRow(
        metric=each.metric,
        capability=each.capability,
        outcome=outcome,
        decides=each.shown_only is None,
        reason=reason,
        margin=each.margin,
        cases=each.cases,
        clusters=each.clusters,
        better=each.better,
        worse=each.worse,
        baseline=known(each.baseline),
        candidate=known(each.candidate),
        difference=None if interval is None else float(interval.mean),
        lower=None if interval is None else float(interval.lower),
        upper=None if interval is None else float(interval.upper),
        method=None if interval is None else ("rule of three" if interval.alike else interval.method),
        p_harm=known(p_harm),
        p_differs=None if interval is None else float(interval.p_differs),
        spread=None if interval is None else each.spread,
        flicker=each.flicker,
        smallest_drop=each.drop,
        cases_needed=each.needed,
        unscored_baseline=each.unscored_baseline,
        unscored_candidate=each.unscored_candidate,
    )


def _judged(each: Measured, p_harm: float, unscored_limit: float) -> tuple[Outcome, str]:
    """The outcome of one row, and why."""
    for side, share in (("candidate", each.unscored_candidate), ("baseline", each.unscored_baseline)):
        if each.capability is None and share > unscored_limit:
            return "invalid", (
                f"{share_words(share)} of the {side}'s answers have no score, and "
                f"{share_words(unscored_limit)} may: see their errors"
            )
    if each.interval is None:
        return "undecided", "no case has a score on both sides"
    return _by_interval(each, each.interval, p_harm)


def _by_interval(each: Measured, interval: Interval, p_harm: float) -> tuple[Outcome, str]:
    mean, lower, upper = float(interval.mean), float(interval.lower), float(interval.upper)
    if lower > max(0.0, -each.margin):
        return "pass", f"better by {points(lower)} points at least (95 %)"
    if lower > -each.margin:
        return "pass", (
            f"at most {points(max(-lower, 0.0))} points worse (95 %), and {points(each.margin)} may be"
        )
    if p_harm <= ALPHA and upper < 0 and mean <= -each.margin / 2:
        return "fail", f"worse by {points(-mean)} points, by {points(-upper)} at least (95 %)"
    if p_harm > ALPHA and upper < 0:
        alone = f"p {float(interval.p_worse):.2g}"
        return "undecided", (
            f"its interval lies below 0, but that may be chance ({alone}; {p_harm:.2g} after Holm's "
            "correction over metrics and capabilities)"
        )
    if upper < 0:
        return "undecided", f"worse, and by less than half of the margin of {points(each.margin)} points"
    return "undecided", (
        f"it may be worse by up to {points(-lower)} points, and {points(each.margin)} may be: these cases "
        f"cannot see a drop below {points(each.drop)}"
    )


def _outcome(
    rows: Sequence[GateRow],
    wrong: Sequence[CaseDifference],
    unscored: Sequence[CaseDifference],
    found: Sequence[Measured],
) -> tuple[Outcome, str]:
    """The answer, and the sentence that says it."""
    pairs = [(row, each) for row, each in zip(rows, found, strict=True) if row.decides]
    must = [row for row, each in pairs if each.must_be_shown]
    by: dict[Outcome, list[GateRow]] = {
        outcome: [row for row, _ in pairs if row.outcome == outcome] for outcome in ("invalid", "fail")
    }
    lost = list(dict.fromkeys(each.case for each in wrong))
    lost_words = [f"{_several(len(lost), 'case')} that must pass did not: {_listed(lost)}"] if lost else []
    if by["invalid"]:
        return "invalid", _sentence(
            "invalid", [f"{name_of(r)}: {r.reason}" for r in by["invalid"]] + lost_words
        )
    if unscored and not lost:
        names = _listed(list(dict.fromkeys(each.case for each in unscored)))
        return "invalid", _sentence("invalid", [f"an answer to a case that must pass has no score: {names}"])
    if lost or by["fail"]:
        return "fail", _sentence(
            "harm shown", [*lost_words, *(f"{name_of(r)} is {r.reason}" for r in by["fail"])]
        )
    if not must:
        why = next((each.shown_only for each in found if each.shown_only), "all are advisory")
        return "undecided", _sentence("undecided", [f"no metric decides: {why}"])
    open_rows = [row for row in must if row.outcome != "pass"]
    if open_rows:
        return "undecided", _sentence("undecided", [f"{name_of(row)}: {row.reason}" for row in open_rows])
    return "pass", _sentence("pass", [f"{name_of(row)} {interval_words(row)}" for row in must])


def _sentence(answer: str, reasons: Sequence[str]) -> str:
    more = f"; and {len(reasons) - _NAMED} more" if len(reasons) > _NAMED else ""
    return f"{answer}: {'; '.join(reasons[:_NAMED])}{more}."


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _several(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"

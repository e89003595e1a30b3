"""What a run comes to: its sides, what the gate is given, and what to know before believing it."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from coalmine_evals.gate.provenance import provenance_warnings
from coalmine_evals.judges.remarks import JudgedAnswer, remarks
from coalmine_evals.judges.scorer import JudgeScorer
from coalmine_evals.judges.storage import advisory_reason
from coalmine_evals.records import GateInput, MetricScores, Scorer
from coalmine_evals.results.judges import Calibration
from coalmine_evals.results.runs import Side
from coalmine_evals.runs.answers import KeptAnswer, SideName
from coalmine_evals.runs.engine import Done, Work
from coalmine_evals.runs.sides import SideIdentity
from coalmine_evals.scorers.scoring import why_unscored
from coalmine_evals.scorers.summary import summary_of
from coalmine_evals.suites.suite import Suite, SuiteMetric
from coalmine_schemas.errors import InvalidParameter


def side_of(identity: SideIdentity, side: SideName, work: Work, done: Done) -> Side:
    """Sums one side up."""
    answers = [each for each in done.answers.values() if each.side == side]
    outputs = [each.output for each in answers]
    known = [each.cost_nano_usd for each in outputs if each.cost_nano_usd is not None]
    unknown = any(each.text is not None and each.cost_nano_usd is None for each in outputs)
    scoring = sum(score.cost_nano_usd for each in answers for score in each.scores.values())
    times = sorted(each.answered_at for each in outputs if each.answered_at is not None)
    latencies = [each.latency_ms for each in outputs if each.latency_ms is not None]
    p50, p95 = np.percentile(latencies, [50, 95]) if latencies else (None, None)
    return Side(
        prompt=identity.prompt,
        version=identity.version,
        digest=identity.digest,
        provider=identity.provider,
        model=identity.model,
        response_models=tuple(sorted({each.response_model for each in outputs if each.response_model})),
        answered_from=times[0] if times else None,
        answered_to=times[-1] if times else None,
        cost_nano_usd=None if unknown or not known else sum(known) + scoring,
        latency_ms_p50=None if p50 is None else float(p50),
        latency_ms_p95=None if p95 is None else float(p95),
        metrics=tuple(summary_of(metric, scores) for metric, scores in _scores(side, work, done).items()),
    )


def gate_input(
    suite: Suite,
    work: Work,
    done: Done,
    *,
    partial: bool = False,
    calibrations: Sequence[Calibration] = (),
    leaks: Sequence[str] = (),
) -> GateInput:
    """Returns what the gate judges of a run with a baseline.

    Args:
        suite: What was run.
        work: What was to be done.
        done: What has been done.
        partial: True if it is less than what the suite says.
        calibrations: Of judges: one that nobody compared with people does not decide.
        leaks: What is known of cases that leak.
    """
    candidate, baseline = (_scores(side, work, done) for side in ("candidate", "baseline"))
    return GateInput(
        cases=work.cases,
        metrics=[
            MetricScores(
                metric=each.name,
                margin=each.margin,
                candidate=candidate[each.name],
                baseline=baseline[each.name],
                advisory=_advisory(each, work.scorers[each.name], calibrations),
            )
            for each in suite.metrics
        ],
        right_from={each.name: each.right_from for each in suite.metrics},
        unscored_limit=suite.unscored_limit,
        capabilities=suite.capabilities,
        warnings=(*_warnings(done, work, partial=partial), *leaks, *_remarks(work, done)),
    )


def _advisory(metric: SuiteMetric, scorer: Scorer, calibrations: Sequence[Calibration]) -> str | None:
    if metric.role == "advisory":
        return "the suite says that it is advisory"
    if not isinstance(scorer, JudgeScorer):
        return None
    try:
        return advisory_reason(scorer.name, calibrations)
    except InvalidParameter as error:  # of a run made elsewhere, by a judge that is not known here
        return str(error)


def _remarks(work: Work, done: Done) -> list[str]:
    """What to know of the scores of judges."""
    found = []
    for metric, scorer in work.scorers.items():
        if isinstance(scorer, JudgeScorer):
            by_side: dict[SideName, list[JudgedAnswer]] = {"candidate": [], "baseline": []}
            for each in done.answers.values():
                judged = JudgedAnswer(each.case, each.repeat, each.output, each.scores[metric])
                by_side[each.side].append(judged)
            with suppress(InvalidParameter):
                found += remarks(metric, scorer, by_side["candidate"], by_side["baseline"])
    return found


def spent_on(answers: Iterable[KeptAnswer]) -> int:
    """Returns what answers and judgements of a run have cost it: others have paid for cached ones."""
    return sum(
        (each.output.cost_nano_usd or 0) * (not each.output.cached)
        + sum(score.cost_nano_usd for score in each.scores.values())
        for each in answers
    )


def _scores(side: SideName, work: Work, done: Done) -> dict[str, NDArray[np.float64]]:
    found = {metric: np.full((len(work.cases), work.repeats), np.nan) for metric in work.scorers}
    for answer in done.answers.values():
        if answer.side == side:
            for metric, score in answer.scores.items():
                if score.value is not None:
                    found[metric][answer.place, answer.repeat] = score.value
    return found


def _warnings(done: Done, work: Work, *, partial: bool) -> list[str]:
    by_side: Mapping[SideName, list[KeptAnswer]] = {
        side: [each for each in done.answers.values() if each.side == side]
        for side in ("candidate", "baseline")
    }
    found = []
    if partial:
        size = f"{len(work.cases)} cases, {work.repeats} answers to each"
        found.append(f"{size}: not what the suite says, so the run is no evidence")
    outputs = {side: [each.output for each in answers] for side, answers in by_side.items()}
    for metric in work.scorers:
        for side, answers in by_side.items():
            lacking = [each for each in answers if each.scores[metric].value is None]
            if lacking:
                first = min(lacking, key=lambda each: each.unit)
                why = f"{first.case}: {why_unscored(first.scores[metric])}"
                found.append(f"{metric} has no score for answers of the {side}, e.g. {why:.300}")
    remedy = "run both again with --fresh"
    return [*found, *provenance_warnings(outputs["candidate"], outputs["baseline"], remedy)]

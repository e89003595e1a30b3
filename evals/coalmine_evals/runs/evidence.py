"""Whether a run is evidence for a version, and recording that it is."""

from collections.abc import Sequence
from typing import Final

from coalmine_evals.results.datasets import Case
from coalmine_evals.results.runs import EvalRun
from coalmine_evals.runs.answers import KeptAnswer
from coalmine_evals.suites.suite import Suite
from coalmine_registry.errors import Conflict, NotFound
from coalmine_registry.operations.checked_evidence import EVAL_RUN, EvalRunOf
from coalmine_registry.provenance import CheckedEvidence
from coalmine_registry.records import ENVIRONMENTS, VersionRecord
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor
from coalmine_schemas.safe_text import printable

_LONGEST: Final = 2_000
RECORDED: Final = "recorded"


def record(
    registry: Registry,
    actor: Actor,
    run: EvalRun,
    version: str,
    *,
    suite: Suite,
    cases: Sequence[Case],
    answers: Sequence[KeptAnswer],
) -> CheckedEvidence:
    """Records a run as evidence for a version whose content its candidate is.

    Args:
        registry: Keeps the evidence.
        actor: In whose name.
        run: The run.
        version: The version of the suite's prompt.
        suite: The suite that was run, as it was pushed.
        cases: The cases that it counts.
        answers: All of the run.

    Raises:
        Forbidden: The actor is not an author.
        NotFound: There is no such version.
        Conflict: It is no evidence; says why.
    """
    about = registry.version(suite.prompt, version)
    served = served_by_default(registry, suite.prompt)
    if (why := why_none(run, about, suite, cases, served)) is not None:
        raise Conflict(f"run {run.id} is no evidence for {about.reference}: {why}")
    passed, said = _outcome(run, suite, cases, answers)
    assert run.ended_at is not None  # it has ended
    against = f"against {served.version}" if served else "without a baseline, as nothing is served yet"
    models = ", ".join(run.candidate.response_models) or run.candidate.model
    return registry.record_evidence(
        actor,
        EVAL_RUN,
        about.name,
        about.version,
        passed=passed,
        summary=printable(f"{suite.name} on {models}, {against}: {said}")[:_LONGEST],
        run=EvalRunOf(run.id, about.digest, run.candidate.answered_from or run.ended_at),
    )


def why_none(
    run: EvalRun, about: VersionRecord, suite: Suite, cases: Sequence[Case], served: VersionRecord | None
) -> str | None:
    """Returns why a run says nothing of a version, well or ill; None if it does.

    Args:
        run: The run.
        about: The version.
        suite: The suite as it was pushed.
        cases: The cases that it counts.
        served: What it has to be compared with; None if the prompt is served nowhere yet.
    """
    side, wanted = run.candidate, about.content.get("model") or suite.model
    reasons = (
        (run.state != "ended", f"it is {run.state}"),
        (
            side.provider == RECORDED,
            "its answers were recorded, and nothing says that they are of that version",
        ),
        (side.digest != about.digest, f"it is of content {side.digest}, the version is {about.digest}"),
        (side.model != wanted, f"{side.model} was asked, and the version is for {wanted}"),
        (
            (run.split, suite.split) != ("test", "test"),
            "cases that the prompt may have been written with do not decide: the suite needs split: test",
        ),
        (
            run.partial or run.cases != len(cases) or run.repeats < suite.repeats,
            f"it has {run.cases} cases, {run.repeats} times each, and the suite {len(cases)} cases, "
            f"{suite.repeats} times each",
        ),
    )
    why = next((text for applies, text in reasons if applies), None)
    return why or _why_not_compared(run, about, served)


def _why_not_compared(run: EvalRun, about: VersionRecord, served: VersionRecord | None) -> str | None:
    """Returns why a run says nothing of a version beside the one that is served; None if it does."""
    if served is None or served.digest == about.digest:
        return None
    if run.baseline is None:
        return f"it has no baseline: compare with {served.version}, which is served"
    if run.baseline.digest != served.digest:
        return (
            f"its baseline is {run.baseline.version or run.baseline.digest}, and {served.version} is served: "
            "small losses would add up"
        )
    return "the answers of its baseline were recorded" if run.baseline.provider == RECORDED else None


def _outcome(
    run: EvalRun, suite: Suite, cases: Sequence[Case], answers: Sequence[KeptAnswer]
) -> tuple[bool, str]:
    """Returns whether it passed, and the sentence that says so."""
    if run.gate is not None:
        return run.gate.outcome == "pass", run.gate.sentence
    return _without_baseline(suite, cases, answers)


def _without_baseline(suite: Suite, cases: Sequence[Case], answers: Sequence[KeptAnswer]) -> tuple[bool, str]:
    """Judges a first version: its cases that must pass, and what could be scored."""
    must = {case.id for case in cases if case.must_pass}
    deciding = [each for each in suite.metrics if each.role == "must"]
    failed, unscored = set(), 0
    for answer in answers:
        for metric in deciding:
            value = answer.scores[metric.name].value
            unscored += value is None
            if answer.case in must and (value is None or value < metric.right_from):
                failed.add(answer.case)
    share = unscored / max(1, len(answers) * len(deciding))
    if share > suite.unscored_limit:
        return False, f"{share:.1%} of the scores are missing"
    if failed:
        return (
            False,
            f"{len(failed)} of {len(must)} cases that must pass did not: {', '.join(sorted(failed))}",
        )
    return True, f"all {len(must)} cases that must pass did"


def served_by_default(registry: Registry, prompt: str) -> VersionRecord | None:
    """Returns what a version is compared with: the default of the strictest environment that has one."""
    for environment in reversed(ENVIRONMENTS):
        try:
            return registry.version(prompt, registry.deployment(environment, prompt).version)
        except NotFound:
            continue
    return None

"""Whether a run is evidence for a version, and recording that it is."""

from collections.abc import Sequence
from typing import Final

from coalmine_evals.results.datasets import Case
from coalmine_evals.results.gate import Outcome
from coalmine_evals.results.runs import EvalRun
from coalmine_evals.runs.answers import KeptAnswer
from coalmine_evals.runs.store import RunStore
from coalmine_evals.suites.cases import cases_kept
from coalmine_evals.suites.storage import find_suite, suites_of
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
    store: RunStore,
) -> CheckedEvidence:
    """Records a run as evidence for a version whose content its candidate is.

    A run that passed is evidence once the newest of all other suites of the prompt have passed, too: else
    whoever may push a suite could choose what has to hold.

    Args:
        registry: Keeps the evidence.
        actor: In whose name.
        run: The run.
        version: The version of the suite's prompt.
        store: Keeps runs, and their suites and cases in the same database.

    Raises:
        Forbidden: The actor is not an author.
        NotFound: There is no such version.
        Conflict: It is no evidence; says why.
    """
    suite = find_suite(store.database, run.suite, run.suite_digest).suite
    cases = cases_kept(suite, store.database).chosen
    about = registry.version(suite.prompt, version)
    served = served_by_default(registry, suite.prompt)
    why = why_none(run, about, suite, cases, served)
    passed, said = (False, "") if why else _outcome(run, suite, cases, store.kept(run.id))
    if passed:
        why = _why_not_alone(run, about, store, served)
    if why is not None:
        raise Conflict(f"run {run.id} is no evidence for {about.reference}: {why}")
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


def _why_not_alone(
    run: EvalRun, about: VersionRecord, store: RunStore, served: VersionRecord | None
) -> str | None:
    """Returns what else of the prompt's suites has to pass first; None: nothing."""
    for newest in suites_of(store.database, about.name):
        if newest.suite.split != "test":
            continue
        if newest.suite.name == run.suite:
            if newest.digest != run.suite_digest:
                return f"the suite {run.suite} has changed since: run it again"
            continue
        cases = cases_kept(newest.suite, store.database).chosen
        runs = store.runs(limit=100, suite=newest.suite.name, digest=about.digest).items
        tried = [
            _outcome(each, newest.suite, cases, store.kept(each.id))[0]
            for each in runs
            if each.suite_digest == newest.digest
            and why_none(each, about, newest.suite, cases, served) is None
        ]
        if not any(tried[:1]):
            found = "has not passed" if tried else "was not run on it"
            return f"{about.name} has the suite {newest.suite.name}, too, which {found}: run that first"
    return None


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
    outcome, said = without_baseline(suite, cases, answers)
    return outcome == "pass", said


def without_baseline(
    suite: Suite, cases: Sequence[Case], answers: Sequence[KeptAnswer]
) -> tuple[Outcome, str]:
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
        return "invalid", f"{share:.1%} of the scores are missing"
    if failed:
        return (
            "fail",
            f"{len(failed)} of {len(must)} cases that must pass did not: {', '.join(sorted(failed))}",
        )
    return "pass", f"all {len(must)} cases that must pass did"


def served_by_default(registry: Registry, prompt: str) -> VersionRecord | None:
    """Returns what a version is compared with: the default of the strictest environment that has one."""
    for environment in reversed(ENVIRONMENTS):
        try:
            return registry.version(prompt, registry.deployment(environment, prompt).version)
        except NotFound:
            continue
    return None

"""Compares the candidates of two runs, which were run at different times on the same cases."""

from dataclasses import replace

from coalmine_evals.judges.storage import calibrations
from coalmine_evals.results.gate import GateReport
from coalmine_evals.results.runs import EvalRun
from coalmine_evals.runs.answers import SideName
from coalmine_evals.runs.engine import Done, Work
from coalmine_evals.runs.outcome import gate_input
from coalmine_evals.runs.run import Judge
from coalmine_evals.runs.store import RunStore
from coalmine_evals.runs.suite_scorers import scorers_of
from coalmine_evals.suites.cases import cases_kept
from coalmine_evals.suites.storage import find_suite
from coalmine_registry.errors import Conflict
from coalmine_registry.storage.database import Database
from coalmine_schemas.prompts.templating import Lookup


def compare(
    database: Database, store: RunStore, judge: Judge, candidate: str, baseline: str, *, prompts: Lookup
) -> GateReport:
    """Judges the candidate of one run beside that of another; the gate warns of answers long apart.

    Args:
        database: Of evaluations.
        store: Of runs.
        judge: The gate.
        candidate: Run of what is judged.
        baseline: Run of what it is compared with.
        prompts: Where judges are found.

    Raises:
        NotFound: There is no such run, or its suite is not kept here.
        Conflict: They are not of the same cases and metrics, or one has not ended.
    """
    runs = {"candidate": store.run(candidate), "baseline": store.run(baseline)}
    _check(*runs.values())
    first = runs["candidate"]
    cases = cases_kept(find_suite(database, first.suite, first.suite_digest).suite, database)
    work = Work(
        cases=cases.chosen,
        repeats=min(each.repeats for each in runs.values()),
        sides={},
        scorers=scorers_of(cases.suite, prompts),
    )
    done = Done()
    names: tuple[SideName, ...] = ("candidate", "baseline")
    for side in names:
        for each in store.kept(runs[side].id):
            if each.side == "candidate" and each.repeat < work.repeats:
                answer = replace(each, side=side)
                done.answers[answer.unit] = answer
    given = gate_input(
        cases.suite,
        work,
        done,
        partial=any(each.partial for each in runs.values()),
        calibrations=calibrations(database),
    )
    return judge(given)


def _check(one: EvalRun, other: EvalRun) -> None:
    for run in (one, other):
        if run.state != "ended":
            raise Conflict(f"run {run.id} is {run.state}: let it end")
    for field in ("suite", "suite_digest", "dataset_digest", "split", "cases"):
        if getattr(one, field) != getattr(other, field):
            raise Conflict(
                f"{field} of run {one.id} is {getattr(one, field)}, and of run {other.id} "
                f"{getattr(other, field)}: run the same suite on both"
            )

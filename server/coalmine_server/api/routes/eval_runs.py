"""Runs of suites: taking those that CI made, and what they came to."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from coalmine_evals.results.gate import GateReport
from coalmine_evals.results.runs import Answer, EvalRun
from coalmine_registry.defaults import PAGE_SIZE
from coalmine_registry.provenance import CheckedEvidence
from coalmine_schemas.results import Page
from coalmine_server.api.eval_bodies import EvalAnswersBody, EvalEvidenceBody, EvalRunBody
from coalmine_server.api.parameters import Cursor, Limit, Owned
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry import Author, Reader, RegistryRoute, lane

router = APIRouter(prefix="/v1/eval-runs", tags=["evaluations"], route_class=RegistryRoute)

RunPath = Annotated[str, Path(min_length=1, max_length=100, description="Id of the run.")]
Text = Annotated[str | None, Query(min_length=1, max_length=500)]


@router.get("", responses=problem_responses())
def eval_runs(
    *,
    owned: Owned,
    _actor: Reader,
    prompt: Annotated[Text, Query(description="Only runs of this prompt.")] = None,
    suite: Annotated[Text, Query(description="Only runs of this suite.")] = None,
    digest: Annotated[Text, Query(description="Only runs whose candidate has this digest.")] = None,
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> Page[EvalRun]:
    """Runs, the newest first."""
    return owned.evaluations.runs.runs(prompt=prompt, suite=suite, digest=digest, limit=limit, cursor=cursor)


@router.post("", status_code=201, responses=problem_responses(404, 409))
@lane("heavy")
def publish_eval_run(owned: Owned, actor: Author, body: EvalRunBody) -> EvalRun:
    """Takes a run that was made elsewhere, whose answers come next. Sent again, it goes on."""
    return owned.evaluations.published.begin(body.claimed(), actor=actor.subject)


@router.get("/{run}", responses=problem_responses(404))
def eval_run(owned: Owned, _actor: Reader, run: RunPath) -> EvalRun:
    """One run."""
    return owned.evaluations.runs.run(run)


@router.get("/{run}/answers", responses=problem_responses(404))
def eval_answers(
    *,
    owned: Owned,
    _actor: Author,
    run: RunPath,
    side: Annotated[
        Literal["candidate", "baseline"] | None, Query(description="Only answers of this side.")
    ] = None,
    case: Annotated[Text, Query(description="Only answers to this case.")] = None,
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> Page[Answer]:
    """Answers of a run with their scores, case by case."""
    return owned.evaluations.runs.answers(run, side=side, case=case, limit=limit, cursor=cursor)


@router.post("/{run}/answers", responses=problem_responses(404, 409))
@lane("heavy")
def publish_eval_answers(owned: Owned, _actor: Author, run: RunPath, body: EvalAnswersBody) -> EvalRun:
    """Takes answers of a run that was begun. What needs no model is scored here; what is there stays."""
    return owned.evaluations.published.take(run, [each.claimed() for each in body.answers])


@router.post("/{run}/end", responses=problem_responses(404, 409))
@lane("heavy")
def end_eval_run(owned: Owned, actor: Author, run: RunPath) -> EvalRun:
    """Judges a run whose answers are all there, and records it as evidence where it is."""
    return owned.evaluations.end_published(actor, run)


@router.post("/{run}/evidence", status_code=201, responses=problem_responses(404, 409))
@lane("heavy")
def record_eval_run(owned: Owned, actor: Author, run: RunPath, body: EvalEvidenceBody) -> CheckedEvidence:
    """Records a run as evidence for a version with the content that was run, or says why it is none."""
    return owned.evaluations.record_evidence(actor, run, body.version)


@router.get("/{run}/compare", responses=problem_responses(404, 409))
@lane("heavy")
def compare_eval_runs(
    owned: Owned,
    _actor: Reader,
    run: RunPath,
    baseline: Annotated[str, Query(min_length=1, max_length=100, description="Run to compare with.")],
) -> GateReport:
    """Judges the candidate of a run beside that of another one, on the same cases."""
    return owned.evaluations.compare(run, baseline)

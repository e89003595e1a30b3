"""Evidence that policies may require: what was checked of a version, by whom, with which outcome."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from coalmine_registry.defaults import PAGE_SIZE
from coalmine_registry.provenance import CheckedEvidence
from coalmine_schemas.results import Page
from coalmine_server.api.bodies import CheckedEvidenceBody
from coalmine_server.api.parameters import Cursor, Limit
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry import Asked, Author, PromptPath, Reader, RegistryRoute

router = APIRouter(prefix="/v1", tags=["evidence"], route_class=RegistryRoute)


@router.post("/evidence", status_code=201, responses=problem_responses(404))
def record_evidence(registry: Asked, actor: Author, body: CheckedEvidenceBody) -> CheckedEvidence:
    """Records the outcome of a check of one version, such as a run of evals. It is never changed.

    It counts for the content that the version has, and for no other.
    """
    return registry.record_evidence(
        actor,
        body.kind,
        body.prompt,
        body.version,
        passed=body.passed,
        summary=body.summary,
        url=body.url,
    )


@router.get("/evidence/{evidence_id}", responses=problem_responses(404))
def evidence(
    registry: Asked,
    _actor: Reader,
    evidence_id: Annotated[str, Path(min_length=1, max_length=100, description="Id of the evidence.")],
) -> CheckedEvidence:
    """One piece of evidence."""
    return registry.evidence(evidence_id)


@router.get("/prompts/{name}/evidence", responses=problem_responses(404))
def prompt_evidence(
    *,
    registry: Asked,
    _actor: Reader,
    name: PromptPath,
    version: Annotated[
        str | None, Query(min_length=1, max_length=100, description="Only evidence about this version.")
    ] = None,
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> Page[CheckedEvidence]:
    """Evidence about versions of a prompt, newest first."""
    return registry.evidence_of(name, version, limit=limit, cursor=cursor)

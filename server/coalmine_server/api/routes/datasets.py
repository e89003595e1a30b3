"""Datasets: cases that versions are tried on, and what production suggests for them."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from coalmine_evals.datasets.diff import diff_of
from coalmine_evals.datasets.jsonl import read_cases_of_text
from coalmine_evals.datasets.leakage import leakage_of
from coalmine_evals.datasets.production import compare_with_production, read_traffic
from coalmine_evals.datasets.proposals import confirm, list_proposals, reject
from coalmine_evals.datasets.storage import (
    cases_of,
    dataset_history,
    find_dataset,
    forget_requests,
    list_datasets,
    page_of_cases,
    put_dataset,
)
from coalmine_evals.results.datasets import (
    Case,
    Dataset,
    DatasetDiff,
    Leakage,
    Proposal,
    ProposalState,
    Proposed,
    Representativeness,
)
from coalmine_registry.defaults import PAGE_SIZE
from coalmine_schemas.results import Page
from coalmine_server.api.bodies import ReasonBody
from coalmine_server.api.eval_bodies import ConfirmBody, DatasetBody, ProposeBody
from coalmine_server.api.parameters import Cursor, Limit, Owned
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry import Admin, Author, Reader, RegistryRoute, lane
from coalmine_server.services.eval_cases import content_of, propose_for, propose_one, scores_of

router = APIRouter(prefix="/v1/datasets", tags=["evaluations"], route_class=RegistryRoute)

NamePath = Annotated[str, Path(min_length=1, max_length=100, description="Name of the dataset.")]
ProposalPath = Annotated[int, Path(ge=1, le=2**53, description="Id of the proposal.")]
Digest = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=64,
        description="Of what the name held once, or the beginning of it; what it holds now if omitted.",
    ),
]
Text = Annotated[str | None, Query(min_length=1, max_length=100)]


@router.get("", responses=problem_responses())
def datasets(owned: Owned, _actor: Reader, limit: Limit = PAGE_SIZE, cursor: Cursor = None) -> Page[Dataset]:
    """What each name holds now, by name."""
    return list_datasets(owned.evaluations.database, limit=limit, cursor=cursor)


@router.post("", status_code=201, responses=problem_responses())
@lane("heavy")
def import_dataset(owned: Owned, actor: Author, body: DatasetBody) -> Dataset:
    """Keeps cases under a name, which has them from now on. The same cases again change nothing."""
    evaluations = owned.evaluations
    cases = read_cases_of_text(body.lines, "lines")
    return put_dataset(evaluations.database, body.name, cases, actor=actor.subject, now=evaluations.clock())


@router.post("/forget/{request_id}", responses=problem_responses())
def forget_request_in_datasets(
    owned: Owned,
    _actor: Admin,
    request_id: Annotated[str, Path(min_length=1, max_length=100, description="Id of the request.")],
) -> int:
    """Takes what came from a request out of all datasets and proposals; returns how many there were."""
    return forget_requests(owned.evaluations.database, [request_id])


@router.get("/{name}", responses=problem_responses(404))
def dataset(owned: Owned, _actor: Reader, name: NamePath, digest: Digest = None) -> Dataset:
    """What a name holds."""
    return find_dataset(owned.evaluations.database, name, digest)


@router.get("/{name}/history", responses=problem_responses(404))
def history_of_dataset(
    owned: Owned, _actor: Reader, name: NamePath, limit: Limit = PAGE_SIZE, cursor: Cursor = None
) -> Page[Dataset]:
    """What a name held, the latest first."""
    return dataset_history(owned.evaluations.database, name, limit=limit, cursor=cursor)


@router.get("/{name}/cases", responses=problem_responses(404))
def cases_of_dataset(
    *,
    owned: Owned,
    _actor: Author,
    name: NamePath,
    digest: Digest = None,
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> Page[Case]:
    """Cases of a dataset, in their order. They may hold what users wrote."""
    database = owned.evaluations.database
    found = find_dataset(database, name, digest)
    return page_of_cases(database, found.digest, limit=limit, cursor=cursor)


@router.get("/{name}/diff", responses=problem_responses(404))
@lane("heavy")
def diff_of_dataset(
    owned: Owned,
    _actor: Reader,
    name: NamePath,
    before: Annotated[str, Query(min_length=1, max_length=64, description="Digest of the one.")],
    after: Digest = None,
) -> DatasetDiff:
    """What differs between two lists of cases that a name held."""
    database = owned.evaluations.database
    one, other = find_dataset(database, name, before), find_dataset(database, name, after)
    return diff_of(
        name,
        (one.digest, cases_of(database, one.digest)),
        (other.digest, cases_of(database, other.digest)),
    )


@router.get("/{name}/leakage", responses=problem_responses(404))
@lane("heavy")
def leakage_of_dataset(
    *,
    owned: Owned,
    _actor: Author,
    name: NamePath,
    digest: Digest = None,
    prompt: Annotated[Text, Query(description="Prompt that the cases try.")] = None,
    version: Annotated[Text, Query(description="Version of the prompt; needs `prompt`.")] = None,
) -> Leakage:
    """Cases of which a good result says nothing: the prompt shows them, or `dev` nearly has them."""
    database = owned.evaluations.database
    found = find_dataset(database, name, digest)
    return leakage_of(cases_of(database, found.digest), content_of(owned, prompt, version))


@router.get("/{name}/comparison", responses=problem_responses(404, 409))
@lane("heavy")
def compare_dataset_with_production(
    *,
    owned: Owned,
    _actor: Reader,
    name: NamePath,
    prompt: Annotated[str, Query(min_length=1, max_length=100, description="Prompt whose requests count.")],
    digest: Digest = None,
    environment: Annotated[Text, Query(description="Only requests of this environment.")] = None,
    days: Annotated[int, Query(ge=1, le=366, description="Requests of so many days.")] = 14,
    run: Annotated[
        Text, Query(description="Run whose candidate's scores are weighted to production.")
    ] = None,
) -> Representativeness:
    """How much the cases are like what production asks, and what they lack."""
    evaluations = owned.evaluations
    found = find_dataset(evaluations.database, name, digest)
    until = evaluations.clock()
    traffic = read_traffic(owned.store.reader(), prompt, environment, until - timedelta(days=days), until)
    cases = cases_of(evaluations.database, found.digest)
    scores = None if run is None else scores_of(owned, run, found.digest)
    return compare_with_production((name, found.digest), cases, traffic, scores)


@router.get("/{name}/proposals", responses=problem_responses())
def proposals_for_dataset(
    *,
    owned: Owned,
    _actor: Admin,
    name: NamePath,
    state: Annotated[ProposalState, Query(description="Only proposals in this state.")] = "waiting",
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> Page[Proposal]:
    """Cases that production suggests, redacted; for admins, since a name in a sentence stays."""
    return list_proposals(owned.evaluations.database, name, state=state, limit=limit, cursor=cursor)


@router.post("/{name}/proposals", status_code=201, responses=problem_responses())
@lane("heavy")
def propose_from_production(owned: Owned, actor: Admin, name: NamePath, body: ProposeBody) -> Proposed:
    """Proposes requests with bad feedback as cases, each once, until a person confirms or rejects them."""
    return propose_for(
        owned,
        name,
        prompt=body.prompt,
        environment=body.environment,
        since=body.since,
        limit=body.limit,
        actor=actor.subject,
    )


@router.post("/{name}/requests/{request_id}", status_code=201, responses=problem_responses(404, 409))
def propose_request_for_dataset(
    owned: Owned,
    actor: Admin,
    name: NamePath,
    request_id: Annotated[UUID, Path(description="Id of the request.")],
) -> Proposal:
    """Proposes one request as a case, whatever was said of it; again, it returns what came of that."""
    return propose_one(owned, name, request_id, actor=actor.subject)


@router.post("/{name}/proposals/{proposal_id}/confirm", responses=problem_responses(404, 409))
def confirm_proposal(
    owned: Owned, actor: Admin, name: NamePath, proposal_id: ProposalPath, body: ConfirmBody
) -> Dataset:
    """Makes a proposal a case, as the caller says; returns what the dataset then holds."""
    evaluations = owned.evaluations
    return confirm(
        evaluations.database, name, proposal_id, body.case, actor=actor.subject, now=evaluations.clock()
    )


@router.post("/{name}/proposals/{proposal_id}/reject", responses=problem_responses(404, 409))
def reject_proposal(
    owned: Owned, actor: Admin, name: NamePath, proposal_id: ProposalPath, body: ReasonBody
) -> Proposal:
    """Drops a proposal with its texts; the request is not proposed again."""
    evaluations = owned.evaluations
    return reject(
        evaluations.database,
        name,
        proposal_id,
        actor=actor.subject,
        now=evaluations.clock(),
        reason=body.reason,
    )

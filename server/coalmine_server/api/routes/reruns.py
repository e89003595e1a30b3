"""Runs that the server makes: with other models when asked, and what it finds due by itself."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from coalmine_evals.results.models import ModelFlag, Rerun, RerunCell
from coalmine_registry.defaults import PAGE_SIZE
from coalmine_schemas.results import Page
from coalmine_server.api.eval_bodies import RerunBody
from coalmine_server.api.parameters import Cursor, Limit, Owned
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry import Approver, Reader, RegistryRoute

router = APIRouter(prefix="/v1", tags=["evaluations"], route_class=RegistryRoute)

Text = Annotated[str | None, Query(min_length=1, max_length=500)]


@router.post("/eval-reruns", status_code=201, responses=problem_responses(404, 409))
def rerun_evals(owned: Owned, actor: Approver, body: RerunBody) -> Rerun:
    """Has the server run what is served with other models. It costs money: within the day's budget."""
    return owned.evaluations.ask_reruns(actor, body.models, body.prompts)


@router.get("/eval-reruns", responses=problem_responses())
def eval_reruns(
    *,
    owned: Owned,
    _actor: Reader,
    prompt: Annotated[Text, Query(description="Only of this prompt.")] = None,
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> Page[RerunCell]:
    """What the server runs or has run by itself and when asked, the newest first."""
    return owned.evaluations.jobs.page(prompt=prompt, limit=limit, cursor=cursor)


@router.get("/eval-reruns/{batch}", responses=problem_responses(404))
def eval_rerun(
    owned: Owned,
    _actor: Reader,
    batch: Annotated[str, Path(min_length=1, max_length=100, description="Id of the rerun.")],
) -> Rerun:
    """A rerun: the matrix of prompts and models, as far as it is done."""
    return Rerun(batch, owned.evaluations.jobs.batch(batch), ())


@router.get("/model-flags", responses=problem_responses())
def model_flags(
    owned: Owned,
    _actor: Reader,
    prompt: Annotated[
        list[str] | None, Query(max_length=100, description="Only of this prompt; may be repeated.")
    ] = None,
) -> list[ModelFlag]:
    """Which versions are safe with which models, as runs have shown."""
    return owned.evaluations.flags(prompt)

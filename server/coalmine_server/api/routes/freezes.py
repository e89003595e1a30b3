"""What stops changes: freezes of environments and prompts, and panic."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from coalmine_registry.defaults import PAGE_SIZE
from coalmine_registry.freeze_records import FreezeRecord, Panic
from coalmine_schemas.results import Page
from coalmine_server.api.bodies import FreezeBody, PanicBody, ReasonBody
from coalmine_server.api.parameters import Cursor, Limit
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry import Approver, Asked, Author, PromptPath, Reader, RegistryRoute, lane

router = APIRouter(prefix="/v1", tags=["freezes"], route_class=RegistryRoute)


@router.post("/freezes", status_code=201, responses=problem_responses(404))
@lane("urgent")
def freeze(registry: Asked, actor: Approver, body: FreezeBody) -> FreezeRecord:
    """Freezes a prompt, an environment, or everything: nothing more is shown to anybody until it ends.

    Going back, stopping an experiment and showing a treatment to fewer remain possible.
    """
    return registry.freeze(
        actor,
        body.reason,
        environment=body.environment,
        prompt=body.prompt,
        starts_at=body.starts_at,
        until=body.until,
    )


@router.get("/freezes", responses=problem_responses(404))
def freezes(
    *,
    registry: Asked,
    _actor: Reader,
    environment: Annotated[
        str | None, Query(min_length=1, description="Only freezes that hold in this environment.")
    ] = None,
    prompt: Annotated[
        str | None, Query(min_length=1, description="Only freezes that hold for this prompt.")
    ] = None,
    ended: Annotated[bool, Query(description="True: those that have ended, too.")] = False,
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> Page[FreezeRecord]:
    """Freezes, newest first."""
    return registry.freezes(environment=environment, prompt=prompt, ended=ended, limit=limit, cursor=cursor)


@router.post("/freezes/{freeze_id}/end", responses=problem_responses(404))
def unfreeze(
    registry: Asked,
    actor: Approver,
    freeze_id: Annotated[int, Path(ge=1, le=2**53, description="Id of the freeze.")],
    body: ReasonBody,
) -> FreezeRecord:
    """Ends a freeze. One that has ended stays as it is."""
    return registry.unfreeze(actor, freeze_id, reason=body.reason)


@router.post("/prompts/{name}/panic", responses=problem_responses(404))
@lane("urgent")
def panic(registry: Asked, actor: Author, name: PromptPath, body: PanicBody) -> Panic:
    """Goes back everywhere, now: ends experiments and rollouts of a prompt, and freezes it.

    Each environment that serves it serves the version from before again, or the control of an experiment. No
    gate, lock or freeze stands before it; calling it again changes nothing.
    """
    return registry.panic(actor, name, body.reason, environment=body.environment)

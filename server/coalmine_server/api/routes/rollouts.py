"""Rollouts: start them, look at them, and tell them what to do."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from coalmine_registry.defaults import PAGE_SIZE
from coalmine_registry.errors import NotFound
from coalmine_registry.registry import Registry
from coalmine_rollouts.commands import Rollouts
from coalmine_rollouts.plan import TEMPLATES, RolloutPlan, template
from coalmine_rollouts.records import AsShipped, Rollout, RolloutCommand, RolloutDecision, State
from coalmine_schemas.results import Page, result
from coalmine_server.api.bodies import (
    ReasonedCommandBody,
    ResumeBody,
    RolloutBody,
    RolloutCommandBody,
    RolloutEvidenceBody,
    given,
)
from coalmine_server.api.parameters import Cursor, Limit, RolloutPath
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry import (
    Approver,
    Asked,
    Author,
    IfMatch,
    PromptPath,
    Reader,
    RegistryRoute,
    expected,
    lane,
    tag,
)
from coalmine_server.services.rollout_plans import chosen_plan, environment_of

router = APIRouter(prefix="/v1", tags=["rollouts"], route_class=RegistryRoute)


@result
class RolloutTemplate:
    """A plan that comes with Coalmine."""

    name: str
    plan: RolloutPlan


@result
class RolloutLimits:
    """How many rollouts there may be."""

    most_at_once: int
    """Rollouts that may hold places in one environment at the same time: `rollouts.most_at_once`."""


async def _rollouts_of(request: Request) -> Rollouts:
    found: Registry = request.app.state.registry
    return Rollouts(found, most_at_once=request.app.state.most_rollouts_at_once)


Steered = Annotated[Rollouts, Depends(_rollouts_of)]


@router.get("/rollout-templates", responses=problem_responses())
def rollout_templates(_actor: Reader) -> list[RolloutTemplate]:
    """Plans that come with Coalmine."""
    return [RolloutTemplate(name, template(name)) for name in TEMPLATES]


@router.get("/rollout-limits", responses=problem_responses())
def rollout_limits(request: Request, _actor: Reader) -> RolloutLimits:
    """How many rollouts there may be at the same time."""
    return RolloutLimits(request.app.state.most_rollouts_at_once)


@router.post("/rollouts", status_code=201, responses=problem_responses(404, 409, 412))
def start_rollout(
    *,
    request: Request,
    registry: Asked,
    rollouts: Steered,
    actor: Author,
    body: RolloutBody,
    if_match: IfMatch,
    response: Response,
) -> Rollout:
    """Starts to roll out a version, in the name of the caller.

    It is pending while something is missing: an approval by somebody who did not write the version, evidence,
    its time, or its place.
    """
    plan = chosen_plan(registry, body.prompt, body.version, body.plan)
    found = rollouts.start(
        actor,
        body.prompt,
        body.version,
        plan,
        environment=environment_of(plan, body.environment),
        rule=body.rule,
        queue=body.if_taken == "queue",
        replace=body.if_taken == "replace",
        mode="advise" if body.advise else None,
        evidence=given(body.evidence),
        reason=body.reason,
        start_at=body.start_at,
        expected_revision=expected(if_match, body.expected_revision),
    )
    request.app.state.wake_rollouts()
    return _tagged(found, response)


@router.get("/rollouts", responses=problem_responses(404))
def rollouts(
    *,
    rollouts: Steered,
    _actor: Reader,
    environment: Annotated[
        str | None, Query(min_length=1, description="Only rollouts in this environment.")
    ] = None,
    prompt: Annotated[str | None, Query(min_length=1, description="Only rollouts of this prompt.")] = None,
    state: Annotated[
        list[State], Query(description="Only rollouts in this state; may be repeated; all if omitted.")
    ] = [],  # noqa: B006 - FastAPI copies it
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> Page[Rollout]:
    """Rollouts, newest first."""
    return rollouts.rollouts(environment, prompt, state, limit=limit, cursor=cursor)


@router.get("/rollouts/{rollout}", responses=problem_responses(404))
def rollout(rollouts: Steered, _actor: Reader, rollout: RolloutPath, response: Response) -> Rollout:
    """One rollout. Its ETag is its row version."""
    return _tagged(rollouts.rollout(rollout), response)


@router.get("/rollouts/{rollout}/decisions", responses=problem_responses(404))
def rollout_decisions(
    rollouts: Steered, _actor: Reader, rollout: RolloutPath, limit: Limit = PAGE_SIZE, cursor: Cursor = None
) -> Page[RolloutDecision]:
    """What was decided about a rollout, oldest first, with the numbers on which it stood."""
    return rollouts.decisions(rollout, limit=limit, cursor=cursor)


@router.get("/rollouts/{rollout}/commands/{command_id}", responses=problem_responses(404))
def rollout_command(
    rollouts: Steered,
    _actor: Reader,
    rollout: RolloutPath,
    command_id: Annotated[int, Path(ge=1, le=2**53, description="Id of the command.")],
) -> RolloutCommand:
    """What became of something that a rollout was asked to do."""
    found = rollouts.command(command_id)
    if found.rollout != rollout:
        raise NotFound(f"no command {command_id} of rollout {rollout!r:.100}")
    return found


@router.post("/rollouts/{rollout}/pause", responses=problem_responses(404, 409, 412))
def pause_rollout(
    *,
    request: Request,
    rollouts: Steered,
    actor: Approver,
    rollout: RolloutPath,
    body: RolloutCommandBody,
    if_match: IfMatch,
) -> RolloutCommand:
    """Pauses a rollout. Harm is still watched, and takes it back."""
    seen = expected(if_match, body.row_version)
    return _asked(request, rollouts.pause(actor, rollout, reason=body.reason, row_version=seen))


@router.post("/rollouts/{rollout}/evidence", responses=problem_responses(404, 409, 412))
def give_evidence(
    *,
    request: Request,
    rollouts: Steered,
    actor: Author,
    rollout: RolloutPath,
    body: RolloutEvidenceBody,
    if_match: IfMatch,
) -> RolloutCommand:
    """Gives a pending rollout evidence that it lacks."""
    seen, attached = expected(if_match, body.row_version), given(body.evidence)
    made = rollouts.give_evidence(actor, rollout, attached, reason=body.reason, row_version=seen)
    return _asked(request, made)


@router.post("/rollouts/{rollout}/resume", responses=problem_responses(404, 409, 412))
def resume_rollout(
    *,
    request: Request,
    rollouts: Steered,
    actor: Approver,
    rollout: RolloutPath,
    body: ResumeBody,
    if_match: IfMatch,
) -> RolloutCommand:
    """Has a paused rollout go on; the clock of its stage begins again."""
    seen = expected(if_match, body.row_version)
    return _asked(
        request,
        rollouts.resume(actor, rollout, stage=body.stage, reason=body.reason, row_version=seen),
    )


@router.post("/rollouts/{rollout}/approve", responses=problem_responses(404, 409, 412))
def approve_rollout(
    *,
    request: Request,
    rollouts: Steered,
    actor: Approver,
    rollout: RolloutPath,
    body: RolloutCommandBody,
    if_match: IfMatch,
) -> RolloutCommand:
    """Approves what a rollout waits for: its start, its next stage, or its end."""
    seen = expected(if_match, body.row_version)
    return _asked(request, rollouts.approve(actor, rollout, reason=body.reason, row_version=seen))


@router.post("/rollouts/{rollout}/rebase", responses=problem_responses(404, 409, 412))
def rebase_rollout(
    *,
    request: Request,
    rollouts: Steered,
    actor: Approver,
    rollout: RolloutPath,
    body: RolloutCommandBody,
    if_match: IfMatch,
) -> RolloutCommand:
    """Has a pending rollout start from what its place serves now, which changed since it was asked for."""
    seen = expected(if_match, body.row_version)
    return _asked(request, rollouts.rebase(actor, rollout, reason=body.reason, row_version=seen))


@router.post("/rollouts/{rollout}/promote", responses=problem_responses(404, 409, 412))
@lane("urgent")
def promote_rollout(
    *,
    request: Request,
    rollouts: Steered,
    actor: Approver,
    rollout: RolloutPath,
    body: ReasonedCommandBody,
    if_match: IfMatch,
) -> RolloutCommand:
    """Gives the treatment to everybody without proof, which its record says for ever."""
    seen = expected(if_match, body.row_version)
    return _asked(request, rollouts.promote_force(actor, rollout, reason=body.reason, row_version=seen))


@router.post("/rollouts/{rollout}/abort", responses=problem_responses(404, 409))
@lane("urgent")
def abort_rollout(
    *, request: Request, rollouts: Steered, actor: Author, rollout: RolloutPath, body: ReasonedCommandBody
) -> RolloutCommand:
    """Goes back to the control, in every state that is not terminal; cancels what has not started."""
    return _asked(request, rollouts.abort(actor, rollout, reason=body.reason, row_version=body.row_version))


@router.post("/rollouts/{rollout}/retry", status_code=201, responses=problem_responses(404, 409))
def retry_rollout(
    *,
    request: Request,
    rollouts: Steered,
    actor: Author,
    rollout: RolloutPath,
    body: RolloutCommandBody,
    response: Response,
) -> Rollout:
    """Rolls the version out again: a new rollout, linked with the one that ended, with other users."""
    found = rollouts.retry(actor, rollout, reason=body.reason)
    request.app.state.wake_rollouts()
    return _tagged(found, response)


@router.get("/prompts/{name}/as-shipped", responses=problem_responses(404))
def as_shipped(registry: Asked, rollouts: Steered, _actor: Reader, name: PromptPath) -> list[AsShipped]:
    """What versions were like when they were rolled out to everybody: kept for ever."""
    registry.prompt(name)
    return rollouts.as_shipped(name)


def _asked(request: Request, command: RolloutCommand) -> RolloutCommand:
    """Has it carried out now, where this process does that; else within seconds."""
    request.app.state.wake_rollouts()
    return command


def _tagged(found: Rollout, response: Response) -> Rollout:
    tag(response, found.row_version)
    return found

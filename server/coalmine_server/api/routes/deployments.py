"""Snapshots of environments, which clients keep in memory and follow."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from coalmine_server.api.hub import MAX_WAIT_S, DeploymentHub
from coalmine_server.api.problems import FORBIDDEN, ProblemError, problem_responses
from coalmine_server.api.registry import EnvironmentPath, Service
from coalmine_server.services.owned_store import NotReady

router = APIRouter(prefix="/v1/deployments", tags=["deployments"])

SNAPSHOT: dict[str, Any] = {
    "type": "object",
    "description": "Deployments of all prompts, and every content that they can lead to.",
    "required": ["environment", "revision", "prompts", "contents"],
    "properties": {
        "environment": {"type": "string"},
        "revision": {
            "type": "integer",
            "description": "Grows with every change of what the environment serves.",
        },
        "prompts": {"type": "object", "description": "What is served of each prompt, by name."},
        "contents": {"type": "object", "description": "Contents of versions, by `name@version`."},
    },
}


@router.get(
    "/{environment}",
    response_class=Response,
    responses={
        200: {
            "description": "What the environment serves.",
            "content": {"application/json": {"schema": SNAPSHOT}},
        },
        304: {"description": "Nothing changed since the ETag of the caller, even after waiting."},
        **problem_responses(404),
    },
)
async def environment_snapshot(
    request: Request,
    actor: Service,
    environment: EnvironmentPath,
    wait: Annotated[
        float,
        Query(
            ge=0,
            le=MAX_WAIT_S,
            description="Seconds to wait for a change, if `If-None-Match` names the current state.",
        ),
    ] = 0.0,
    if_none_match: Annotated[str | None, Header(description="ETag of the state that the caller has.")] = None,
) -> Response:
    """What an environment serves; with `If-None-Match` and `wait`, as soon as that changes."""
    if actor.environment not in (None, environment):
        detail = f"the token of {actor.subject} is for {actor.environment}: ask an admin for another"
        raise ProblemError(FORBIDDEN, detail)
    hub: DeploymentHub = request.app.state.hub
    known = None if if_none_match is None else if_none_match.strip().removeprefix("W/")
    if hub.stopping:
        raise NotReady("stopping", "asked to stop")
    allowed = request.scope["coalmine.still_allowed"]
    served = await hub.after(environment, known, wait, allowed, actor=actor)
    headers: dict[str, str] = {}
    if hub.stopping:
        headers["Connection"] = "close"
    if served is None:
        return Response(status_code=304, headers={**headers, "ETag": known or ""})
    return Response(served.body, media_type="application/json", headers={**headers, "ETag": served.etag})

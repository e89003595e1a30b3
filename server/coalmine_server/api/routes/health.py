"""Is the process alive, can it serve, what does it count."""

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Request, Response
from prometheus_client.exposition import choose_encoder
from pydantic import BaseModel, Field

from coalmine_registry.roles import Role
from coalmine_schemas.discovery import CHALLENGE_HEADER, PROOF_HEADER, proof_of
from coalmine_server.api.auth import needs
from coalmine_server.api.problems import Problem

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """It works."""

    status: Literal["ok", "degraded"] = Field(
        default="ok",
        description="`degraded`: it answers, but something behind it does not work, see `reason`. If it does "
        "not answer questions there is a problem document.",
    )
    reason: str | None = Field(default=None, description="What does not work; left out if all does.")


@router.get("/healthz", response_model_exclude_none=True)
async def healthz(
    request: Request,
    response: Response,
    challenge: Annotated[
        str | None,
        Header(alias=CHALLENGE_HEADER, max_length=64, description="Random text, to be proved with."),
    ] = None,
) -> Health:
    """The process answers. Needs no token.

    To a challenge it answers with a proof that it is the server which its home announces.
    """
    if challenge is not None:
        response.headers[PROOF_HEADER] = proof_of(request.app.state.secret, challenge)
    return Health()


@router.get(
    "/readyz",
    response_model_exclude_none=True,
    responses={503: {"model": Problem, "description": "Not ready, and why."}},
)
async def readyz(request: Request) -> Health:
    """This process owns the store and can answer. Needs no token."""
    reason: Exception | None = request.app.state.stores.why_not_ready()
    if reason is not None:
        raise reason
    degraded: str | None = request.app.state.stores.why_degraded()
    return Health() if degraded is None else Health(status="degraded", reason=degraded)


@router.get("/metrics", response_class=Response, dependencies=[needs(Role.READER)])
def metrics(request: Request) -> Response:
    """Counters and gauges, as OpenMetrics where `Accept` asks for it, else as Prometheus' text."""
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(request.app.state.metrics), media_type=media_type)

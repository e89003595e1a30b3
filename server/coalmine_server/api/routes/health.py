"""Is the process alive, can it serve, what does it count."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from coalmine_server.api.problems import Problem

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """All is well."""

    status: Literal["ok"] = Field(
        default="ok", description="Always `ok`; otherwise there is a problem document."
    )


@router.get("/healthz")
async def healthz() -> Health:
    """The process answers. Needs no token."""
    return Health()


@router.get("/readyz", responses={503: {"model": Problem, "description": "Not ready, and why."}})
async def readyz(request: Request) -> Health:
    """This process owns the store and can answer. Needs no token."""
    reason: Exception | None = request.app.state.stores.why_not_ready()
    if reason is not None:
        raise reason
    return Health()


@router.get("/metrics", response_class=Response)
def metrics(request: Request) -> Response:
    """Counters and gauges for Prometheus."""
    return Response(generate_latest(request.app.state.metrics), media_type=CONTENT_TYPE_LATEST)

"""Versions that nobody seems to need."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request

from coalmine_server.api.parameters import Asked, Reader, RegistryRoute
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry_answers import HygieneAnswer, HygieneCandidateAnswer

router = APIRouter(prefix="/v1", tags=["prompts"], route_class=RegistryRoute)

LastUsed = Callable[[], Mapping[tuple[str, str], datetime] | None]
"""When each (prompt, version) was last called; None where this process does not know the traffic now."""


@router.get("/hygiene", responses=problem_responses())
def hygiene(
    request: Request,
    registry: Asked,
    _actor: Reader,
    keep_newest: Annotated[
        int, Query(ge=0, le=1000, description="Active versions of each prompt to keep in any case.")
    ] = 3,
    idle_days: Annotated[
        int, Query(ge=0, le=36_500, description="Days without a call after which a version is idle.")
    ] = 30,
) -> HygieneAnswer:
    """Versions that could be retired: not served, without traffic, and not among the newest."""
    last_used: LastUsed = request.app.state.last_used
    traffic = last_used()
    found = registry.hygiene(traffic or {}, keep_newest, idle_days)
    return HygieneAnswer(
        traffic_known=traffic is not None,
        items=[HygieneCandidateAnswer.model_validate(each) for each in found],
    )

"""Drift of versions that nobody changed."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from coalmine_server.api.parameters import Asked, documented
from coalmine_server.api.problems import NOT_FOUND, Problem, ProblemError
from coalmine_server.services.http_client import NothingThere
from coalmine_server.services.models import Drift
from coalmine_server.services.questions import Drifting

router = APIRouter(prefix="/v1", tags=["readouts"])

NOTHING: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "No request of that name has come."}
}


@router.get("/drift", responses={**documented(Drift), **NOTHING})
def drift(
    *,
    asked: Asked,
    prompt: Annotated[str, Query(min_length=1, description="Name of the prompt.")],
    version: Annotated[
        str | None,
        Query(min_length=1, description="Only this version; else the one that serves most now."),
    ] = None,
    environment: Annotated[
        str | None, Query(min_length=1, description="Only this environment; else each.")
    ] = None,
    metric: Annotated[str | None, Query(min_length=1, description="Only this metric.")] = None,
) -> Drift:
    """Whether a version that nobody changed is still what it was, and models that began to answer.

    Each metric is compared, hour by hour, with the version's own first days. A false alarm comes on average
    no sooner than `false_alarm_every_days` say, over all metrics together.
    """
    question = Drifting(prompt=prompt, version=version, environment=environment, metric=metric)
    try:
        return asked.drift(question)
    except NothingThere as nothing:
        raise ProblemError(NOT_FOUND, f"{nothing.message}; {nothing.hint}") from nothing

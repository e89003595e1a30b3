"""When what is served changed, for charts."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request

from coalmine_consumers.queries import Filters
from coalmine_consumers.queries import deployment_marks as find_marks
from coalmine_schemas.errors import InvalidParameter
from coalmine_server.api.parameters import Moment, documented
from coalmine_server.moment import MOMENT_HELP
from coalmine_server.services.models.base import Answer

router = APIRouter(prefix="/v1", tags=["measures"])

MOST_MARKS = 10_000


class MarkArm(Answer):
    """One arm of an experiment."""

    variant: str
    """Its name."""
    version: str
    """Version it serves."""
    weight: float
    """Share of units, from 0 to 1."""


class DeploymentMark(Answer):
    """One change of what an environment serves of a prompt."""

    event_time: datetime
    """When."""
    environment: str
    """Where."""
    prompt: str
    """Of which prompt."""
    revision: int
    """Counts changes of this prompt in this environment, from 1."""
    version: str | None
    """Default version from then on."""
    experiment: str | None
    """Experiment that ran from then on."""
    allocation_epoch: int | None
    """Its epoch."""
    arms: list[MarkArm]
    """Its arms, control last."""
    action: str
    """What was done, e.g. promote."""
    changed_by: str
    """Who did it."""
    reason: str | None
    """Why."""


class DeploymentMarks(Answer):
    """Changes of what is served."""

    items: list[DeploymentMark]
    """Oldest first."""


@router.get("/deployment-marks", responses=documented(DeploymentMarks))
def deployment_marks(
    *,
    request: Request,
    prompt: Annotated[str | None, Query(min_length=1, description="Only of this prompt.")] = None,
    environment: Annotated[str | None, Query(min_length=1, description="Only of this environment.")] = None,
    since: Annotated[Moment | None, Query(description=f"Changes at or after this: {MOMENT_HELP}.")] = None,
    until: Annotated[Moment | None, Query(description=f"Changes before this: {MOMENT_HELP}.")] = None,
    limit: Annotated[
        int, Query(ge=1, le=MOST_MARKS, description="Most changes to return; the newest ones.")
    ] = 1_000,
) -> DeploymentMarks:
    """When environments began to serve something else, as far as the collector has heard: marks on charts."""
    if since is not None and until is not None and since >= until:
        raise InvalidParameter("since has to lie before until")
    chosen = Filters(prompt=prompt, environment=environment, since=since, until=until)
    marks = find_marks(request.app.state.serving.reader(), chosen, limit)
    return DeploymentMarks(items=[DeploymentMark.model_validate(each) for each in marks])

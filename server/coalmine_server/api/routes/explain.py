"""Why a metric changed."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from coalmine_server.api.parameters import Asked, Moment, documented
from coalmine_server.api.problems import NOT_FOUND, Problem, ProblemError
from coalmine_server.errors import NothingKnown
from coalmine_server.moment import MOMENT_HELP
from coalmine_server.services.models import Explanation
from coalmine_server.services.questions import Explaining

router = APIRouter(prefix="/v1", tags=["readouts"])

_NOTHING: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "There is no such prompt, version or metric, or no raw row of it."}
}


@router.get("/explain", responses={**documented(Explanation), **_NOTHING})
def explain(
    *,
    asked: Asked,
    prompt: Annotated[str, Query(min_length=1, description="Name of the prompt.")],
    metric: Annotated[
        str, Query(min_length=1, description="Name of the metric, as `/v1/metrics` has it.")
    ] = "quality",
    a: Annotated[
        str | None, Query(min_length=1, description="The version to compare with; b names the other.")
    ] = None,
    b: Annotated[str | None, Query(min_length=1, description="The version in question.")] = None,
    since: Annotated[
        Moment | None,
        Query(
            description=f"The time after begins: {MOMENT_HELP}. With versions: only calls at or after this."
        ),
    ] = None,
    until: Annotated[
        Moment | None,
        Query(
            description=f"The time after ends, else now. With versions: only calls before it: {MOMENT_HELP}."
        ),
    ] = None,
    before_since: Annotated[
        Moment | None,
        Query(description=f"The time before begins; as long as the time after if not given: {MOMENT_HELP}."),
    ] = None,
    before_until: Annotated[
        Moment | None,
        Query(description=f"The time before ends; where the time after begins if not given: {MOMENT_HELP}."),
    ] = None,
    environment: Annotated[str | None, Query(min_length=1, description="Only this environment.")] = None,
    segment: Annotated[
        list[str] | None,
        Query(
            max_length=5,
            description="Segments whose mix is the mix of traffic; by default those whose mix moved most.",
        ),
    ] = None,
) -> Explanation:
    """Why a metric of a prompt differs between two versions (a, b) or two times (since), from raw requests.

    The change taken apart into prompt, model mix and traffic mix, which sum to it; the segments, models and
    applications that moved; and a regression on features of requests. Not randomised: what is not seen here
    counts as prompt.
    """
    question = Explaining(
        prompt=prompt,
        metric=metric,
        a=a,
        b=b,
        since=since,
        until=until,
        before_since=before_since,
        before_until=before_until,
        environment=environment,
        segments=None if segment is None else tuple(segment),
    )
    try:
        return asked.explain(question)
    except NothingKnown as error:
        raise ProblemError(NOT_FOUND, str(error)) from None

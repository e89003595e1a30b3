"""What is said of experiments and versions: readouts, the looks people took, comparisons, the catalogue."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from coalmine_schemas.errors import InvalidParameter
from coalmine_server.api.parameters import Asked, Moment, Wanted, documented
from coalmine_server.api.problems import NOT_FOUND, Problem, ProblemError
from coalmine_server.api.representation import represented
from coalmine_server.moment import MOMENT_HELP
from coalmine_server.services.models import (
    ComparedMetric,
    Comparison,
    ExperimentRow,
    Experiments,
    MetricRow,
    Metrics,
    Readout,
    ReadoutPath,
)
from coalmine_server.services.questions import Comparing

router = APIRouter(prefix="/v1", tags=["readouts"])

Experiment = Annotated[str, Path(min_length=1, max_length=500, description="Its name, as events have it.")]
NOTHING: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "There is none of that name."}
}


@router.get("/readouts", responses=documented(Experiments, arrow=True))
def readouts(asked: Asked, wanted: Wanted) -> Response:
    """Experiments that events tell of, whoever planned them: those one can have a readout of."""
    answer = asked.experiments()
    return represented(answer, ExperimentRow, answer.items, wanted)


@router.get("/experiments/{experiment}/readout", responses={**documented(Readout), **NOTHING})
def readout(asked: Asked, experiment: Experiment) -> Readout:
    """Every metric of each arm against control: effect, interval, verdict, decision, units still needed.

    Holds at every look. Who asks has looked, so the look is stored unless there is one a few seconds old.
    """
    found = asked.readout(experiment)
    if found is None:
        raise ProblemError(NOT_FOUND, f"no request of an arm of an experiment {experiment} has come")
    return found


@router.get("/experiments/{experiment}/looks", responses=documented(ReadoutPath))
def looks(
    *,
    asked: Asked,
    experiment: Experiment,
    since: Annotated[
        Moment | None, Query(description=f"Looks taken at or after this: {MOMENT_HELP}.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Most looks to return, the latest.")] = 500,
) -> ReadoutPath:
    """The path people saw: stored looks, oldest first."""
    return asked.readout_path(experiment, since, limit)


@router.get("/compare", responses={**documented(Comparison, arrow=True), **NOTHING})
def compare(
    *,
    asked: Asked,
    wanted: Wanted,
    prompt: Annotated[str, Query(min_length=1, description="Name of the prompt.")],
    a: Annotated[str, Query(min_length=1, description="The version to compare with.")],
    b: Annotated[str, Query(min_length=1, description="The version in question.")],
    environment: Annotated[str | None, Query(min_length=1, description="Only this environment.")] = None,
    since: Annotated[
        Moment | None, Query(description=f"Calls that began at or after this: {MOMENT_HELP}.")
    ] = None,
    until: Annotated[
        Moment | None, Query(description=f"Calls that began before this: {MOMENT_HELP}.")
    ] = None,
    segment: Annotated[
        list[str] | None,
        Query(max_length=5, description="Segments to adjust for; by default two that have few values."),
    ] = None,
) -> Response:
    """Two versions beside each other, from raw requests: not randomised, so its verdicts only seem.

    Adjusted for the mix of models and segments. An experiment's readout says more where there is one.
    """
    if since is not None and until is not None and since >= until:
        raise InvalidParameter("since has to lie before until")
    question = Comparing(
        prompt=prompt,
        a=a,
        b=b,
        environment=environment,
        since=since,
        until=until,
        segments=None if segment is None else tuple(segment),
    )
    found = asked.compare(question)
    if found is None:
        raise ProblemError(NOT_FOUND, f"version {a} or {b} of {prompt} had no request there is a raw row of")
    return represented(found, ComparedMetric, found.metrics, wanted, {"warnings": "\n".join(found.warnings)})


@router.get("/metrics", responses=documented(Metrics, arrow=True))
def metric_catalogue(asked: Asked, wanted: Wanted) -> Response:
    """The metric catalogue: which way is better, what would be too much, and which guard a promotion."""
    answer = asked.metrics()
    return represented(answer, MetricRow, answer.items, wanted)

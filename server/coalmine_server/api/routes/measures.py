"""What was measured: versions, time series, quantiles, facets, and changes of what is served."""

from typing import Annotated, Final, get_args

from fastapi import Depends, Query, Request, Response

from coalmine_alerts.results.models import CalendarModel
from coalmine_consumers import queries
from coalmine_consumers.queries import Filters
from coalmine_consumers.results import (
    DeploymentMark,
    Facets,
    MeasuredMetric,
    QuantileMetric,
    QuantileRow,
    Quantiles,
    QuantityRow,
    StepChoice,
    Timeseries,
    TimeseriesRow,
    UnpricedRow,
    VersionRow,
)
from coalmine_schemas.results import Page
from coalmine_server.api.auth import actor_of
from coalmine_server.api.later_routes import LaterRouter
from coalmine_server.api.parameters import LONGEST_PAGE, LONGEST_SERIES, Cursor, Limit, Owned, SeriesLimit
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.representation import ARROW_TOO, Wanted, represented
from coalmine_server.moment import MOMENT_HELP
from coalmine_server.services.model_calendar import model_calendar
from coalmine_server.services.moment_parameter import Moment, check_period

router = LaterRouter(prefix="/v1", tags=["measures"])

DEFAULT_SHARES = (0.5, 0.9, 0.95, 0.99)
ALL_METRICS = list(get_args(MeasuredMetric))


_WIDENED: Final = (
    "Widened to a whole minute; an hour where that is older than `retention.minute_days`, a day where it is "
    "older than `retention.hour_days`."
)


def filters(
    *,
    request: Request,
    prompt: Annotated[str | None, Query(min_length=1, description="Only this prompt.")] = None,
    version: Annotated[str | None, Query(min_length=1, description="Only this version.")] = None,
    environment: Annotated[str | None, Query(min_length=1, description="Only this environment.")] = None,
    app: Annotated[str | None, Query(min_length=1, description="Only this application.")] = None,
    model: Annotated[str | None, Query(min_length=1, description="Only calls this model answered.")] = None,
    since: Annotated[
        Moment | None, Query(description=f"Only calls that began at or after this: {MOMENT_HELP}. {_WIDENED}")
    ] = None,
    until: Annotated[
        Moment | None, Query(description=f"Only calls that began before this: {MOMENT_HELP}. {_WIDENED}")
    ] = None,
) -> Filters:
    """Which requests a question is about."""
    check_period(since, until)
    return Filters(
        prompt=prompt,
        version=version,
        environment=environment,
        app=app,
        model=model,
        since=since,
        until=until,
        among=actor_of(request).prompts,
    )


Chosen = Annotated[Filters, Depends(filters)]


@router.get(
    "/versions",
    response_model=Page[VersionRow] | Page[QuantityRow],
    responses={**problem_responses(406), **ARROW_TOO},
)
def versions(
    *,
    owned: Owned,
    chosen: Chosen,
    wanted: Wanted,
    by: Annotated[
        list[str],
        Query(
            max_length=2,
            description="One or two dimensions, one row for each of their values: `prompt`, `version`, "
            "`model`, `environment`, `app`, `segment:KEY`. One that is neither prompt nor version is within "
            "each version.",
        ),
    ] = [],  # noqa: B006 - FastAPI copies it
    segment: Annotated[
        list[str],
        Query(max_length=5, description="`KEY=VALUE`: only calls with this value of a segment."),
    ] = [],  # noqa: B006
    limit: Limit = LONGEST_PAGE,
    cursor: Cursor = None,
) -> Response:
    """Measures of each version of a prompt over a period, or by one or two dimensions.

    By segment they are from raw calls, which are kept for a while; a period of over 20 million is refused.
    Rows by dimensions name those (`QuantityRow`); without any, or by model alone, they are versions.
    """
    dimensions = queries.Dimensions.parse(by, segment)
    reader = owned.store.reader()
    if by in ([], ["model"]) and not dimensions.of_calls:
        of_versions = queries.versions(reader, chosen, by_model=bool(by), limit=limit, cursor=cursor)
        return represented(of_versions, Page[VersionRow], of_versions.items, VersionRow, wanted)
    page = queries.quantities(reader, chosen, dimensions, limit=limit, cursor=cursor)
    return represented(page, Page[QuantityRow], page.items, QuantityRow, wanted)


@router.get("/timeseries", response_model=Timeseries, responses={**problem_responses(406), **ARROW_TOO})
def timeseries(
    *,
    owned: Owned,
    chosen: Chosen,
    wanted: Wanted,
    step: Annotated[
        StepChoice, Query(description="Length of each bucket; `auto` fits it to the period.")
    ] = "auto",
    quantiles: Annotated[
        list[MeasuredMetric],
        Query(description="Metrics whose quantiles are wanted: those of others are null, and spare time."),
    ] = ALL_METRICS,
    limit: SeriesLimit = LONGEST_SERIES,
    cursor: Cursor = None,
) -> Response:
    """The same measures over time: one row for each bucket of time and version that had any event."""
    reader = owned.store.reader()
    found = queries.timeseries(reader, chosen, step, metrics=quantiles, limit=limit, cursor=cursor)
    return represented(found, Timeseries, found.items, TimeseriesRow, wanted, {"step": found.step})


@router.get("/quantiles", response_model=Quantiles, responses={**problem_responses(406), **ARROW_TOO})
def quantiles(
    *,
    owned: Owned,
    chosen: Chosen,
    wanted: Wanted,
    metric: Annotated[QuantileMetric, Query(description="Its name ends with its unit.")] = "latency_ms",
    q: Annotated[
        list[Annotated[float, Query(ge=0, le=1)]],
        Query(min_length=1, max_length=100, description="Shares from 0 to 1; may be repeated."),
    ] = list(DEFAULT_SHARES),  # noqa: B006 - FastAPI copies it
) -> Response:
    """Quantiles of a metric by version, from histograms, within 1 %."""
    found = queries.quantiles(owned.store.reader(), metric, tuple(q), chosen)
    return represented(found, Quantiles, found.items, QuantileRow, wanted, {"metric": found.metric})


@router.get("/unpriced", responses=problem_responses())
def unpriced(*, owned: Owned, chosen: Chosen, limit: Limit = LONGEST_PAGE) -> Page[UnpricedRow]:
    """Calls whose cost is not known, by model, the most used first; all of them are on one page."""
    return Page(queries.unpriced(owned.store.reader(), chosen, limit=limit), None)


@router.get("/facets", responses=problem_responses())
def facets(request: Request, owned: Owned) -> Facets:
    """The values to choose from: prompts, versions, environments, applications, models, and the period."""
    return queries.facets(owned.store.reader(), among=actor_of(request).prompts)


@router.get("/model-calendar", responses=problem_responses())
def calendar_of_models(request: Request, owned: Owned, limit: Limit = LONGEST_PAGE) -> Page[CalendarModel]:
    """Models that answered in the last 30 days, those that end first; all of them are on one page.

    Ends are those that providers have announced as of this release, and those in `alerts.yaml`.
    """
    alerting = owned.alerts
    found = model_calendar(
        owned.store.reader(),
        alerting.configuration,
        alerting.clock(),
        limit=limit,
        among=actor_of(request).prompts,
    )
    return Page(found, None)


@router.get("/deployment-marks", responses=problem_responses())
def deployment_marks(
    *,
    request: Request,
    owned: Owned,
    prompt: Annotated[str | None, Query(min_length=1, description="Only changes of this prompt.")] = None,
    environment: Annotated[
        str | None, Query(min_length=1, description="Only changes in this environment.")
    ] = None,
    since: Annotated[Moment | None, Query(description=f"Changes at or after this: {MOMENT_HELP}.")] = None,
    until: Annotated[Moment | None, Query(description=f"Changes before this: {MOMENT_HELP}.")] = None,
    limit: SeriesLimit = 1_000,
) -> Page[DeploymentMark]:
    """When environments began to serve something else, oldest first: marks on charts.

    As far as the collector has heard; the newest ones, on one page.
    """
    check_period(since, until)
    among = actor_of(request).prompts
    chosen = Filters(prompt=prompt, environment=environment, since=since, until=until, among=among)
    return Page(queries.deployment_marks(owned.store.reader(), chosen, limit), None)

"""What was measured: versions, time series, quantiles, facets."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from coalmine_server.api.parameters import Asked, Chosen, Paged, Wanted, documented
from coalmine_server.api.representation import represented
from coalmine_server.services.models import (
    Facets,
    QuantileMetric,
    QuantileRow,
    Quantiles,
    Timeseries,
    TimeseriesRow,
    VersionRow,
    Versions,
)
from coalmine_server.services.questions import StepChoice

router = APIRouter(prefix="/v1", tags=["measures"])

DEFAULT_SHARES = (0.5, 0.9, 0.95, 0.99)


@router.get("/versions", responses=documented(Versions, arrow=True))
def versions(chosen: Chosen, paged: Paged, asked: Asked, wanted: Wanted) -> Response:
    """Measures of each version of a prompt over the time asked for."""
    answer = asked.versions(chosen, paged)
    return represented(answer, VersionRow, answer.items, wanted)


@router.get("/timeseries", responses=documented(Timeseries, arrow=True))
def timeseries(
    *,
    chosen: Chosen,
    paged: Paged,
    asked: Asked,
    wanted: Wanted,
    step: Annotated[
        StepChoice, Query(description="Length of each stretch of time; `auto` fits it.")
    ] = "auto",
) -> Response:
    """The same measures over time, one row for each stretch of time and version that had any event."""
    answer = asked.timeseries(chosen, step, paged)
    return represented(answer, TimeseriesRow, answer.items, wanted, {"step": answer.step})


@router.get("/quantiles", responses=documented(Quantiles, arrow=True))
def quantiles(
    *,
    chosen: Chosen,
    asked: Asked,
    wanted: Wanted,
    metric: Annotated[QuantileMetric, Query(description="Its name ends with its unit.")] = "latency_ms",
    q: Annotated[
        list[Annotated[float, Query(ge=0, le=1)]],
        Query(min_length=1, max_length=100, description="Shares from 0 to 1; may be repeated."),
    ] = list(DEFAULT_SHARES),  # noqa: B006 - FastAPI copies it
) -> Response:
    """Quantiles of a metric by version, from histograms, within 1 %."""
    answer = asked.quantiles(chosen, metric, tuple(q))
    return represented(answer, QuantileRow, answer.items, wanted, {"metric": answer.metric})


@router.get("/facets", responses=documented(Facets))
def facets(asked: Asked) -> Facets:
    """What there is to choose from: prompts, versions, environments, applications, and the time covered."""
    return asked.facets()

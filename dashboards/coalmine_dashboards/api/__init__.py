"""The server's HTTP API, typed."""

from coalmine_dashboards.api.answers import (
    DeploymentMark,
    Facets,
    IngestStatus,
    Measures,
    Timeseries,
    TimeseriesRow,
    VersionRow,
)
from coalmine_dashboards.api.client import ApiClient, Selection
from coalmine_dashboards.api.errors import (
    ApiError,
    NotReady,
    Standby,
    Unauthorised,
    Unexpected,
    Unreachable,
)

__all__ = [
    "ApiClient",
    "ApiError",
    "DeploymentMark",
    "Facets",
    "IngestStatus",
    "Measures",
    "NotReady",
    "Selection",
    "Standby",
    "Timeseries",
    "TimeseriesRow",
    "Unauthorised",
    "Unexpected",
    "Unreachable",
    "VersionRow",
]

"""Client of the server's HTTP API, and its errors."""

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
    "NotReady",
    "Selection",
    "Standby",
    "Unauthorised",
    "Unexpected",
    "Unreachable",
]

"""Client of the server's HTTP API, and its errors."""

from coalmine_dashboards.api.client import ApiClient, Selection, segment
from coalmine_dashboards.api.errors import (
    ApiError,
    NotFound,
    NotReady,
    Refused,
    SignedOut,
    Standby,
    Unauthorised,
    Unexpected,
    Unreachable,
)

__all__ = [
    "ApiClient",
    "ApiError",
    "NotFound",
    "NotReady",
    "Refused",
    "Selection",
    "SignedOut",
    "Standby",
    "Unauthorised",
    "Unexpected",
    "Unreachable",
    "segment",
]

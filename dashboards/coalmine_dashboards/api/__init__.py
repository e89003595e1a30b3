"""Client of the server's HTTP API, and its errors."""

from coalmine_dashboards.api.client import ApiClient, Selection, if_allowed, segment
from coalmine_dashboards.api.errors import (
    ApiError,
    Forbidden,
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
    "Forbidden",
    "NotFound",
    "NotReady",
    "Refused",
    "Selection",
    "SignedOut",
    "Standby",
    "Unauthorised",
    "Unexpected",
    "Unreachable",
    "if_allowed",
    "segment",
]

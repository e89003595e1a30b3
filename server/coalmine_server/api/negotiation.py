"""Which representation a client asked for: JSON, or an Arrow stream for data frames."""

from typing import Literal

from coalmine_server.api.problems import NOT_ACCEPTABLE, ProblemError

JSON_MEDIA_TYPE = "application/json"
ARROW_MEDIA_TYPE = "application/vnd.apache.arrow.stream"

Representation = Literal["json", "arrow"]


def representation(accept: str | None) -> Representation:
    """Chooses by the `Accept` header; JSON where both are equally welcome.

    Raises:
        ProblemError: Neither is acceptable (406).
    """
    if accept is None or not accept.strip():
        return "json"
    ranges = [_media_range(part) for part in accept.split(",") if part.strip()]
    json, arrow = _quality(ranges, JSON_MEDIA_TYPE), _quality(ranges, ARROW_MEDIA_TYPE)
    if json == 0 and arrow == 0:
        raise ProblemError(
            NOT_ACCEPTABLE,
            f"this comes as {JSON_MEDIA_TYPE} or {ARROW_MEDIA_TYPE}; asked for: {accept}",
        )
    return "arrow" if arrow > json else "json"


def _media_range(text: str) -> tuple[str, float]:
    name, *parameters = [part.strip() for part in text.split(";")]
    quality = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            try:
                quality = min(max(float(value), 0.0), 1.0)
            except ValueError:
                quality = 0.0
    return name.lower(), quality


def _quality(ranges: list[tuple[str, float]], media_type: str) -> float:
    """The quality of the most specific range that covers a media type (RFC 9110, 12.5.1)."""
    for pattern in (media_type, media_type.split("/", maxsplit=1)[0] + "/*", "*/*"):
        found = [quality for name, quality in ranges if name == pattern]
        if found:
            return max(found)
    return 0.0

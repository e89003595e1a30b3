"""Which representation a client asked for, JSON or an Arrow stream for data frames, and an answer as that."""

import functools
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import Depends, Header, Response
from pydantic import TypeAdapter

from coalmine_server.api.problems import NOT_ACCEPTABLE, ProblemError

JSON_MEDIA_TYPE = "application/json"
ARROW_MEDIA_TYPE = "application/vnd.apache.arrow.stream"
ARROW_TOO: dict[int | str, dict[str, Any]] = {
    200: {"description": f"Success. With `Accept: {ARROW_MEDIA_TYPE}` the rows come as an Arrow stream."}
}
"""The success of a route that also answers with an Arrow stream, for OpenAPI.

In words, because generated clients make of two media types one answer that is either an object or text.
"""

Representation = Literal["json", "arrow"]


def representation(accept: Annotated[str | None, Header(include_in_schema=False)] = None) -> Representation:
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
            NOT_ACCEPTABLE, f"available: {JSON_MEDIA_TYPE} and {ARROW_MEDIA_TYPE}; asked for: {accept}"
        )
    return "arrow" if arrow > json else "json"


Wanted = Annotated[Representation, Depends(representation)]


def represented(  # noqa: PLR0917 - what it is, then how to write it
    answer: object,
    answer_type: Any,  # noqa: ANN401 - a type, generic or not
    rows: Sequence[object],
    row_type: type,
    wanted: Representation,
    metadata: Mapping[str, str] | None = None,
) -> Response:
    """Writes an answer.

    Args:
        answer: The whole of it, for JSON.
        answer_type: Its type.
        rows: Its rows, for Arrow.
        row_type: Their dataclass, for Arrow's columns.
        wanted: Which of the two.
        metadata: What is not in the rows, as metadata of Arrow's schema.
    """
    vary = {"Vary": "Accept"}
    if wanted == "json":
        return Response(_adapter(answer_type).dump_json(answer), media_type=JSON_MEDIA_TYPE, headers=vary)
    from coalmine_server.api.arrow import arrow_table, ipc_stream  # noqa: PLC0415 - imports pyarrow

    cursor = getattr(answer, "next_cursor", None)
    more = {} if cursor is None else {"next_cursor": cursor}
    table = arrow_table(row_type, rows).replace_schema_metadata({**(metadata or {}), **more})
    return Response(ipc_stream(table), media_type=ARROW_MEDIA_TYPE, headers=vary)


@functools.cache
def _adapter(answer_type: Any) -> TypeAdapter[Any]:  # noqa: ANN401
    return TypeAdapter(answer_type)


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

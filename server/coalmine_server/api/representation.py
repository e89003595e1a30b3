"""Which representation a client asked for, JSON, CSV or an Arrow stream, and an answer as that."""

import csv
import functools
import io
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import Depends, Header, Response
from pydantic import TypeAdapter

from coalmine_server.api.problems import NOT_ACCEPTABLE, ProblemError

JSON_MEDIA_TYPE = "application/json"
ARROW_MEDIA_TYPE = "application/vnd.apache.arrow.stream"
CSV_MEDIA_TYPE = "text/csv"
ARROW_TOO: dict[int | str, dict[str, Any]] = {
    200: {
        "description": f"Success. With `Accept: {ARROW_MEDIA_TYPE}` the rows come as an Arrow stream, with "
        f"`{CSV_MEDIA_TYPE}` as CSV."
    }
}
"""The success of a route that also answers with an Arrow stream, for OpenAPI.

In words, because generated clients make of two media types one answer that is either an object or text.
"""

Representation = Literal["json", "arrow", "csv"]
_MEDIA_TYPES: dict[Representation, str] = {
    "json": JSON_MEDIA_TYPE,
    "arrow": ARROW_MEDIA_TYPE,
    "csv": CSV_MEDIA_TYPE,
}
"""What is preferred where several are equally welcome comes first."""


def representation(accept: Annotated[str | None, Header(include_in_schema=False)] = None) -> Representation:
    """Chooses by the `Accept` header; JSON where both are equally welcome.

    Raises:
        ProblemError: Neither is acceptable (406).
    """
    if accept is None or not accept.strip():
        return "json"
    ranges = [_media_range(part) for part in accept.split(",") if part.strip()]
    best = max(_MEDIA_TYPES, key=lambda name: _quality(ranges, _MEDIA_TYPES[name]))
    if _quality(ranges, _MEDIA_TYPES[best]) == 0:
        raise ProblemError(
            NOT_ACCEPTABLE, f"available: {', '.join(_MEDIA_TYPES.values())}; asked for: {accept}"
        )
    return best


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
        wanted: Which of them.
        metadata: What is not in the rows, as metadata of Arrow's schema.
    """
    vary = {"Vary": "Accept"}
    if wanted == "json":
        return Response(_adapter(answer_type).dump_json(answer), media_type=JSON_MEDIA_TYPE, headers=vary)
    if wanted == "csv":
        cursor = getattr(answer, "next_cursor", None)
        headers = vary if cursor is None else {**vary, "X-Next-Cursor": cursor}
        plain = _adapter(list[row_type]).dump_python(list(rows), mode="json")  # type: ignore[valid-type]
        return Response(csv_of(plain), media_type=CSV_MEDIA_TYPE, headers=headers)
    from coalmine_server.api.arrow import arrow_table, ipc_stream  # noqa: PLC0415 - imports pyarrow

    cursor = getattr(answer, "next_cursor", None)
    more = {} if cursor is None else {"next_cursor": cursor}
    table = arrow_table(row_type, rows).replace_schema_metadata({**(metadata or {}), **more})
    return Response(ipc_stream(table), media_type=ARROW_MEDIA_TYPE, headers=vary)


def csv_of(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows under a line of names; what is no single value is written as JSON. Without a row: nothing."""
    written = io.StringIO()
    if rows:
        writer = csv.DictWriter(written, list(rows[0]), lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows({name: _csv_value(value) for name, value in row.items()} for row in rows)
    return written.getvalue()


def _csv_value(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


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

"""An answer as a response, JSON or Arrow."""

from collections.abc import Mapping, Sequence

from fastapi import Response
from pydantic import BaseModel

from coalmine_server.api.arrow import arrow_table, ipc_stream
from coalmine_server.api.negotiation import ARROW_MEDIA_TYPE, JSON_MEDIA_TYPE, Representation


def represented(
    answer: BaseModel,
    row_model: type[BaseModel],
    rows: Sequence[BaseModel],
    wanted: Representation,
    metadata: Mapping[str, str] | None = None,
) -> Response:
    """Writes an answer.

    Args:
        answer: The whole of it, for JSON.
        row_model: What its rows are, for Arrow's columns.
        rows: Its rows, for Arrow.
        wanted: Which of the two.
        metadata: What of the answer is not in its rows: metadata of Arrow's schema.
    """
    vary = {"Vary": "Accept"}
    if wanted == "json":
        return Response(answer.model_dump_json(), media_type=JSON_MEDIA_TYPE, headers=vary)
    next_offset = getattr(answer, "next_offset", None)
    more = {} if next_offset is None else {"next_offset": str(next_offset)}
    table = arrow_table(row_model, rows).replace_schema_metadata({**(metadata or {}), **more})
    return Response(ipc_stream(table), media_type=ARROW_MEDIA_TYPE, headers=vary)

"""One call, from the raw rows, while they are kept."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from coalmine_consumers.raw import IngestedEvent
from coalmine_consumers.results import CallFeedback, CallScore, StoredCall
from coalmine_consumers.sql import Source, quote_identifier
from coalmine_consumers.store import Reader, Stretch

_PRIVATE = ("unit_id", "session_id", "input_text", "output_text", "comment", "rationale")
_MAPS = ("request_parameters", "metrics", "segments")
_COMPUTED = ("private", "feedback", "scores")


def stored_call(reader: Reader, request_id: UUID, *, private: bool) -> StoredCall | None:
    """Returns a call with its feedback and scores; None if it is not stored, or no longer.

    Args:
        reader: Of the store.
        request_id: Of the call.
        private: False to leave out texts, and identifiers of users.
    """
    with reader.snapshot() as snapshot:
        snapshot.narrow("requests", Stretch(least_id=request_id, greatest_id=request_id))
        found = _rows(snapshot, "requests", StoredCall, request_id, private=private)
        if not found:
            return None
        feedback = _rows(snapshot, "feedback", CallFeedback, request_id, private=private)
        scores = _rows(snapshot, "scores", CallScore, request_id, private=private)
    (row,) = found
    row |= {name: {entry["key"]: entry["value"] for entry in row[name] or ()} for name in _MAPS}
    row["request_id"] = str(row["request_id"])
    return StoredCall(
        **row,
        private=private,
        feedback=[CallFeedback(**each) for each in feedback],
        scores=[CallScore(**each) for each in scores],
    )


def request_prompts(reader: Reader, request_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Returns the prompts of those requests that are stored, by id.

    Args:
        reader: Of the store.
        request_ids: Of the requests.
    """
    if not request_ids:
        return {}
    # Ids begin with their time: the bounds spare the reading of most files.
    query = """SELECT request_id::VARCHAR AS request_id, prompt FROM requests
        WHERE request_id >= $least AND request_id <= $greatest
            AND request_id IN (SELECT unnest($ids::UUID[]))"""
    bounds = {"least": min(request_ids), "greatest": max(request_ids), "ids": [*map(str, request_ids)]}
    return {UUID(row["request_id"]): row["prompt"] for row in reader.rows(query, bounds)}


def _rows(
    source: Source, event: IngestedEvent, kind: type, request_id: UUID, *, private: bool
) -> list[dict[str, Any]]:
    """The raw rows about a call, oldest first, with the columns that a result has."""
    names = [field.name for field in fields(kind) if field.name not in _COMPUTED]
    columns = ", ".join(map(quote_identifier, names))
    query = f"SELECT {columns} FROM {event} WHERE request_id = $request_id ORDER BY event_time, ingest_id"  # noqa: S608
    rows = source.rows(query, {"request_id": request_id})
    if private:
        return rows
    return [public(row) for row in rows]


def public(row: dict[str, Any]) -> dict[str, Any]:
    """A row without texts and identifiers of users."""
    return {name: _public(name, value) for name, value in row.items()}


def _public(name: str, value: Any) -> Any:  # noqa: ANN401 - any column
    if name == "correction":  # that there was one is no secret
        return None if value is None else ""
    return None if name in _PRIVATE else value

"""Replays dead letters once whatever made them fail is fixed, or gives them up.

A replay sends the bytes through the same decoding and the same commit as new messages. In one
transaction the event is stored (or found to be a duplicate), its dead letter becomes `replayed`, and the
ledger moves it from dead-lettered to stored: a row with nothing consumed and a negative count. So it
counts once, whatever happens in between.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import duckdb
import pyarrow as pa

from coalmine_consumers.collector.decode import DecodedBatch, RequestPricer
from coalmine_consumers.collector.empty_names import without_empty_names
from coalmine_consumers.dead_letters.listing import DeadLetterFilter
from coalmine_consumers.errors import MaintenanceConflict
from coalmine_consumers.raw import READ_EVENTS, ReadEvent
from coalmine_consumers.results import DeadLettersChanged, StillFailing
from coalmine_consumers.sql import lent, statement
from coalmine_consumers.store import CommitResult, Store
from coalmine_schemas.batch import BatchDecoder, Failure

CHUNK_LETTERS = 1_000
"""At most this many are replayed in one transaction."""
CHUNK_BYTES = 16 * 1024 * 1024
"""And about this many bytes, unless a single one is larger."""

_LETTERS = """
SELECT dead_letter_id, event, payload FROM dead_letters
WHERE status = 'open' AND dead_letter_id IN (SELECT unnest($ids::UUID[])) ORDER BY dead_letter_id
"""
_CLOSE = """
UPDATE dead_letters SET status = $status
WHERE status = 'open' AND dead_letter_id IN (SELECT unnest($ids::UUID[]))
"""
_BALANCE = "UPDATE batches SET dead_lettered = -(stored + duplicates) WHERE ingest_id = $ingest_id"


def replay_dead_letters(
    store: Store, decoder: BatchDecoder, pricer: RequestPricer, chosen: DeadLetterFilter
) -> DeadLettersChanged:
    """Tries to store open dead letters again, oldest first. Ingest goes on beside it.

    Raises:
        MaintenanceConflict: Someone else replayed or discarded some of them just now. What was done so
            far stays done; calling again continues from there.
        Transient: The schema registry does not answer; likewise.
    """
    selected = replayed = duplicates = 0
    failing: list[StillFailing] = []
    for ids in _chunks(_open(store, chosen)):
        done = _replay_chunk(store, decoder, pricer, ids)
        selected += done.selected
        replayed += done.replayed
        duplicates += done.duplicates
        failing += done.failing
    return DeadLettersChanged("replay", selected, replayed, duplicates, 0, failing)


def discard_dead_letters(store: Store, chosen: DeadLetterFilter) -> DeadLettersChanged:
    """Gives up open dead letters; they stay visible, and in the ledger."""
    discarded = 0
    for ids in _chunks(_open(store, chosen)):
        with store.transaction() as connection:
            discarded += _close(connection, ids, "discarded")
    return DeadLettersChanged("discard", discarded, 0, 0, discarded, [])


@dataclass(frozen=True, slots=True, eq=False)
class _Decoded:
    """What one event's letters turned out to be."""

    table: pa.Table
    ids: list[str]
    """Letter of each row."""
    failing: list[StillFailing]
    refs: list[str | None]
    """Schema that each failing one names."""


def _replay_chunk(
    store: Store, decoder: BatchDecoder, pricer: RequestPricer, ids: Sequence[UUID]
) -> DeadLettersChanged:
    letters = store.reader().rows(_LETTERS, {"ids": ids})
    parts = {event: _decode(decoder, pricer, event, letters) for event in READ_EVENTS}
    good = [UUID(each) for part in parts.values() for each in part.ids]
    other = [
        StillFailing(each["dead_letter_id"], "unknown", "its event is unknown")
        for each in letters
        if each["event"] not in READ_EVENTS
    ]
    failing = [each for part in parts.values() for each in part.failing]
    refs = [each for part in parts.values() for each in part.refs]

    def also(connection: duckdb.DuckDBPyConnection, result: CommitResult) -> None:
        if _close(connection, good, "replayed") != len(good):
            raise MaintenanceConflict("some of these dead letters were replayed or discarded just now")
        connection.execute(_BALANCE, {"ingest_id": result.ingest_id}).fetchall()
        _note_failures(connection, failing, refs)

    batch = DecodedBatch(
        tables={event: part.table for event, part in parts.items() if part.ids},
        dead_letters=[],
        consumed={event: 0 for event, part in parts.items() if part.ids},
        starts={},
        positions={},
    )
    result = store.commit(batch, also)
    return DeadLettersChanged("replay", len(letters), result.stored, result.duplicates, 0, [*failing, *other])


def _decode(
    decoder: BatchDecoder, pricer: RequestPricer, event: ReadEvent, letters: Sequence[dict[str, Any]]
) -> _Decoded:
    mine = [letter for letter in letters if letter["event"] == event]
    found = decoder.decode(event, [letter["payload"] for letter in mine])
    table = without_empty_names(event, found.table)
    if event == "requests" and table.num_rows:
        table = pricer.price_requests(table)

    def identifier(failure: Failure) -> str:
        return str(mine[failure.index]["dead_letter_id"])

    return _Decoded(
        table=table,
        ids=[mine[index]["dead_letter_id"] for index in found.rows.tolist()],
        failing=[StillFailing(identifier(each), each.stage, each.reason) for each in found.failures],
        refs=[each.schema_ref for each in found.failures],
    )


def _note_failures(
    connection: duckdb.DuckDBPyConnection, failing: Sequence[StillFailing], refs: Sequence[str | None]
) -> None:
    if not failing:
        return
    failed_again = pa.table(
        {
            "id": pa.array([UUID(each.dead_letter_id).bytes for each in failing], pa.uuid()),
            "stage": pa.array([each.stage for each in failing], pa.string()),
            "reason": pa.array([each.reason for each in failing], pa.string()),
            "schema_ref": pa.array(list(refs), pa.string()),
        }
    )
    with lent(connection, failed_again=failed_again):
        connection.execute(
            statement("mark_failed_again", __package__), {"attempted_at": datetime.now(UTC)}
        ).fetchall()


def _close(connection: duckdb.DuckDBPyConnection, ids: Sequence[UUID], status: str) -> int:
    ((closed,),) = connection.execute(_CLOSE, {"status": status, "ids": list(ids)}).fetchall()
    return int(closed)


def _open(store: Store, chosen: DeadLetterFilter) -> list[dict[str, Any]]:
    return store.reader().rows(statement("open_dead_letters", __package__), chosen.parameters())


def _chunks(letters: Sequence[dict[str, Any]]) -> Iterator[list[UUID]]:
    ids: list[UUID] = []
    size_bytes = 0
    for letter in letters:
        if ids and (len(ids) == CHUNK_LETTERS or size_bytes + letter["size_bytes"] > CHUNK_BYTES):
            yield ids
            ids, size_bytes = [], 0
        ids.append(UUID(letter["dead_letter_id"]))
        size_bytes += letter["size_bytes"]
    if ids:
        yield ids

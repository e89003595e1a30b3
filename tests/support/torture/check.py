"""Checks a store after a torture: every message accounted for, and every row right."""

from collections import Counter
from hashlib import sha256
from typing import Any

import pyarrow as pa

from coalmine_consumers.raw import INGESTED_EVENTS, IngestedEvent
from coalmine_consumers.store import Store
from coalmine_schemas.batch import arrow_schema
from coalmine_schemas.prices import PriceTable
from tests.support.data.event_factory import aware
from tests.support.torture.load import Expected

_DEFAULTS: dict[str, Any] = {
    **{name: {} for name in ("metrics", "segments", "request_parameters", "other_usage")},
    **dict.fromkeys(("cost_source", "outcome"), "unknown"),
}
_ID = {"requests": "request_id", "feedback": "feedback_id", "scores": "score_id"}


def check_ledger(store: Store, expected: Expected) -> None:
    """Produced = stored + duplicate + dead-lettered, event by event."""
    ledger = store.reader().table(
        "SELECT event, sum(consumed)::BIGINT AS consumed, sum(stored)::BIGINT AS stored, "
        "sum(duplicates)::BIGINT AS duplicates, sum(dead_lettered)::BIGINT AS dead_lettered "
        "FROM batches GROUP BY event"
    )
    found = {row.pop("event"): row for row in ledger.to_pylist()}
    assert found == {
        event: {
            "consumed": expected.consumed(event),
            "stored": len(expected.rows[event]),
            "duplicates": expected.duplicates[event],
            "dead_lettered": len(expected.poison[event]),
        }
        for event in INGESTED_EVENTS
    }


def check_dead_letters(store: Store, expected: Expected) -> None:
    """Exactly the poison, byte for byte, each from a place of its own."""
    rows = store.reader().table(
        "SELECT event, payload, source_topic, source_partition, source_offset FROM dead_letters"
    )
    letters = rows.to_pylist()
    found = Counter((row["event"], sha256(row["payload"]).digest()) for row in letters)
    assert found == Counter(
        (event, sha256(payload).digest()) for event in INGESTED_EVENTS for payload in expected.poison[event]
    )
    places = {(row["source_topic"], row["source_partition"], row["source_offset"]) for row in letters}
    assert len(places) == len(letters)


def check_rows(store: Store, expected: Expected) -> None:
    """Every stored row, every column."""
    for event in INGESTED_EVENTS:
        wanted = _table(event, expected.rows[event])
        if event == "scores":  # whose it is only outcomes say, and here is none
            wanted = wanted.drop_columns(["unit_id", "session_id", "prompt"])
        columns = ", ".join(
            f"{name}::VARCHAR AS {name}" if name in ("request_id", "feedback_id", "score_id") else name
            for name in wanted.column_names
        )
        # So many rows at a time: in a campaign all of them are more than a store's memory.
        parts = list(store.reader().batches(f"SELECT {columns} FROM {event}", None, 100_000))
        found = pa.concat_tables(parts).sort_by(_ID[event])
        assert found.num_rows == wanted.num_rows
        for name in wanted.column_names:
            assert _plain(found[name]) == _plain(wanted[name]), f"{event}.{name} differs"


def check_rollups(store: Store, expected: Expected) -> None:
    """The day rollups add up to what was sent."""
    totals = store.reader().table(
        "SELECT sum(requests)::BIGINT AS requests, sum(errors)::BIGINT AS errors, "
        "sum(input_tokens)::BIGINT AS input_tokens, sum(output_tokens)::BIGINT AS output_tokens, "
        "sum(latency_n)::BIGINT AS latency_n FROM rollups WHERE resolution = 'day'"
    )
    rows = expected.rows["requests"]
    assert totals.to_pylist() == [
        {
            "requests": len(rows),
            "errors": sum(row["error_type"] is not None for row in rows),
            "input_tokens": sum(row["input_tokens"] or 0 for row in rows),
            "output_tokens": sum(row["output_tokens"] or 0 for row in rows),
            "latency_n": len(rows),
        }
    ]


def check_files(store: Store) -> None:
    """Each segment of the manifest has its file, and there is no other."""
    manifest = store.reader().table("SELECT path FROM segments WHERE retired_at IS NULL")
    there = {
        str(path.relative_to(store.directory)) for path in (store.directory / "segments").rglob("*.parquet")
    }
    assert there == set(manifest["path"].to_pylist())


def check_all(store: Store, expected: Expected) -> None:
    """Everything above."""
    check_ledger(store, expected)
    check_dead_letters(store, expected)
    check_rows(store, expected)
    check_rollups(store, expected)
    check_files(store)
    assert store.reader().table("SELECT * FROM gaps").num_rows == 0


def _table(event: IngestedEvent, records: list[dict[str, Any]]) -> pa.Table:
    prices = PriceTable()
    rows = []
    for record in records:
        row = {**_DEFAULTS, **aware(record)} if event == "requests" else aware(record)
        if event == "requests" and row["cost_nano_usd"] is None and row["output_tokens"] is not None:
            cost = prices.cost(
                {
                    "input_tokens": row["input_tokens"],
                    "output_tokens": row["output_tokens"],
                    "cache_read_tokens": row["cached_input_tokens"],
                },
                models=(row["response_model"], row["request_model"]),
                provider=row["provider"],
                at_us=record["event_time"],
            )
            assert cost is not None
            row["cost_nano_usd"], row["cost_source"] = cost.nano_usd, cost.source
        rows.append({name: _pairs(value) for name, value in row.items()})
    table = pa.Table.from_pylist(rows, schema=arrow_schema(event))
    return table.sort_by(_ID[event])


def _pairs(value: object) -> object:
    """A map as the canonical schema has it."""
    return [{"key": key, "value": item} for key, item in value.items()] if isinstance(value, dict) else value


def _plain(column: pa.ChunkedArray) -> pa.Array:
    """A column without what does not matter: chunks, dictionaries, nullability of what is inside."""
    combined = column.combine_chunks()
    if isinstance(combined, pa.ChunkedArray):
        combined = combined.chunk(0) if combined.num_chunks else pa.array([], column.type)
    if pa.types.is_dictionary(combined.type):
        combined = combined.dictionary_decode()
    if pa.types.is_list(combined.type):
        return pa.array(combined.to_pylist())
    if pa.types.is_timestamp(combined.type):
        return combined.cast(pa.int64())
    return combined

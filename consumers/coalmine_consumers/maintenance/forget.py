"""Forgets users: what says who they were is taken out of raw rows, in place of which nothing can be said.

Rows stay, with a pseudonym that nobody can trace, so that every count, sum and audit stays what it was: of a
call its texts, session, trace and parameters go, of feedback its comment, correction and metadata, of scores
their rationales. Files are written anew, one after the other; queries see each change as a whole.

Calls that were forgotten before are looked at each time: if that ended half-way, or feedback came later,
what it says goes now.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.maintenance.files import discarded_on_error
from coalmine_consumers.maintenance.merge import own_instance
from coalmine_consumers.maintenance.policy import MergePolicy
from coalmine_consumers.maintenance.row_groups import READ_ROWS, write_stream
from coalmine_consumers.maintenance.turns import turn
from coalmine_consumers.maintenance.windows import windows_over
from coalmine_consumers.raw import INGESTED_EVENTS, IngestedEvent
from coalmine_consumers.sql import fetch_batches, fetch_table, lent
from coalmine_consumers.store import (
    Segment,
    Store,
    live_segments,
    missing_files,
    raw_relation,
    record_segment,
    refresh_view,
    retire_segments,
    segment_scan,
)
from coalmine_consumers.store.segments import SegmentWriter

SHORTEST_SEARCHED: Final = 6
"""Characters of an identifier that is looked for inside dead letters: a shorter one is in anybody's."""

_PSEUDONYM: Final = "forgotten-"
_FORGOTTEN: Final = f"regexp_full_match(unit_id, '{_PSEUDONYM}[0-9a-f]{{16}}')"
_UNIT: Final = "coalesce((SELECT any_value(name) FROM pseudonyms WHERE id = unit_id), unit_id)"
_CALL_UNIT: Final = _UNIT.replace("unit_id", "call_unit_id")
_SESSION: Final = "CASE WHEN session_id IS NOT NULL THEN 'forgotten' END"  # that it is an outcome is counted
_OF_CALLS: Final = "request_id IN (SELECT request_id::UUID FROM forgotten)"
_OF_SESSIONS: Final = "session_id IN (SELECT session_id FROM forgotten_sessions)"
_OF_OUTCOMES: Final = f"(unit_id IN (SELECT id FROM pseudonyms) OR {_OF_SESSIONS})"  # noqa: S608 - our own
_OF_KEPT_OUTCOMES: Final = f"({_OF_OUTCOMES} OR call_unit_id IN (SELECT id FROM pseudonyms))"  # noqa: S608
_ABOUT: Final[Mapping[IngestedEvent, str]] = {
    "requests": "unit_id IN (SELECT id FROM pseudonyms)",
    "feedback": f"(unit_id IN (SELECT id FROM pseudonyms) OR {_OF_CALLS})",  # noqa: S608 - our own
    "scores": f"({_OF_CALLS} OR {_OF_OUTCOMES})",
}
"""Which rows are about them."""
_EMPTIED: Final[Mapping[IngestedEvent, Mapping[str, str]]] = {
    "requests": {
        "unit_id": _UNIT,
        "session_id": "NULL",
        "trace_id": "NULL",
        "input_text": "NULL",
        "output_text": "NULL",
        "request_parameters": "[]",
    },
    "feedback": {
        "unit_id": _UNIT,
        "comment": "NULL",
        "correction": "CASE WHEN correction IS NOT NULL THEN '' END",  # that there was one is counted
        "metadata": "[]",
    },
    "scores": {"rationale": "NULL", "unit_id": _UNIT, "session_id": _SESSION},
}
"""What their columns become."""
_SAYS: Final[Mapping[IngestedEvent, str]] = {
    "requests": "TRUE",
    "feedback": "unit_id IN (SELECT id FROM pseudonyms) OR comment IS NOT NULL OR correction <> '' "
    "OR len(metadata) > 0",
    "scores": f"rationale IS NOT NULL OR {_OF_OUTCOMES}",
}
"""Which of these rows still say something."""
_UNITS_KNOWN: Final = ("experiment_units", "expired_units", "pending_feedback")
"""Tables that name units."""


@dataclass(slots=True)
class ForgottenRows:
    """What was taken out of a store."""

    request_ids: list[str] = field(default_factory=list)
    """Calls of the users."""
    all_request_ids: list[str] = field(default_factory=list)
    """Those, and calls that were forgotten before."""
    rows: dict[str, int] = field(default_factory=dict)
    """Rows that were emptied, by table."""
    files: int = 0
    """Files that were written anew; the old ones are deleted as after a merge."""
    left: dict[str, int] = field(default_factory=dict)
    """Rows that still name the users or hold their texts, by table, counted afterwards."""
    missing: list[str] = field(default_factory=list)
    """Files that could not be looked into, because they are gone."""


def forget_units(store: Store, unit_ids: Sequence[str], policy: MergePolicy, now: datetime) -> ForgottenRows:
    """Forgets users; waits for the running maintenance task, and ingest goes on.

    Args:
        store: Of this process.
        unit_ids: As stored.
        policy: For its memory limit.
        now: The time.
    """
    pseudonyms = pa.table(
        {"id": list(unit_ids), "name": [f"{_PSEUDONYM}{secrets.token_hex(8)}" for _ in unit_ids]}
    )
    done = ForgottenRows()
    with turn(store):
        while store.settle_outcomes(now).is_rest:  # those of a session find no call afterwards
            pass
        calls = _calls_of(store, pseudonyms)
        done.all_request_ids = calls["request_id"].to_pylist()
        done.request_ids = calls.filter(pc.field("theirs"))["request_id"].to_pylist()
        lent_tables = {
            "pseudonyms": pseudonyms,
            "forgotten": calls.select(["request_id", "theirs"]),
            "forgotten_sessions": calls.select(["session_id"]).filter(calls["session_id"].is_valid()),
        }
        for event in INGESTED_EVENTS:
            # Hot rows first: what is sealed into a file meanwhile has been emptied, and tasks wait.
            with store.transaction() as connection, lent(connection, **lent_tables):
                changes = ", ".join(f"{name} = {value}" for name, value in _EMPTIED[event].items())
                where = f"{_ABOUT[event]} AND ({_SAYS[event]})"
                update = f"UPDATE {event}_hot SET {changes} WHERE {where}"  # noqa: S608 - our own
                done.rows[event] = _changed(connection, update)
            done.rows[event] += _rewrite(store, event, lent_tables, policy, now, done)
        with store.transaction() as connection, lent(connection, **lent_tables):
            for table in _UNITS_KNOWN:
                update = f"UPDATE {table} SET unit_id = {_UNIT} WHERE {_ABOUT['requests']}"  # noqa: S608
                done.rows[table] = _changed(connection, update)
            whose = f"unit_id = {_UNIT}, session_id = {_SESSION}, call_unit_id = {_CALL_UNIT}"
            update = f"UPDATE late_outcomes SET {whose} WHERE {_OF_KEPT_OUTCOMES}"  # noqa: S608 - our own
            done.rows["late_outcomes"] = _changed(connection, update)
            done.rows["dead_letters"] = sum(_empty_dead_letters(connection, each) for each in unit_ids)
        done.left = _left(store, lent_tables)
    return done


def _calls_of(store: Store, pseudonyms: pa.Table) -> pa.Table:
    with store.cursor() as cursor, lent(cursor, pseudonyms=pseudonyms):
        theirs = _ABOUT["requests"]
        return fetch_table(
            cursor,
            f"SELECT request_id::VARCHAR AS request_id, session_id, coalesce({theirs}, false) AS theirs "  # noqa: S608
            f"FROM requests WHERE {theirs} OR {_FORGOTTEN}",
        )


def _changed(connection: duckdb.DuckDBPyConnection, update: str) -> int:
    ((rows,),) = connection.execute(update).fetchall()
    return int(rows)


def _rewrite(  # noqa: PLR0917 - what, and with what
    store: Store,
    event: IngestedEvent,
    tables: Mapping[str, pa.Table],
    policy: MergePolicy,
    now: datetime,
    done: ForgottenRows,
) -> int:
    """Writes the files anew that have rows about the users; returns how many rows were emptied."""
    with store.cursor() as cursor:
        live = live_segments(cursor, event)
        gone = missing_files(store.directory, live)
        done.missing += [segment.path for segment in gone]
        scans = {
            segment.segment_id: segment_scan(cursor, event, [str(store.directory / segment.path)])
            for segment in live
            if segment not in gone
        }
    emptied = 0
    for segment in live:
        scan = scans.get(segment.segment_id)
        if scan is None:
            continue
        with own_instance(policy.memory_limit_mb) as own, lent(own, **tables):
            where = f"{_ABOUT[event]} AND ({_SAYS[event]})"
            ((rows,),) = own.execute(f"SELECT count(*) FROM {scan} WHERE {where}").fetchall()  # noqa: S608
            if rows:
                _replace(store, own, segment, scan, now)
                emptied += int(rows)
                done.files += 1
    return emptied


def _replace(
    store: Store, own: duckdb.DuckDBPyConnection, segment: Segment, scan: str, now: datetime
) -> None:
    event = segment.event
    emptied = ", ".join(
        f"CASE WHEN {_ABOUT[event]} THEN {value} ELSE {name} END AS {name}"
        for name, value in _EMPTIED[event].items()
    )
    query = f"""SELECT * REPLACE ({emptied}) FROM {scan}
        WHERE event_time >= make_timestamptz($first_us) AND event_time < make_timestamptz($next_us)
        ORDER BY event_time"""  # noqa: S608 - our own text
    path = store.directory / segment.path
    batches = (
        batch
        for window in windows_over([path])
        for rows in fetch_batches(
            own, query, {"first_us": window.first_us, "next_us": window.next_us}, READ_ROWS
        )
        for batch in rows.to_batches()
    )
    with SegmentWriter(store.directory, event, segment.day, created_at=now) as writer:
        write_stream(writer, batches)
        fresh = writer.finish()
    with store.transaction() as connection, discarded_on_error(store.directory, [fresh]):
        record_segment(connection, fresh)
        retire_segments(connection, [segment.segment_id], "forgotten", now)
        refresh_view(connection, store.directory, event)


def _empty_dead_letters(connection: duckdb.DuckDBPyConnection, unit_id: str) -> int:
    """Takes the bytes out of dead letters that have an identifier in them."""
    if len(unit_id) < SHORTEST_SEARCHED:
        return 0
    parameters: dict[str, Any] = {"wanted": unit_id.encode().hex().upper()}
    ((rows,),) = connection.execute(
        "UPDATE dead_letters SET payload = ''::BLOB, key = NULL, status = 'discarded' "
        "WHERE contains(hex(payload), $wanted) OR contains(hex(key), $wanted)",
        parameters,
    ).fetchall()
    return int(rows)


def _left(store: Store, tables: Mapping[str, pa.Table]) -> dict[str, int]:
    left: dict[str, int] = {}
    with store.cursor() as cursor, lent(cursor, **tables):
        for event in INGESTED_EVENTS:
            # Emptied calls have another unit, so whatever has theirs still says something.
            rows = raw_relation(cursor, store.directory, event)
            query = f"SELECT count(*) FROM {rows} WHERE {_ABOUT[event]} AND ({_SAYS[event]})"  # noqa: S608
            ((left[event],),) = cursor.execute(query).fetchall()
        texts = "input_text IS NOT NULL OR output_text IS NOT NULL OR session_id IS NOT NULL"
        query = f"SELECT count(*) FROM requests WHERE {_OF_CALLS} AND ({texts})"  # noqa: S608
        ((left["texts"],),) = cursor.execute(query).fetchall()
        for table in _UNITS_KNOWN:
            query = f"SELECT count(*) FROM {table} WHERE {_ABOUT['requests']}"  # noqa: S608
            ((left[table],),) = cursor.execute(query).fetchall()
        query = f"SELECT count(*) FROM late_outcomes WHERE {_OF_KEPT_OUTCOMES}"  # noqa: S608 - our own
        ((left["late_outcomes"],),) = cursor.execute(query).fetchall()
    return left

"""Checks that everything adds up: messages, ledger, rows, files, dead letters, rollups and cells.

Each figure is compared with one that was kept for another purpose, so an accident to one shows in the other:
positions say what was read, the ledger what became of it, rows and files what is there.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

import duckdb

from coalmine_consumers.audit.files import FileFinding, check_files
from coalmine_consumers.audit.outcomes import check_outcomes
from coalmine_consumers.audit.recount import check_recount
from coalmine_consumers.audit.rollup_days import check_days, check_resolutions
from coalmine_consumers.audit.rows import BatchDifference, batch_differences, rows_there
from coalmine_consumers.maintenance.recount import Relations
from coalmine_consumers.maintenance.scratch import Scratch, scratch
from coalmine_consumers.maintenance.turns import turn
from coalmine_consumers.raw import INGESTED_EVENTS
from coalmine_consumers.results import AuditCheck, AuditIdentity, AuditReport
from coalmine_consumers.sql import fetch_rows, statement
from coalmine_consumers.store import Segment, Store, live_segments, with_outcomes
from coalmine_consumers.store.ledger import last_ingest_id

MOST_BATCHES = 20
"""At most this many batches with a difference are named; the others are counted."""


def audit(store: Store, *, waiting: int = 0, deep: bool = False) -> AuditReport:
    """Compares everything a store has recorded, and what is there.

    Every raw row's batch number and time is read and every segment's footer; nothing else of the raw data.
    May run while the store commits: all of it sees one state. Files that maintenance retires meanwhile
    stay for a grace period, which must be longer than an audit.

    Args:
        store: The store.
        waiting: Messages that its source holds and that were not read yet (`backlog.py`, `Source.lag`).
        deep: Also recount all rollups and cells from raw rows, and compare every number. Takes as long
            as a rebuild and keeps other maintenance waiting, but not ingest.
    """
    with ExitStack() as stack:
        fresh = None
        if deep:
            stack.enter_context(turn(store))
            fresh = stack.enter_context(scratch(store))
        cursor = stack.enter_context(store.cursor())
        cursor.begin()
        try:
            return _audit(store, cursor, waiting, fresh)
        finally:
            cursor.rollback()


def _audit(
    store: Store, cursor: duckdb.DuckDBPyConnection, waiting: int, fresh: Scratch | None
) -> AuditReport:
    segments = live_segments(cursor)
    ledger = _figures(cursor, "ledger_totals")
    read = _figures(cursor, "positions_consumed")
    findings = list(check_files(store.directory, segments))
    unreadable = {finding.segment.segment_id for finding in findings if not finding.readable}
    readable = [segment for segment in segments if segment.segment_id not in unreadable]
    relations = Relations(
        *(rows_there(cursor, store.directory, event, readable) for event in INGESTED_EVENTS)
    )
    differences = [
        each
        for event in INGESTED_EVENTS
        for each in batch_differences(cursor, event, getattr(relations, event))
    ]
    ((expired,),) = cursor.execute("SELECT coalesce(sum(rows), 0)::BIGINT FROM expired_rows").fetchall()
    consumed = read["passed"] + read["retired"] - read["unread"]
    rollups = _figures(cursor, "rollup_totals")
    checks = [
        _ledger_check(ledger),
        AuditCheck("positions", consumed == ledger["consumed"], consumed, ledger["consumed"], _POSITIONS),
        _files_check(segments, findings),
        _rows_check(ledger["stored"] - expired, differences),
        _deployments_check(cursor),
        _dead_letters_check(cursor),
        *_rollup_checks(rollups),
        check_resolutions(cursor),
        *_cell_checks(cursor, relations.requests),
    ]
    if not differences:  # where rows are missing, comparing them with more adds nothing
        checks.append(check_days(cursor, relations.requests))
        if fresh is not None:
            checks.append(check_outcomes(cursor, relations.requests))
            through = last_ingest_id(cursor)
            counted = replace(relations, scores=with_outcomes(relations.scores))
            with store.cursor() as reading:
                checks += check_recount(cursor, reading, fresh, counted, through)
    identity = AuditIdentity(
        read=consumed,
        stored=ledger["stored"],
        duplicates=ledger["duplicates"],
        dead_lettered=ledger["dead_lettered"],
        waiting=waiting,
        expired=expired,
        lost=read["lost"],
        recreated=read["recreated"],
        balanced=consumed == ledger["stored"] + ledger["duplicates"] + ledger["dead_lettered"],
    )
    missing = _missing(findings, differences, checks)
    return AuditReport(
        ok=identity.balanced and not missing and all(check.ok for check in checks),
        summary=str(identity),
        identity=identity,
        checks=tuple(checks),
        missing=missing,
        unattributed_feedback=rollups["pending_feedback"] + rollups["expired_unattributed_feedback"],
        unattributed_scores=rollups["pending_scores"]
        + rollups["pending_outcomes"]
        + rollups["expired_unattributed_scores"],
    )


_POSITIONS = "messages read, by the positions of the source, are those in the ledger"


def _figures(cursor: duckdb.DuckDBPyConnection, name: str, **relations: str) -> dict[str, int]:
    (row,) = fetch_rows(cursor, statement(name, __package__).format(**relations))
    return {key: int(value) for key, value in row.items()}


def _ledger_check(ledger: Mapping[str, int]) -> AuditCheck:
    became = ledger["stored"] + ledger["duplicates"] + ledger["dead_lettered"]
    return AuditCheck(
        "ledger",
        became == ledger["consumed"] and not ledger["wrong_rows"],
        ledger["consumed"],
        became,
        "in every batch, messages read are stored, duplicates or dead letters",
    )


def _files_check(segments: list[Segment], findings: list[FileFinding]) -> AuditCheck:
    return AuditCheck(
        "segments",
        not findings,
        len(segments),
        len(segments) - len(findings),
        "every segment of the manifest is a Parquet file of its size and number of rows",
    )


def _rows_check(expected: int, differences: list[BatchDifference]) -> AuditCheck:
    return AuditCheck(
        "rows",
        not differences,
        expected,
        expected + sum(each.found + each.expired - each.stored for each in differences),
        "of every batch, the rows that were stored and have not expired are there",
    )


def _deployments_check(cursor: duckdb.DuckDBPyConnection) -> AuditCheck:
    totals = _figures(cursor, "deployment_totals")
    return AuditCheck(
        "deployments",
        totals["found"] == totals["stored"],
        totals["stored"],
        totals["found"],
        "every change of a deployment that was stored is there",
    )


def _dead_letters_check(cursor: duckdb.DuckDBPyConnection) -> AuditCheck:
    totals = _figures(cursor, "dead_letter_totals")
    found = totals["kept"] + totals["expired"]
    return AuditCheck(
        "dead letters",
        found == totals["booked"],
        totals["booked"],
        found,
        "dead letters in the ledger are there, or have expired",
    )


def _rollup_checks(totals: Mapping[str, int]) -> tuple[AuditCheck, AuditCheck]:
    requests = totals["requests"] + totals["expired_requests"]
    feedback = (
        totals["feedback"]
        + totals["expired_feedback"]
        + totals["pending_feedback"]
        + totals["expired_unattributed_feedback"]
    )
    return (
        AuditCheck(
            "rollups of requests",
            requests == totals["stored_requests"],
            totals["stored_requests"],
            requests,
            "rollups count every stored request once",
        ),
        AuditCheck(
            "rollups of feedback",
            feedback <= totals["stored_feedback"],
            totals["stored_feedback"],
            feedback,
            "rollups count stored feedback once at most: of a unit's on one request, the last",
        ),
    )


def _cell_checks(cursor: duckdb.DuckDBPyConnection, requests: str) -> tuple[AuditCheck, AuditCheck]:
    totals = _figures(cursor, "cell_totals", requests=requests)
    raw = totals["raw"] + totals["expired"]
    return (
        AuditCheck(
            "experiment cells",
            totals["cells"] == raw,
            raw,
            totals["cells"],
            "experiment cells count every request of an experiment once",
        ),
        AuditCheck(
            "experiment units",
            totals["units"] == totals["cells"],
            totals["cells"],
            totals["units"],
            "requests per unit add up to the requests of the cells",
        ),
    )


def _missing(
    findings: list[FileFinding], differences: list[BatchDifference], checks: Sequence[AuditCheck]
) -> tuple[str, ...]:
    """Describes what is wrong, causes before their consequences."""
    named = [str(each) for each in differences[:MOST_BATCHES]]
    if len(differences) > MOST_BATCHES:
        rows = sum(abs(each.stored - each.expired - each.found) for each in differences[MOST_BATCHES:])
        named.append(f"{rows:,} more rows differ in {len(differences) - MOST_BATCHES:,} other batches")
    others = [
        f"{check.name}: expected {check.expected:,}, found {check.found:,} ({check.explanation})"
        for check in checks
        if not check.ok and check.name not in {"segments", "rows"}
    ]
    return (*(finding.problem for finding in findings), *named, *others)

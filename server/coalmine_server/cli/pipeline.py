"""`coalmine ingest-status`, `audit` and `rebuild`: the state of the pipeline, checks and repairs."""

import time
from dataclasses import asdict
from typing import Annotated

import typer

from coalmine_server.cli.options import asking
from coalmine_server.cli.output import AsJson, progress_bar, write_facts, write_json
from coalmine_server.errors import CheckFailed, DiskFull, is_of_full_disk

LOOK_EVERY_S = 0.2


def ingest_status(context: typer.Context, as_json: AsJson = False) -> None:
    """Show collector status: lag, counts, losses, dead letters, sizes.

    Asks the running server. Without one, ingests what the spool holds and answers from the store.
    """
    from coalmine_consumers.results import IngestStatus
    from coalmine_server.client import read_as

    with asking(context, quiet=as_json) as client:
        found = client.get("/v1/ingest")
    if as_json:
        write_json(found)
        return
    status = read_as(IngestStatus, found)
    counts = status.counts
    write_facts(
        {
            "state": status.state if status.reason is None else f"{status.state}: {status.reason}",
            "source": status.source,
            "last commit": status.last_commit_at,
            "events per second": status.events_per_s,
            "waiting": status.lag,
            "consumed": counts.consumed,
            "stored": counts.stored,
            "duplicates": counts.duplicates,
            "dead-lettered": counts.dead_lettered,
            "dead letters open": status.dead_letters_open,
            "feedback without its request": status.unattributed_feedback,
            "scores without their request": status.unattributed_scores,
            "ahead of the clock": status.ahead_of_clock,
            "names beyond the day's limit": sum(status.names_beyond_limit.values()),
            "losses": status.gaps_total,
            "rows": ", ".join(f"{event} {rows:,}" for event, rows in status.store.rows.items()),
            "segments": status.store.segments,
            "size": f"{(status.store.database_bytes + status.store.segment_bytes) / 1e6:,.1f} MB",
        }
    )


def audit(
    context: typer.Context,
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Recount rollups and cells, too, and compare every number.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check that every message is accounted for, and list what is missing.

    Compares positions, ledger, raw rows, files, dead letters, rollups and cells with each other. Exits with 1
    if something does not add up.
    """
    from coalmine_consumers.results import AuditReport
    from coalmine_server.client import read_as

    with asking(context, quiet=as_json) as client:
        found = client.get("/v1/audit", {"deep": deep}, slow=True)
    report = read_as(AuditReport, found)
    if as_json:
        write_json(found)
    else:
        typer.echo(report.summary)
        marks = {True: "ok", False: "FAILED"}
        write_facts({check.name: f"{marks[check.ok]:6}  {check.explanation}" for check in report.checks})
        others = {
            "removed by retention": report.identity.expired,
            "lost before they could be read": report.identity.lost,
            "partitions deleted and created again": report.identity.recreated,
            "feedback without its request": report.unattributed_feedback,
            "scores without their request": report.unattributed_scores,
        }
        write_facts({name: count for name, count in others.items() if count})
        for sentence in report.missing:
            typer.echo(f"missing: {sentence}")
    if not report.ok:
        raise CheckFailed("it does not add up")


def rebuild(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Recount rollups and experiment cells from raw rows; the numbers must come out the same.

    The running server does it beside everything else; without one, the command does. Readers see the old
    numbers until the new ones are complete. Rollups whose raw rows have expired stay as they are.
    """
    from coalmine_consumers.results import RebuildStatus
    from coalmine_server.client import read_as

    with asking(context, quiet=as_json) as client:
        status = read_as(RebuildStatus, client.post("/v1/rebuild", {}))
        with progress_bar("counting", quiet=as_json, unit="rows") as advance:
            while status.state == "running":
                advance(status.counted, status.total or None)
                time.sleep(LOOK_EVERY_S)
                status = read_as(RebuildStatus, client.get("/v1/rebuild"))
    if status.result is None:
        failed = CheckFailed(f"the rebuild failed: {status.reason or status.state}")
        if is_of_full_disk(failed):  # of the server, which gave the words
            raise DiskFull(f"{failed}\nmake room, and run the command again")
        raise failed
    if as_json:
        write_json(asdict(status.result))
        return
    result = status.result
    facts: dict[str, object] = {"raw rows counted": result.counted}
    if result.rebuilt_from is not None:
        facts["unchanged before"] = result.rebuilt_from
    tables = {f"rows of {table}": f"{rows:,}" for table, rows in result.rows_after.items()}
    write_facts({**facts, **tables})

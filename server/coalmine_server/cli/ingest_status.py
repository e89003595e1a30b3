"""`coalmine ingest-status`: collector status."""

import typer

from coalmine_server.cli.options import asking
from coalmine_server.cli.output import AsJson, write_facts, write_json


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
            "losses": status.gaps_total,
            "rows": ", ".join(f"{event} {rows:,}" for event, rows in status.store.rows.items()),
            "segments": status.store.segments,
            "size": f"{(status.store.database_bytes + status.store.segment_bytes) / 1e6:,.1f} MB",
        }
    )

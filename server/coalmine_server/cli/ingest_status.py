"""`coalmine ingest-status`: how the collector is."""

import typer

from coalmine_server.cli.asking import asking
from coalmine_server.cli.output import AsJson, write_facts, write_json


def ingest_status(context: typer.Context, as_json: AsJson = False) -> None:
    """Show how the collector is: lag, counts, losses, dead letters, sizes.

    Asks the running server. Without one, ingests what the spool holds and answers from the store.
    """
    with asking(context, quiet=as_json) as answers:
        status = answers.ingest()
    if as_json:
        write_json(status.model_dump(mode="json"))
        return
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

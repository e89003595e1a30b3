"""`coalmine rebuild`: recount rollups and experiment cells."""

import time
from dataclasses import asdict

import typer

from coalmine_server.cli.options import asking
from coalmine_server.cli.output import AsJson, write_facts, write_json
from coalmine_server.cli.progress import progress_bar
from coalmine_server.errors import CheckFailed

LOOK_EVERY_S = 0.2


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
        raise CheckFailed(f"the rebuild failed: {status.reason or status.state}")
    if as_json:
        write_json(asdict(status.result))
        return
    result = status.result
    facts: dict[str, object] = {"raw rows counted": result.counted}
    if result.rebuilt_from is not None:
        facts["unchanged before"] = result.rebuilt_from
    tables = {f"rows of {table}": f"{rows:,}" for table, rows in result.rows_after.items()}
    write_facts({**facts, **tables})

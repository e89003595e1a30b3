"""`coalmine rebuild`: rollups and experiment cells counted anew."""

import time

import typer

from coalmine_server.cli.asking import asking
from coalmine_server.cli.output import AsJson, write_facts, write_json
from coalmine_server.cli.progress import progress_bar
from coalmine_server.errors import CheckFailed

LOOK_EVERY_S = 0.2


def rebuild(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Count rollups and experiment cells anew from raw rows; the numbers must come out the same.

    The running server does it beside everything else; without one, the command does. Readers see the old
    numbers until the new ones are complete. Rollups whose raw rows have expired stay as they are.
    """
    with asking(context, quiet=as_json) as answers:
        status = answers.start_rebuild()
        with progress_bar("counting", quiet=as_json, unit="rows") as advance:
            while status.state == "running":
                advance(status.counted, status.total or None)
                time.sleep(LOOK_EVERY_S)
                status = answers.rebuild_status()
    if status.result is None:
        raise CheckFailed(f"the rebuild did not end well: {status.reason or status.state}")
    if as_json:
        write_json(status.result.model_dump(mode="json"))
        return
    result = status.result
    facts: dict[str, object] = {"raw rows counted": result.counted}
    if result.rebuilt_from is not None:
        facts["left as it was before"] = result.rebuilt_from
    tables = {f"rows of {table}": f"{rows:,}" for table, rows in result.rows_after.items()}
    write_facts({**facts, **tables})

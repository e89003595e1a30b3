"""`coalmine dead-letters`: messages that could not be stored."""

import base64
from typing import Annotated, Literal

import typer

from coalmine_server.cli.options import asking, path_of
from coalmine_server.cli.output import AsJson, note, tabular, write_facts, write_json, write_table
from coalmine_server.errors import CheckFailed

app = typer.Typer(
    help="Inspect messages that could not be stored; store them again or discard them.", no_args_is_help=True
)

EventOption = Annotated[
    str | None, typer.Option("--event", help="Only those sent as this event.", show_default=False)
]
StageOption = Annotated[
    Literal["frame", "decode", "validate"] | None,
    typer.Option("--stage", help="Only those that failed at this stage.", show_default=False),
]
Ids = Annotated[list[str] | None, typer.Argument(help="Ids of dead letters.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="All open ones; with --event or --stage, all that match.")]

PAGE_ROWS = 10_000


@app.command("list")
@tabular
def list_(
    context: typer.Context,
    *,
    status: Annotated[
        Literal["open", "replayed", "discarded", "any"] | None,
        typer.Option(help="Only those with this status; open by default.", show_default=False),
    ] = None,
    event: EventOption = None,
    stage: StageOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Maximum number to show.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List dead letters, newest first."""
    from coalmine_consumers.results import DeadLetterRow
    from coalmine_server.client import read_as

    chosen = {"status": status, "event": event, "stage": stage}
    found: list[object] = []
    more = False
    with asking(context, quiet=as_json) as client:
        for page in client.pages("/v1/dead-letters", {**chosen, "limit": min(PAGE_ROWS, limit)}):
            found += page["items"]
            more = page["next_cursor"] is not None or len(found) > limit
            if len(found) >= limit:
                break
    if as_json:
        write_json(found[:limit])
        return
    rows = read_as(list[DeadLetterRow], found[:limit])
    cells = [
        (row.dead_letter_id, row.failed_at, row.event, row.stage, row.status, row.size_bytes, row.reason)
        for row in rows
    ]
    write_table(
        ["id", "failed at", "event", "stage", "status", "bytes", "reason"], cells, empty="no dead letters"
    )
    if more:
        note("there are more: raise --limit")


@app.command()
def show(
    context: typer.Context,
    *,
    dead_letter_id: Annotated[str, typer.Argument(help="Id of a dead letter.")],
    as_json: AsJson = False,
) -> None:
    """Show one dead letter with its bytes."""
    with asking(context, quiet=as_json) as client:
        document = client.get(path_of("dead-letters", dead_letter_id))
    if as_json:
        write_json(document)
        return
    payload = base64.b64decode(document["payload_base64"])
    write_facts({name: value for name, value in document.items() if not name.endswith("_base64")})
    typer.echo()
    for start in range(0, min(len(payload), 512), 16):
        piece = payload[start : start + 16]
        plain = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
        typer.echo(f"{start:08x}  {piece.hex(' '):<47}  {plain}")
    if len(payload) > 512:
        note(f"the first 512 of {len(payload):,} bytes; --json has all")


@app.command()
def replay(
    context: typer.Context,
    *,
    ids: Ids = None,
    event: EventOption = None,
    stage: StageOption = None,
    everything: All = False,
    as_json: AsJson = False,
) -> None:
    """Try to store open dead letters again, once whatever made them fail is fixed.

    Exits with 1 if some of them still cannot be stored.
    """
    _change(context, "replay", ids, event=event, stage=stage, everything=everything, as_json=as_json)


@app.command()
def discard(
    context: typer.Context,
    *,
    ids: Ids = None,
    event: EventOption = None,
    stage: StageOption = None,
    everything: All = False,
    as_json: AsJson = False,
) -> None:
    """Discard open dead letters. They remain visible as discarded, and the audit still balances."""
    _change(context, "discard", ids, event=event, stage=stage, everything=everything, as_json=as_json)


def _change(
    context: typer.Context,
    action: Literal["replay", "discard"],
    ids: list[str] | None,
    *,
    event: str | None,
    stage: str | None,
    everything: bool,
    as_json: bool,
) -> None:
    from coalmine_consumers.results import DeadLettersChanged
    from coalmine_server.client import read_as

    if not ids and not everything:
        raise typer.BadParameter("say which: ids, or --all (with --event or --stage, all that match)")
    if ids and everything:
        raise typer.BadParameter("give ids or --all, not both")
    given = {"ids": ids or None, "event": event, "stage": stage}
    chosen = {name: value for name, value in given.items() if value is not None}
    with asking(context, quiet=as_json) as client:
        found = client.post(path_of("dead-letters", action), chosen or {"all": True})
    changed = read_as(DeadLettersChanged, found)
    if as_json:
        write_json(found)
    else:
        facts: dict[str, object] = {"chosen": changed.selected}
        if action == "discard":
            facts["discarded"] = changed.discarded
        else:
            facts.update({"stored": changed.replayed, "stored before": changed.duplicates})
            facts["still failing"] = len(changed.failing)
        write_facts(facts)
        for failing in changed.failing[:20]:
            note(f"{failing.dead_letter_id}: {failing.reason}")
    if changed.failing:
        raise CheckFailed(f"{len(changed.failing)} of {changed.selected} cannot be stored yet")

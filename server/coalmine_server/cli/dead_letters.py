"""`coalmine dead-letters`: messages that could not be stored."""

import base64
from typing import Annotated, Literal

import typer

from coalmine_server.cli.asking import asking
from coalmine_server.cli.output import AsJson, note, write_facts, write_json, write_table
from coalmine_server.errors import CheckFailed, ConfigurationError

app = typer.Typer(
    help="See messages that could not be stored, and store or give them up.", no_args_is_help=True
)

EventOption = Annotated[
    str | None, typer.Option("--event", help="Only those sent as this event.", show_default=False)
]
StageOption = Annotated[
    Literal["frame", "decode", "validate"] | None,
    typer.Option("--stage", help="Only those that failed at this step.", show_default=False),
]
Ids = Annotated[list[str] | None, typer.Argument(help="Ids of dead letters.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="All that are open; with --event or --stage, all that fit.")]

PAGE_ROWS = 10_000


@app.command("list")
def list_(
    context: typer.Context,
    *,
    status: Annotated[
        Literal["open", "replayed", "discarded", "any"], typer.Option(help="Only those in this state.")
    ] = "open",
    event: EventOption = None,
    stage: StageOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Most to show, newest first.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List dead letters, newest first."""
    from coalmine_server.services.models import DeadLetterRow
    from coalmine_server.services.questions import DeadLetterSelection

    chosen = DeadLetterSelection(None if status == "any" else status, event, stage)
    rows: list[DeadLetterRow] = []
    with asking(context, quiet=as_json) as answers:
        before: str | None = None
        while len(rows) < limit:
            page = answers.dead_letters(chosen, min(PAGE_ROWS, limit - len(rows)), before)
            rows.extend(page.items)
            before = page.next_before
            if before is None:
                break
    if as_json:
        write_json([row.model_dump(mode="json") for row in rows])
        return
    cells = [
        (row.dead_letter_id, row.failed_at, row.event, row.stage, row.status, row.size_bytes, row.reason)
        for row in rows
    ]
    write_table(
        ["id", "failed at", "event", "stage", "status", "bytes", "reason"], cells, empty="no dead letters"
    )
    if before is not None:
        note("there are more; see --limit")


@app.command()
def show(
    context: typer.Context,
    *,
    dead_letter_id: Annotated[str, typer.Argument(help="Id of a dead letter.")],
    as_json: AsJson = False,
) -> None:
    """Show one dead letter with its bytes."""
    with asking(context, quiet=as_json) as answers:
        found = answers.dead_letter(dead_letter_id)
    if found is None:
        raise ConfigurationError(f"there is no dead letter {dead_letter_id}")
    document = found.model_dump(mode="json")
    if as_json:
        write_json(document)
        return
    payload = base64.b64decode(found.payload_base64)
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
    """Try to store open dead letters again, after whatever made them fail was repaired.

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
    """Give open dead letters up. They stay visible as discarded, and the books still balance."""
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
    from coalmine_server.services.questions import DeadLetterSelection

    if not ids and not everything:
        raise typer.BadParameter("say which: ids, or --all (with --event or --stage, all that fit)")
    if ids and everything:
        raise typer.BadParameter("ids and --all exclude each other")
    chosen = DeadLetterSelection("open", event, stage, tuple(ids) if ids else None)
    with asking(context, quiet=as_json) as answers:
        changed = answers.change_dead_letters(action, chosen)
    if as_json:
        write_json(changed.model_dump(mode="json"))
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

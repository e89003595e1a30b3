"""`coalmine rollout status`, `list`, `why`, `export` and `templates`: what rollouts do, and why."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from coalmine_server.cli.options import asking, path_of
from coalmine_server.cli.output import AsJson, note, tabular, write_facts, write_json, write_table
from coalmine_server.cli.prompts.options import TokenOption, registry_client
from coalmine_server.errors import ExitCode, NotFound

if TYPE_CHECKING:
    from coalmine_rollouts.records import RolloutStatus
    from coalmine_server.client import Client

ENDS: Final = {
    "completed": ExitCode.OK,
    "rolled_back": ExitCode.CHECK_FAILED,
    "aborted": ExitCode.CHECK_FAILED,
    "expired": ExitCode.UNDECIDED,
    "superseded": ExitCode.UNDECIDED,
    "cancelled": ExitCode.UNDECIDED,
}
"""States in which nothing changes any more, and how a command ends that waited for one."""

_METRIC: Final = ("metric", "role", "control_value", "value", "effect", "lower", "upper", "verdict")

RolloutArgument = Annotated[
    str, typer.Argument(metavar="ID", help="Id of the rollout; `coalmine rollout list` lists them.")
]


def status(
    context: typer.Context,
    rollout: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]",
            help="Default: the newest that has not ended, else the newest.",
            show_default=False,
        ),
    ] = None,
    *,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Show where a rollout stands, and in one sentence what is missing to go on."""
    from coalmine_rollouts.records import RolloutStatus
    from coalmine_server.client import read_as

    with registry_client(context, token) as client:
        chosen, others = (rollout, []) if rollout is not None else _newest(client)
    # What is seen of it, the process knows that owns the store.
    with asking(context, quiet=as_json) as client:
        found = client.get(path_of("rollouts", chosen, "status"))
        metrics = [] if as_json or found["rollout"]["started_at"] is None else _metrics(client, chosen)
    if as_json:
        write_json(found)
        return
    _write_status(read_as(RolloutStatus, found))
    _write_metrics(metrics)
    if others:
        note(f"{len(others)} more have not ended: {', '.join(others)}")


@tabular
def list_(
    context: typer.Context,
    *,
    prompt: Annotated[
        str | None, typer.Option(help="Only rollouts of this prompt.", show_default=False)
    ] = None,
    environment: Annotated[
        str | None, typer.Option(help="Only rollouts in this environment.", show_default=False)
    ] = None,
    state: Annotated[
        str | None, typer.Option(help="Only rollouts in this state, e.g. running.", show_default=False)
    ] = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """List rollouts, newest first, those that ended included."""
    chosen = {"prompt": prompt, "environment": environment, "state": state}
    with registry_client(context, token) as client:
        items = client.items("/v1/rollouts", chosen)
        if prompt is not None and not items:
            client.get(path_of("prompts", prompt))  # says so if there is no such prompt
    if as_json:
        write_json(items)
        return
    rows = [
        (
            item["id"],
            state_words(item),
            item["environment"],
            f"{item['control']} to {item['treatment']}",
            item["row_version"],
            item["started_by"],
            _moment(item["created_at"]),
        )
        for item in items
    ]
    columns = ["rollout", "state", "environment", "versions", "row version", "by", "asked for"]
    write_table(columns, rows, empty="no rollouts; `coalmine rollout start` starts one", wrapped=True)


@tabular
def why(
    context: typer.Context, rollout: RolloutArgument, *, token: TokenOption = None, as_json: AsJson = False
) -> None:
    """Show every decision about a rollout, oldest first, with the numbers on which it stood."""
    with registry_client(context, token) as client:
        items = client.items(path_of("rollouts", rollout, "decisions"))
    if as_json:
        write_json(items)
        return
    for item in items:
        change = item["to_state"] if item["from_state"] != item["to_state"] else f"stays {item['to_state']}"
        served = "" if item["revision"] is None else f", revision {item['revision']}"
        typer.echo(
            f"{item['seq']}. {_moment(item['at'])}  {_words(item['kind'])}: {_words(change)}"
            f"{served}, by {item['actor']}"
        )
        for reason in item["reasons"]:
            typer.echo(f"   {reason}")
        _write_metrics((item["evidence"].get("look") or {}).get("metrics") or [])


def export(
    context: typer.Context, rollout: RolloutArgument, *, token: TokenOption = None, as_json: AsJson = False
) -> None:
    """Write the story of a rollout as Markdown, or with --json as JSON: for a post-mortem."""
    from coalmine_rollouts.export import timeline_markdown
    from coalmine_rollouts.records import Rollout, RolloutDecision
    from coalmine_server.client import read_as

    with registry_client(context, token) as client:
        found = client.get(path_of("rollouts", rollout))
        decisions = client.items(path_of("rollouts", rollout, "decisions"))
    if as_json:
        write_json({"rollout": found, "decisions": decisions})
        return
    typer.echo(
        timeline_markdown(read_as(Rollout, found), read_as(list[RolloutDecision], decisions)), nl=False
    )


@tabular
def templates(context: typer.Context, *, token: TokenOption = None, as_json: AsJson = False) -> None:
    """List the plans that come with Coalmine."""
    with registry_client(context, token) as client:
        items = client.get("/v1/rollout-templates")
    if as_json:
        write_json(items)
        return
    from coalmine_schemas.prompts import percent

    rows = [
        (
            item["name"],
            ", ".join(f"{percent(each['weight'])} for {each['min_time']}" for each in item["plan"]["stages"]),
            item["plan"]["bake"]["time"],
            percent(item["plan"]["bake"]["holdback"]),
            item["plan"]["max_duration"],
        )
        for item in items
    ]
    write_table(["template", "stages", "bake", "holdback", "at most"], rows, empty="none", wrapped=True)


def _newest(client: "Client") -> tuple[str, list[str]]:
    """The rollout that is meant if none is named, and others that have not ended."""
    items = client.items("/v1/rollouts")
    if not items:
        raise NotFound("there are no rollouts yet", "`coalmine rollout start` starts one")
    open_ones = [item["id"] for item in items if item["state"] not in ENDS]
    return (open_ones[0], open_ones[1:]) if open_ones else (items[0]["id"], [])


def _write_status(found: "RolloutStatus") -> None:
    from coalmine_schemas.prompts import percent

    rollout = found.rollout
    typer.echo(f"{rollout.id}: {found.sentence}")
    observed = "unknown" if found.weight_observed is None else percent(found.weight_observed)
    write_facts(
        {
            "state": rollout.state.replace("_", " "),
            "versions": f"{rollout.control} to {rollout.treatment} in {rollout.environment}"
            + (f", rule {rollout.rule}" if rollout.rule else ""),
            "stage": f"{rollout.stage + 1} of {len(rollout.plan.stages)}",
            "weight": f"{percent(found.weight_commanded)} commanded, {observed} observed",
            "units": f"{found.units:,} treatment, {found.control_units:,} control",
            "row version": str(rollout.row_version),
        }
    )
    for hold in rollout.holds:
        typer.echo(f"holding  {hold.name} since {hold.since:%Y-%m-%d %H:%M}: {hold.text}")
    for each in found.behind:
        typer.echo(
            f"behind   {each.app} {each.client_version or ''} by {each.resolution}, last seen "
            f"{each.last_seen:%Y-%m-%d %H:%M:%S}"
        )


def _metrics(client: "Client", rollout: str) -> list[dict[str, Any]]:
    """The metrics of the treatment as they are now; none without any request."""
    try:
        readout = client.get(path_of("experiments", rollout, "readout"))
    except NotFound:
        return []
    return [metric for arm in readout["arms"] for metric in arm["metrics"]]


def _write_metrics(metrics: list[dict[str, Any]]) -> None:
    rows = [[each[name] for name in _METRIC] for each in metrics if each["role"] != "shown"]
    if rows:
        columns = ["metric", "role", "control", "treatment", "effect", "from", "to", "verdict"]
        write_table(columns, rows, empty="", wrapped=True)


def note_state(found: dict[str, Any]) -> None:
    """Says in which state a rollout is."""
    note(
        f"{found['id']}: {found['prompt']} {found['control']} to {found['treatment']} in "
        f"{found['environment']} is {state_words(found)}; `coalmine rollout status {found['id']}` shows more"
    )


def state_words(found: dict[str, Any]) -> str:
    """The state of a rollout, and why, in a few words."""
    reasons = f" ({', '.join(found['reasons'])})" if found["reasons"] else ""
    holding = ", holding" if found["holds"] else ""
    return f"{_words(found['state'])}{holding}{reasons}"


def _words(text: str) -> str:
    return text.replace("_", " ")


def _moment(time_: str) -> str:
    return time_[:19].replace("T", " ")

"""`coalmine prompts`, `log`, `promotions`, `diff` and `hygiene`: inspect what the registry holds."""

import sys
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import typer

from coalmine_registry.defaults import IDLE_DAYS, KEEP_NEWEST
from coalmine_server.cli.lazy_group import CommandModule, Later, lazy_group
from coalmine_server.cli.options import path_of
from coalmine_server.cli.output import AsJson, note, tabular, write_json, write_table
from coalmine_server.cli.prompts.options import NameArgument, TokenOption, registry_client
from coalmine_server.moment import MOMENT_HELP

LimitOption = Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of rows to show.")]

_STYLES = {"file": "bold", "place": "cyan", "added": "green", "removed": "red", "same": ""}


pin_model = CommandModule("prompts.pin_model")

prompts_app = typer.Typer(
    cls=lazy_group(
        {
            "pin-model": Later(
                pin_model.pin_model,
                "Write the next version of a prompt, which asks for a snapshot of its model by name.",
            )
        }
    ),
    help="List prompts and what each environment serves; `show` prints the text of a version.",
)


@prompts_app.callback(invoke_without_command=True)
@tabular
def prompts(context: typer.Context, *, token: TokenOption = None, as_json: AsJson = False) -> None:
    """List prompts: number of versions, the latest, and what each environment serves.

    `coalmine prompts show NAME VERSION` prints the text of a version.
    """
    if context.invoked_subcommand is not None:
        return
    with registry_client(context, token) as client:
        items = client.items("/v1/prompts", {"limit": 1000})
        running = {
            (each["prompt"], each["environment"]): each
            for each in client.items("/v1/experiments", {"status": "running"})
        }
    if as_json:
        write_json(items)
        return
    from coalmine_registry.records import ENVIRONMENTS

    write_table(
        ["prompt", "versions", "latest", *ENVIRONMENTS],
        [
            (
                item["name"],
                item["versions"],
                item["latest"],
                *(_serving(item, each, running.get((item["name"], each))) for each in ENVIRONMENTS),
            )
            for item in items
        ],
        empty="no prompts yet; `coalmine push DIR` registers them",
    )


def _serving(item: dict[str, Any], environment: str, experiment: dict[str, Any] | None) -> str | None:
    """The version that an environment serves, or all those of a running experiment."""
    default: str | None = item["serving"].get(environment)
    if experiment is None:
        return default
    from coalmine_schemas.prompts import percent

    return ", ".join(f"{arm['version']} {percent(arm['weight'])}" for arm in experiment["arms"])


@prompts_app.command()
def show(
    context: typer.Context,
    name: NameArgument,
    version: Annotated[
        str | None, typer.Argument(metavar="[VERSION]", help="Default: the latest.", show_default=False)
    ] = None,
    *,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Print the text of a version, as its file in git has it."""
    from coalmine_schemas.prompt_files.markdown import format_prompt
    from coalmine_schemas.prompts.content import PromptContent

    with registry_client(context, token) as client:
        chosen = version or client.get(path_of("prompts", name))["latest"]
        found = client.get(path_of("prompts", name, "versions", chosen))
    if as_json:
        write_json(found)
        return
    when = _moment(found["created_at"])
    note(f"{name}@{found['version']}, {found['status']}, by {found['author']} at {when} UTC")
    if found["source"] is not None:
        note(f"from {_from(found['source'])}")
    typer.echo(format_prompt(PromptContent.from_json(found["content"])), nl=False)


@tabular
def deployments(
    context: typer.Context,
    environment: Annotated[
        str, typer.Argument(metavar="[ENVIRONMENT]", help="dev, staging or prod.")
    ] = "prod",
    *,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help=f"What was served then: {MOMENT_HELP}.", show_default=False),
    ] = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """List what an environment serves, or served at some time, of each prompt."""
    with registry_client(context, token) as client:
        items = client.get(path_of("environments", environment, "prompts"), {"at": at})
    if as_json:
        write_json(items)
        return
    from coalmine_schemas.prompts import served_words

    rows = [
        (
            item["prompt"],
            served_words(item),
            item["revision"],
            item["changed_by"],
            _moment(item["changed_at"]),
        )
        for item in items
    ]
    when = "" if at is None else f" at {at}"
    write_table(
        ["prompt", "serves", "revision", "by", "since"],
        rows,
        empty=f"{environment} served nothing{when}" if at else f"{environment} serves nothing",
        wrapped=True,
    )


@tabular
def log(
    context: typer.Context,
    name: NameArgument,
    *,
    limit: LimitOption = 50,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Show the history of a prompt, newest first: who registered, promoted, experimented, rolled back."""
    from coalmine_schemas.prompts import served_words

    with registry_client(context, token) as client:
        items = client.items(path_of("prompts", name, "log"), most=limit)
        shipped = [] if as_json else client.get(path_of("prompts", name, "as-shipped"))
    if as_json:
        write_json(items)
        return
    rows = [
        (
            _moment(item["at"]),
            item["actor"],
            item["action"],
            item["environment"],
            item["version"],
            served_words(item["after"]),
            _from((item["after"] or {}).get("source")),
            item["reason"],
        )
        for item in items
    ]
    write_table(
        ["time", "actor", "action", "environment", "version", "serves then", "from", "reason"],
        rows,
        empty="no entries",
        wrapped=True,
    )
    for each in shipped:
        typer.echo(_as_shipped(each))


def _as_shipped(shipped: dict[str, Any]) -> str:
    """What a version was like when it was rolled out to everybody, in a line."""
    from coalmine_schemas.plain_number import plain_number

    figures = shipped["figures"]
    values = []
    for each in figures.get("metrics", ()):
        own = each.get("own") or {"value": each["value"], "lower": None}
        ends = () if own["lower"] is None else (own["lower"], own["upper"])
        between = f" ({' to '.join(map(plain_number, ends))})" if ends else ""
        if each["role"] != "shown":
            values.append(f"{each['metric']} {plain_number(own['value'])}{between}")
    known = f", {figures['units']:,} units: {', '.join(values)}" if values else ""
    return f"{shipped['version']} as shipped to {shipped['environment']} {_moment(shipped['at'])}{known}"


@tabular
def promotions(
    context: typer.Context,
    *,
    status: Annotated[
        Literal["pending", "applied", "rejected", "stale"] | None,
        typer.Option(help="Only promotions with this status.", show_default=False),
    ] = None,
    limit: LimitOption = 50,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """List promotions, newest first; `coalmine approve ID` applies a pending one."""
    with registry_client(context, token) as client:
        items = client.items("/v1/promotions", {"status": status}, most=limit)
    if as_json:
        write_json(items)
        return
    rows = [
        (
            item["id"],
            item["status"],
            f"{item['prompt']}@{item['version']}",
            item["environment"],
            item["requested_by"],
            item["decided_by"],
            ", ".join(f"{each['kind']}={each['reference']}" for each in item["evidence"]) or None,
        )
        for item in items
    ]
    write_table(
        ["id", "status", "version", "environment", "requested by", "decided by", "evidence"],
        rows,
        empty="no promotions",
    )


def diff(
    context: typer.Context,
    name: NameArgument,
    a: Annotated[str, typer.Argument(metavar="A", help="The older version.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The newer version.")],
    *,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Show how two versions differ, line by line, and the version bump that each change needs."""
    with registry_client(context, token) as client:
        found = client.get(path_of("prompts", name, "diff"), {"a": a, "b": b})
    if as_json:
        write_json(found)
        return
    write_diff((line["kind"], line["text"]) for line in found["lines"])
    if not found["lines"]:
        note(f"{name}@{a} and {name}@{b} are the same")
    for version, source in ((a, found["source_a"]), (b, found["source_b"])):
        if source is not None:
            note(f"{version} is from {_from(source)}")
    for reason in found["classification"]["reasons"]:
        note(f"{reason['what']}: {reason['needs']}")


@tabular
def hygiene(
    context: typer.Context,
    *,
    keep: Annotated[
        int, typer.Option(min=0, help="Number of the newest versions of each prompt to leave out.")
    ] = KEEP_NEWEST,
    idle_days: Annotated[
        int, typer.Option(min=0, help="Days without a call after which a version is unused.")
    ] = IDLE_DAYS,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """List versions that could be retired: not served, not used, and not among the newest."""
    with registry_client(context, token) as client:
        found = client.get("/v1/hygiene", {"keep_newest": keep, "idle_days": idle_days})
    if as_json:
        write_json(found)
        return
    rows = [
        (item["name"], item["version"], item["created_at"][:10], (item["last_used_at"] or "never")[:10])
        for item in found["items"]
    ]
    write_table(["prompt", "version", "registered", "last used"], rows, empty="no unused versions")
    if not found["traffic_known"]:
        note("This server has no traffic data: the versions listed may be in use.")


def write_diff(lines: Iterable[tuple[str, str]]) -> None:
    """Writes the lines of a diff, in colour on a terminal."""
    from rich.console import Console
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 10_000, soft_wrap=True, highlight=False)
    for kind, text in lines:
        console.print(Text(text, style=_STYLES.get(kind, "")))


def _from(source: dict[str, str | None] | None) -> str | None:
    """Returns where a version came from, in a few words."""
    if source is None:
        return None
    commit = source["commit"]
    parts = (
        source["repository"],
        None if commit is None else f"commit {commit[:12]}",
        None if source["author"] is None else f"by {source['author']}",
        source["pull_request"],
    )
    return ", ".join(part for part in parts if part)


def _moment(time: str) -> str:
    return time[:19].replace("T", " ")

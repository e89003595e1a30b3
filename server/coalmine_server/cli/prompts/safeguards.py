"""`coalmine freeze`, `unfreeze`, `panic` and `evidence`: what stops changes, and what allows them."""

from typing import Annotated, Any

import typer

from coalmine_server.cli.options import path_of
from coalmine_server.cli.output import AsJson, note, tabular, write_json, write_table
from coalmine_server.cli.prompts.options import NameArgument, TokenOption, VersionArgument, registry_client
from coalmine_server.errors import ConfigurationError

evidence_app = typer.Typer(
    help="Record what was checked of a version, and list it: what policies may require.", no_args_is_help=True
)

WhyOption = Annotated[str, typer.Option("--reason", help="Reason, for the audit log and whoever is refused.")]


def freeze(
    context: typer.Context,
    environment: Annotated[
        str | None,
        typer.Argument(metavar="[ENVIRONMENT]", help="Default: every environment.", show_default=False),
    ] = None,
    *,
    prompt: Annotated[
        str | None, typer.Option(help="Only this prompt; default: every prompt.", show_default=False)
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="Reason, shown to whoever is refused.", show_default=False)
    ] = None,
    begin: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="When it begins, ISO 8601; default: now.", show_default=False
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When it ends by itself, ISO 8601; default: when somebody ends it.",
            show_default=False,
        ),
    ] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="List the freezes that hold, and freeze nothing.")
    ] = False,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Freeze: nothing more is shown to anybody until it ends. Going back always remains possible.

    `coalmine freeze --list` lists what is frozen; `coalmine unfreeze ID` ends a freeze.
    """
    with registry_client(context, token) as client:
        if listed:
            _list(client.items("/v1/freezes", {"environment": environment, "prompt": prompt}), as_json)
            return
        if reason is None:
            raise ConfigurationError(
                "a freeze needs a reason",
                'add --reason "..."; `coalmine freeze --list` lists those that hold',
            )
        body = {
            "environment": environment,
            "prompt": prompt,
            "reason": reason,
            "starts_at": begin,
            "until": until,
        }
        found = client.post("/v1/freezes", body)
    if as_json:
        write_json(found)
        return
    begins = f"from {found['starts_at']} " if begin is not None else ""
    end = f"until {found['until']}" if found["until"] else "until somebody ends it"
    note(f"{_frozen(found)} is frozen {begins}{end}; `coalmine unfreeze {found['id']}` ends it")


def unfreeze(
    context: typer.Context,
    freeze_id: Annotated[
        int, typer.Argument(metavar="ID", help="Id of the freeze; `coalmine freeze --list` lists them.")
    ],
    *,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Reason, for the audit log.", show_default=False)
    ] = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """End a freeze."""
    with registry_client(context, token) as client:
        found = client.post(path_of("freezes", str(freeze_id), "end"), {"reason": reason})
    if as_json:
        write_json(found)
    else:
        note(f"{_frozen(found)} is no longer frozen by {freeze_id}")


def panic(
    context: typer.Context,
    name: NameArgument,
    *,
    reason: WhyOption,
    environment: Annotated[
        str | None, typer.Option(help="Only this environment; default: every one.", show_default=False)
    ] = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Go back everywhere, now: end experiments and rollouts of a prompt, and freeze it. Needs no approval.

    Every environment that serves it serves the version from before again. Calling it again changes nothing.
    """
    body = {"reason": reason, "environment": environment}
    with registry_client(context, token) as client:
        found = client.post(path_of("prompts", name, "panic"), body)
    if as_json:
        write_json(found)
        return
    for each in found["environments"]:
        ended = [*each["experiments"], *each["rollouts"]]
        said = f"{each['environment']} serves {name}@{each['version']}"
        changed = f", before {each['before']}" if each["before"] != each["version"] else ", as before"
        note(f"{said}{changed}" + (f"; ended: {', '.join(ended)}" if ended else ""))
    note(f"{name} is frozen; `coalmine unfreeze {found['freeze']['id']}` ends that")


@evidence_app.command()
def record(
    context: typer.Context,
    name: NameArgument,
    version: VersionArgument,
    *,
    kind: Annotated[str, typer.Option(help="What was checked, a word in lower case.")] = "eval_run",
    passed: Annotated[
        bool, typer.Option("--passed/--failed", help="Whether the version passed.", show_default=False)
    ],
    summary: Annotated[str, typer.Option(help="What was found, for people.")],
    url: Annotated[str | None, typer.Option(help="Where the details are.", show_default=False)] = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Record the outcome of a check of a version. It counts for its content, and is never changed.

    It is your word: where a policy requires a suite, an eval_run is a run of it (`coalmine evals publish`).
    """
    body = {
        "kind": kind,
        "prompt": name,
        "version": version,
        "passed": passed,
        "summary": summary,
        "url": url,
    }
    with registry_client(context, token) as client:
        found = client.post("/v1/evidence", body)
    if as_json:
        write_json(found)
        return
    outcome = "passed" if passed else "failed"
    note(f"{name}@{version} {outcome} {kind}; give it as --evidence {kind}={found['id']}")


@evidence_app.command("list")
@tabular
def list_(
    context: typer.Context,
    name: NameArgument,
    *,
    version: Annotated[str | None, typer.Option(help="Only this version.", show_default=False)] = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """List what was checked of the versions of a prompt, newest first."""
    with registry_client(context, token) as client:
        items = client.items(path_of("prompts", name, "evidence"), {"version": version})
    if as_json:
        write_json(items)
        return
    columns = ["id", "kind", "version", "passed", "summary", "by", "of", "run"]
    fields = ["id", "kind", "version", "passed", "summary", "recorded_by", "checked_at", "run"]
    rows = [[_short(item[field]) for field in fields] for item in items]
    empty = f"nothing was checked yet; `coalmine evidence record {name} VERSION` records what was"
    write_table(columns, rows, empty=empty, wrapped=True)


def _list(items: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        write_json(items)
        return
    fields = ["id", "environment", "prompt", "reason", "frozen_by", "starts_at", "until"]
    rows = [[_short(item[field]) for field in fields] for item in items]
    columns = ["id", "environment", "prompt", "reason", "by", "since", "until"]
    write_table(columns, rows, empty="nothing is frozen", wrapped=True)


def _short(value: Any) -> Any:  # noqa: ANN401 - a field as JSON
    """A time to the minute, anything else as it is."""
    return value[:16].replace("T", " ") if isinstance(value, str) and value[10:11] == "T" else value


def _frozen(found: dict[str, Any]) -> str:
    what = found["prompt"] or "every prompt"
    return f"{what} in {found['environment'] or 'every environment'}"

"""`coalmine retire`, `archive` and `hygiene`: versions nobody needs any more."""

from typing import Annotated

import typer

from coalmine_server.cli.output import AsJson, note, write_json, write_table
from coalmine_server.cli.prompts.asking import (
    NameArgument,
    ReasonOption,
    TokenOption,
    VersionArgument,
    path_of,
    registry_server,
)


def retire(
    context: typer.Context,
    name: NameArgument,
    version: VersionArgument,
    *,
    reason: ReasonOption = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Let a version be served nowhere any more. It stays readable; what is served now cannot be retired."""
    _put_away(context, "retire", name, version, {"reason": reason}, token=token, as_json=as_json)


def archive(
    context: typer.Context,
    name: NameArgument,
    version: VersionArgument,
    *,
    reason: ReasonOption = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Put a version away for good. It stays readable."""
    _put_away(context, "archive", name, version, {"reason": reason}, token=token, as_json=as_json)


def hygiene(
    context: typer.Context,
    *,
    keep: Annotated[int, typer.Option(min=0, help="Newest versions of each prompt to leave alone.")] = 5,
    idle_days: Annotated[int, typer.Option(min=0, help="Days without traffic.")] = 30,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """List versions that could be retired: not served, without traffic, and newer ones are there."""
    with registry_server(context, token) as server:
        found = server.get("/v1/hygiene", {"keep_newest": keep, "idle_days": idle_days})
    if as_json:
        write_json(found)
        return
    rows = [
        (item["name"], item["version"], item["created_at"][:10], (item["last_used_at"] or "never")[:10])
        for item in found["items"]
    ]
    write_table(["prompt", "version", "registered", "last used"], rows, empty="nothing to tidy up")
    if not found["traffic_known"]:
        note("This server does not see the traffic: what it lists may be in use.")


def _put_away(
    context: typer.Context,
    verb: str,
    name: str,
    version: str,
    body: dict[str, str | None],
    *,
    token: str | None,
    as_json: bool,
) -> None:
    with registry_server(context, token) as server:
        found = server.post(path_of("prompts", name, "versions", version, verb), body)
    if as_json:
        write_json(found)
    else:
        note(f"{name}@{version} is {found['status']}")

"""`coalmine prompts`, `coalmine log` and `coalmine promotions`: what there is, and who did what."""

from typing import Annotated, Any, Literal

import typer

from coalmine_server.cli.output import AsJson, write_json, write_table
from coalmine_server.cli.prompts.asking import (
    NameArgument,
    TokenOption,
    all_prompts,
    path_of,
    registry_server,
)

LimitOption = Annotated[int, typer.Option(min=1, max=1000, help="Most rows to show.")]


def prompts(context: typer.Context, *, token: TokenOption = None, as_json: AsJson = False) -> None:
    """List prompts: how many versions, the latest, and what each environment serves."""
    with registry_server(context, token) as server:
        items = all_prompts(server)
    if as_json:
        write_json(items)
        return
    rows = [
        (
            item["name"],
            item["versions"],
            item["latest"],
            *(item["serving"].get(environment) for environment in ("dev", "staging", "prod")),
        )
        for item in items
    ]
    write_table(
        ["prompt", "versions", "latest", "dev", "staging", "prod"],
        rows,
        empty="no prompts yet; `coalmine push DIR` registers them",
    )


def log(
    context: typer.Context,
    name: NameArgument,
    *,
    limit: LimitOption = 50,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Tell the story of a prompt: who registered, promoted, rolled back, experimented; newest first."""
    with registry_server(context, token) as server:
        items = server.get(path_of("prompts", name, "log"), {"limit": limit})["items"]
    if as_json:
        write_json(items)
        return
    rows = [
        (
            item["at"][:19].replace("T", " "),
            item["actor"],
            item["action"],
            item["environment"],
            item["version"],
            _served(item["after"]),
            item["reason"],
        )
        for item in items
    ]
    write_table(
        ["when", "who", "what", "environment", "version", "serves then", "why"],
        rows,
        empty="nothing happened",
    )


def promotions(
    context: typer.Context,
    *,
    status: Annotated[
        Literal["pending", "applied", "rejected", "stale"] | None,
        typer.Option(help="Only these.", show_default=False),
    ] = None,
    limit: LimitOption = 50,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """List promotions, newest first; the pending ones wait for `coalmine approve ID`."""
    with registry_server(context, token) as server:
        items = server.get("/v1/promotions", {"status": status, "limit": limit})["items"]
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
        ["id", "status", "version", "environment", "asked by", "decided by", "evidence"],
        rows,
        empty="no promotions",
    )


def _served(after: dict[str, Any] | None) -> str | None:
    """What an environment serves after a change, in few words."""
    match (after or {}).get("default"):
        case {"version": str(version)}:
            return version
        case {"experiment": str(name)}:
            experiment = (after or {}).get("experiments", {}).get(name, {})
            arms = ", ".join(f"{a['version']} {a['weight']:.0%}" for a in experiment.get("arms", ()))
            return f"{name}: {arms}" if arms else name
        case _:
            return None

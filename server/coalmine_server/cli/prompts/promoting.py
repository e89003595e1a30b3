"""`coalmine promote`, `approve`, `reject` and `rollback`: which version an environment serves."""

from typing import Annotated, Any

import typer

from coalmine_server.cli.output import AsJson, note, write_json
from coalmine_server.cli.prompts.asking import (
    EnvironmentArgument,
    ExpectOption,
    NameArgument,
    ReasonOption,
    TokenOption,
    VersionArgument,
    path_of,
    registry_server,
)

PromotionArgument = Annotated[
    str, typer.Argument(metavar="ID", help="Id of the promotion; `coalmine promotions` lists them.")
]


def promote(
    context: typer.Context,
    name: NameArgument,
    version: VersionArgument,
    environment: EnvironmentArgument,
    *,
    evidence: Annotated[
        list[str] | None,
        typer.Option(
            "--evidence",
            metavar="KIND=REFERENCE",
            help="Why it may be served, e.g. eval_run=42; may be repeated.",
            show_default=False,
        ),
    ] = None,
    reason: ReasonOption = None,
    expect: ExpectOption = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Ask that an environment serve a version.

    It is served at once if the token may decide: in dev an author's, elsewhere an approver's who did not
    write the version. Otherwise it waits for `coalmine approve ID`.
    """
    body = {
        "prompt": name,
        "version": version,
        "environment": environment,
        "evidence": [_evidence(each) for each in evidence or ()],
        "reason": reason,
        "expected_revision": expect,
    }
    with registry_server(context, token) as server:
        _tell(server.post("/v1/promotions", body), as_json=as_json)


def approve(
    context: typer.Context,
    promotion: PromotionArgument,
    *,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Let a promotion that waits be served. Needs an approver's token, not the author's."""
    with registry_server(context, token) as server:
        _tell(server.post(path_of("promotions", promotion, "approve"), {}), as_json=as_json)


def reject(
    context: typer.Context,
    promotion: PromotionArgument,
    *,
    reason: ReasonOption = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Refuse a promotion that waits; who asked for it may take it back."""
    with registry_server(context, token) as server:
        _tell(server.post(path_of("promotions", promotion, "reject"), {"reason": reason}), as_json=as_json)


def rollback(
    context: typer.Context,
    name: NameArgument,
    environment: EnvironmentArgument,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="VERSION",
            help="A version that served there before; the one before the present if not set.",
            show_default=False,
        ),
    ] = None,
    reason: ReasonOption = None,
    expect: ExpectOption = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Serve an earlier version again; a running experiment ends. Needs nobody's second opinion."""
    body = {"to_version": to, "reason": reason, "expected_revision": expect}
    with registry_server(context, token) as server:
        found = server.post(path_of("environments", environment, "prompts", name, "rollback"), body)
    if as_json:
        write_json(found)
    else:
        note(f"{environment} serves {name}@{found['version']} again (revision {found['revision']})")


def _tell(found: Any, *, as_json: bool) -> None:  # noqa: ANN401 - a promotion as JSON
    if as_json:
        write_json(found)
        return
    what, where = f"{found['prompt']}@{found['version']}", found["environment"]
    match found["status"]:
        case "applied":
            note(f"{where} serves {what} (revision {found['revision']})")
        case "pending":
            note(f"{what} waits to be served in {where}; somebody else approves it:")
            typer.echo(f"coalmine approve {found['id']}")
        case status:
            note(f"the promotion of {what} to {where} is {status}")


def _evidence(text: str) -> dict[str, str]:
    kind, separator, reference = text.partition("=")
    if not (separator and kind and reference):
        raise typer.BadParameter(f"{text!r} is no evidence: write KIND=REFERENCE, e.g. eval_run=42")
    return {"kind": kind, "reference": reference}

"""`coalmine promote`, `approve`, `reject`, `rollback`, `offer`, `withdraw`: which versions are served."""

import re
from typing import Annotated, Any, TextIO

import typer

from coalmine_server.cli.options import path_of
from coalmine_server.cli.output import AsJson, note, write_json
from coalmine_server.cli.prompts.options import (
    EnvironmentArgument,
    ExpectOption,
    NameArgument,
    OverrideOption,
    ReasonOption,
    TokenOption,
    VersionArgument,
    registry_client,
)

PromotionArgument = Annotated[
    str, typer.Argument(metavar="ID", help="Id of the promotion; `coalmine promotions` lists them.")
]


EvidenceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--evidence",
        metavar="KIND=REFERENCE",
        help="Evidence that it may be served: eval_run=RUN, KIND=ID of what was recorded, "
        "readout=EXPERIMENT, or note=TEXT; may be repeated.",
        show_default=False,
    ),
]


def promote(
    context: typer.Context,
    name: NameArgument,
    version: VersionArgument,
    environment: EnvironmentArgument,
    *,
    evidence: EvidenceOption = None,
    reason: ReasonOption = None,
    expect: ExpectOption = None,
    override: OverrideOption = False,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Request that an environment serve a version.

    It is served at once if the token may decide: in dev that of an author, elsewhere that of an approver who
    did not write the version. Otherwise it is pending until `coalmine approve ID`.
    """
    body = {
        "prompt": name,
        "version": version,
        "environment": environment,
        "evidence": [evidence_of(each) for each in evidence or ()],
        "reason": reason,
        "expected_revision": expect,
        "override": override,
    }
    with registry_client(context, token) as client:
        _show(client.post("/v1/promotions", body), as_json=as_json)


def approve(
    context: typer.Context,
    promotion: PromotionArgument,
    *,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Apply a pending promotion. Needs the token of an approver who did not write the version."""
    with registry_client(context, token) as client:
        _show(client.post(path_of("promotions", promotion, "approve"), {}), as_json=as_json)


def reject(
    context: typer.Context,
    promotion: PromotionArgument,
    *,
    reason: ReasonOption = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Reject a pending promotion. The requester may withdraw it."""
    with registry_client(context, token) as client:
        _show(client.post(path_of("promotions", promotion, "reject"), {"reason": reason}), as_json=as_json)


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
            help="A version that was served there before; default: the previous one.",
            show_default=False,
        ),
    ] = None,
    reason: ReasonOption = None,
    expect: ExpectOption = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Serve an earlier version again and stop running experiments. Needs no approval."""
    body = {"to_version": to, "reason": reason, "expected_revision": expect}
    with registry_client(context, token) as client:
        found = client.post(path_of("environments", environment, "prompts", name, "rollback"), body)
    if as_json:
        write_json(found)
    else:
        note(f"{environment} serves {name}@{found['version']} again (revision {found['revision']})")


def offer(
    context: typer.Context,
    name: NameArgument,
    version: VersionArgument,
    environment: EnvironmentArgument,
    *,
    evidence: EvidenceOption = None,
    reason: ReasonOption = None,
    expect: ExpectOption = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Let users opt in to a version: `cm.prompt(NAME, prefer=VERSION)` serves it. Others keep theirs."""
    body = {"evidence": [evidence_of(each) for each in evidence or ()], "reason": reason}
    _change_offer(
        context, "offer", (environment, name), {**body, "version": version, "expected_revision": expect},
        token=token, as_json=as_json,
    )  # fmt: skip


def withdraw(
    context: typer.Context,
    name: NameArgument,
    version: VersionArgument,
    environment: EnvironmentArgument,
    *,
    reason: ReasonOption = None,
    expect: ExpectOption = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Withdraw a version that users could opt in to: they get what everybody gets."""
    body = {"version": version, "reason": reason, "expected_revision": expect}
    _change_offer(context, "withdraw", (environment, name), body, token=token, as_json=as_json)


def _change_offer(
    context: typer.Context,
    verb: str,
    place: tuple[str, str],
    body: dict[str, Any],
    *,
    token: TextIO | None,
    as_json: bool,
) -> None:
    environment, name = place
    with registry_client(context, token) as client:
        found = client.post(path_of("environments", environment, "prompts", name, verb), body)
    if as_json:
        write_json(found)
    else:
        offered = ", ".join(found["offered"]) or "no version"
        note(f"{environment} offers {offered} of {name} (revision {found['revision']})")


def _show(found: Any, *, as_json: bool) -> None:  # noqa: ANN401 - a promotion as JSON
    if as_json:
        write_json(found)
        return
    what, where = f"{found['prompt']}@{found['version']}", found["environment"]
    match found["status"]:
        case "applied":
            note(f"{where} serves {what} (revision {found['revision']})")
        case "unchanged":
            note(f"{where} already serves {what} (revision {found['revision']}); nothing was changed")
        case "pending":
            note(f"{what} is pending in {where}; another person approves it:")
            typer.echo(f"coalmine approve {found['id']}")
        case status:
            note(f"the promotion of {what} to {where} is {status}")


def evidence_of(text: str) -> dict[str, str]:
    """Reads `KIND=REFERENCE` or `KIND:REFERENCE`: whichever sign comes first parts them."""
    found = re.fullmatch(r"([^=:]+)[=:](.+)", text, re.DOTALL)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not evidence: write KIND=REFERENCE, e.g. readout=EXPERIMENT")
    return {"kind": found[1], "reference": found[2]}

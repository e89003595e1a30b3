"""`coalmine retire` and `archive`: versions that should not be served any more."""

from typing import TextIO

import typer

from coalmine_server.cli.options import path_of
from coalmine_server.cli.output import AsJson, note, write_json
from coalmine_server.cli.prompts.options import (
    NameArgument,
    ReasonOption,
    TokenOption,
    VersionArgument,
    registry_client,
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
    """Retire a version that is not served: it cannot be served any more, and stays readable."""
    _change(context, "retire", name, version, {"reason": reason}, token=token, as_json=as_json)


def archive(
    context: typer.Context,
    name: NameArgument,
    version: VersionArgument,
    *,
    reason: ReasonOption = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Archive a retired version. It stays readable."""
    _change(context, "archive", name, version, {"reason": reason}, token=token, as_json=as_json)


def _change(
    context: typer.Context,
    verb: str,
    name: str,
    version: str,
    body: dict[str, str | None],
    *,
    token: TextIO | None,
    as_json: bool,
) -> None:
    with registry_client(context, token) as client:
        found = client.post(path_of("prompts", name, "versions", version, verb), body)
    if as_json:
        write_json(found)
    else:
        note(f"{name}@{version} is {found['status']}")

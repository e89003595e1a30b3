"""`coalmine retire`, `archive`, `rules` and `policy`: what may be served, and to whom."""

import json
from pathlib import Path
from typing import Annotated, TextIO

import typer

from coalmine_server.cli.named_file import named_path
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


def rules(
    context: typer.Context,
    name: NameArgument,
    environment: EnvironmentArgument,
    *,
    file: Annotated[
        Path | None,
        typer.Option(
            "--set",
            metavar="FILE",
            help="Replace all rules by those of a JSON file; [] removes them.",
            show_default=False,
            parser=named_path,
        ),
    ] = None,
    reason: ReasonOption = None,
    expect: ExpectOption = None,
    override: OverrideOption = False,
    token: TokenOption = None,
) -> None:
    """Print the targeting rules of a prompt as JSON, or replace them; the first rule that matches decides.

    A file for --set has the shape that the command prints.
    """
    place = path_of("environments", environment, "prompts", name)
    with registry_client(context, token) as client:
        if file is None:
            found = client.get(place)
        else:
            body = {
                "rules": _json_of(file),
                "reason": reason,
                "expected_revision": expect,
                "override": override,
            }
            found = client.put(f"{place}/rules", body)
            note(f"{environment} serves {name} by {len(found['rules'])} rules (revision {found['revision']})")
    write_json(found["rules"])


def policy(
    context: typer.Context,
    environment: EnvironmentArgument,
    *,
    require: Annotated[
        list[str] | None,
        typer.Option(
            "--require",
            metavar="KIND",
            help="Evidence that promotions need from now on; may be repeated. `none` requires nothing.",
            show_default=False,
        ),
    ] = None,
    requires_suite: Annotated[
        bool | None,
        typer.Option(
            "--requires-suite/--no-suite",
            help="Whether a prompt needs a suite of evaluations, whose runs alone count as eval_run; in dev, "
            "before a version is registered.",
            show_default=False,
        ),
    ] = None,
    max_age: Annotated[
        int | None,
        typer.Option(
            "--max-age-days",
            metavar="DAYS",
            min=0,
            help="Age from which recorded evidence counts no more; 0: never.",
            show_default=False,
        ),
    ] = None,
    expect: ExpectOption = None,
    token: TokenOption = None,
) -> None:
    """Print what an environment requires as JSON, or change it (admins): what is not given stays as it is."""
    place = path_of("environments", environment, "policy")
    asked: dict[str, object] = {}
    if require:
        asked["required_evidence"] = [kind for kind in require if kind != "none"]
    if requires_suite is not None:
        asked["requires_suite"] = requires_suite
    if max_age is not None:
        asked["evidence_max_age_days"] = max_age or None
    with registry_client(context, token) as client:
        found = client.get(place)
        if asked:
            kept = {name: found[name] for name in _REQUIREMENTS}
            revision = found["revision"] if expect is None else expect
            found = client.put(place, {**kept, **asked, "expected_revision": revision})
    write_json(found)


_REQUIREMENTS = ("required_evidence", "requires_suite", "evidence_max_age_days")


def _json_of(file: Path) -> object:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file} is no readable JSON: {error}") from error

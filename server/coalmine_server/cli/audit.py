"""`coalmine audit`: checks that everything adds up."""

from typing import Annotated

import typer

from coalmine_server.cli.options import asking
from coalmine_server.cli.output import AsJson, write_facts, write_json
from coalmine_server.errors import CheckFailed


def audit(
    context: typer.Context,
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Recount rollups and cells, too, and compare every number.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check that every message is accounted for, and list what is missing.

    Compares positions, ledger, raw rows, files, dead letters, rollups and cells with each other. Exits with 1
    if something does not add up.
    """
    from coalmine_consumers.results import AuditReport
    from coalmine_server.client import read_as

    with asking(context, quiet=as_json) as client:
        found = client.get("/v1/audit", {"deep": deep}, slow=True)
    report = read_as(AuditReport, found)
    if as_json:
        write_json(found)
    else:
        typer.echo(report.summary)
        marks = {True: "ok", False: "FAILED"}
        write_facts({check.name: f"{marks[check.ok]:6}  {check.explanation}" for check in report.checks})
        others = {
            "removed by retention": report.identity.expired,
            "lost before they could be read": report.identity.lost,
            "feedback without its request": report.unattributed_feedback,
            "scores without their request": report.unattributed_scores,
        }
        write_facts({name: count for name, count in others.items() if count})
        for sentence in report.missing:
            typer.echo(f"missing: {sentence}")
    if not report.ok:
        raise CheckFailed("it does not add up")

"""`coalmine drift`: whether a version that nobody changed still behaves as before."""

import math
from typing import TYPE_CHECKING, Annotated

import typer

from coalmine_server.cli.options import EnvironmentOption, asking
from coalmine_server.cli.output import AsJson, note, write_json, write_table
from coalmine_server.cli.readout import interval

if TYPE_CHECKING:
    from coalmine_analytics.results.drift import MetricDrift, ModelChange, VersionDrift


def drift(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="Name of the prompt.")],
    *,
    version: Annotated[
        str | None,
        typer.Option(
            "--version",
            help="Only this version; default: the one with most requests now.",
            show_default=False,
        ),
    ] = None,
    environment: EnvironmentOption = None,
    metric: Annotated[
        str | None, typer.Option("--metric", help="Only this metric.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check whether a version that nobody changed still behaves as in its own first days.

    Exits with 1 if a metric has drifted, so that a script notices; new models alone are only reported.
    """
    from coalmine_analytics.results.drift import Drift
    from coalmine_server.client import read_as
    from coalmine_server.errors import ExitCode

    question = {"prompt": prompt, "version": version, "environment": environment, "metric": metric}
    with asking(context, quiet=as_json) as client:
        document = client.get("/v1/drift", question)
    found = read_as(Drift, document)
    if as_json:
        write_json(document)
    else:
        for place, item in enumerate(found.items):
            if place:
                typer.echo("")
            write_drift(item)
    if any(row.state == "drifted" for item in found.items for row in item.metrics):
        raise typer.Exit(ExitCode.CHECK_FAILED)


def write_drift(found: "VersionDrift") -> None:
    """One version, for people."""
    typer.echo(f"{found.prompt} {found.version} in {found.environment}: {found.words}")
    for warning in found.warnings:
        note(f"warning: {warning}")
    if found.reference_until is not None and found.reference_since is not None:
        typer.echo(
            f"reference {found.reference_since:%Y-%m-%d %H:%M} to {found.reference_until:%Y-%m-%d %H:%M} "
            f"UTC, {found.reference_requests:,} requests; a false alarm about once in "
            f"{found.false_alarm_every_days:,.0f} days or more rarely, over all metrics together"
        )
    if found.metrics:
        columns = ("metric", "state", "since", "before", "after", "shift", "relative", "95 %", "evidence")
        write_table(columns, [_row(row) for row in found.metrics], empty="no metric yet")
        for row in found.metrics:
            if row.state in ("drifted", "returned"):
                typer.echo(f"  {row.metric}: {row.words}")
    for change in found.model_changes:
        typer.echo(f"  {_change_words(change)}")


def _row(row: "MetricDrift") -> tuple[object, ...]:
    return (
        row.metric,
        row.state,
        None if row.since is None else f"{row.since:%Y-%m-%d %H:%M}",
        row.before,
        row.after,
        None if row.shift is None else f"{row.shift:+.3g}",
        None if row.relative_shift is None else f"{row.relative_shift:+.1%}",
        interval(row.lower, row.upper),
        evidence_words(row),
    )


def evidence_words(row: "MetricDrift") -> str:
    """How near a metric is, or was, to an alarm."""
    if row.log_evidence is None or row.log_threshold is None:
        return row.words if row.state == "not enough data" else "none"
    if row.state == "drifted":
        return f"found {row.detected_at:%Y-%m-%d %H:%M}" if row.detected_at is not None else "found"
    share = math.exp(min(row.log_evidence - row.log_threshold, 0.0))
    if row.state == "returned":
        return "over"
    if share >= 0.1:
        return f"{share:.0%} of what an alarm takes"
    return "far from an alarm"


def _change_words(change: "ModelChange") -> str:
    return (
        f"{change.response_model} answers for {change.request_model} since "
        f"{change.first_seen:%Y-%m-%d %H:%M} UTC, {change.share_lately:.0%} of it lately; "
        f"before: {', '.join(change.before)}"
    )

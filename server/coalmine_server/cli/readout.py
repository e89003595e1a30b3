"""`coalmine readout`: what an experiment shows; `coalmine compare`: two versions outside an experiment."""

from typing import TYPE_CHECKING, Annotated

import typer

from coalmine_server.cli.options import EnvironmentOption, SinceOption, UntilOption, asking, path_of
from coalmine_server.cli.output import AsJson, note, write_json, write_table

if TYPE_CHECKING:
    from coalmine_analytics.results.comparison import Comparison
    from coalmine_analytics.results.readout import ArmReadout, MetricReadout, Readout


def readout(
    context: typer.Context,
    experiment: Annotated[
        str | None, typer.Argument(help="Name of the experiment; omit it to list all.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the effect, interval and verdict of each metric of an experiment, and what to do.

    Valid however often you look. Each look is stored, and decisions stand.
    """
    from coalmine_analytics.results.readout import Readout
    from coalmine_consumers.results import ExperimentRow
    from coalmine_server.client import read_as

    with asking(context, quiet=as_json) as client:
        if experiment is None:
            found = client.items("/v1/readouts")
        else:
            found = client.get(path_of("experiments", experiment, "readout"))
    if as_json:
        write_json(found)
    elif experiment is not None:
        write_readout(read_as(Readout, found))
    else:
        rows = read_as(list[ExperimentRow], found)
        cells = [(row.experiment, row.requests, row.arms, row.epochs) for row in rows]
        columns = ("experiment", "requests", "arms", "epochs")
        write_table(columns, cells, empty="no requests recorded for any experiment")


def write_readout(found: "Readout") -> None:
    """A readout, for people."""
    typer.echo(
        f"{found.experiment}: control {found.control} with {found.control_units:,} units and "
        f"{found.control_requests:,} requests; {1 - found.alpha:.0%} intervals that hold at every look"
    )
    typer.echo(f"split: {found.srm.words}")
    for arm in found.arms:
        typer.echo(f"\n{arm.arm}, {arm.units:,} units, {arm.requests:,} requests -> {arm.words}")
        columns = ("metric", "control", arm.arm, "effect", "interval", "relative", "verdict", "units needed")
        write_table(columns, [_row(metric) for metric in arm.metrics], empty="no metric yet")
        _write_notes(arm)


def _row(metric: "MetricReadout") -> tuple[object, ...]:
    return (
        metric.metric + (" (goal)" if metric.goal else ""),
        metric.control_value,
        metric.value,
        _signed(metric.effect),
        interval(metric.lower, metric.upper),
        interval(metric.relative_lower, metric.relative_upper, percent=True),
        metric.verdict,
        metric.units_needed,
    )


def _write_notes(arm: "ArmReadout") -> None:
    for metric in arm.metrics:
        if metric.raw_value is not None and metric.clipped_share:
            typer.echo(
                f"  {metric.metric} without its cap: {_cell(metric.raw_control_value)} in control, "
                f"{_cell(metric.raw_value)} here; {metric.clipped_share:.2%} of values lie beyond the cap"
            )
        if metric.verdict == "not enough data":
            typer.echo(f"  {metric.metric}: {metric.words}")


def compare(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="Name of the prompt.")],
    a: Annotated[str, typer.Argument(help="The version to compare with.")],
    b: Annotated[str, typer.Argument(help="The version in question.")],
    *,
    environment: EnvironmentOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    segment: Annotated[
        list[str] | None,
        typer.Option(
            "--segment", help="Adjust for the mix of this segment; may be repeated.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two versions that were not in an experiment, adjusted for models and segments.

    Not randomised, so verdicts only suggest. Where there is an experiment, use `coalmine readout`.
    """
    from coalmine_analytics.results.comparison import Comparison
    from coalmine_server.client import read_as

    question = {
        "prompt": prompt,
        "a": a,
        "b": b,
        "environment": environment,
        "since": since,
        "until": until,
        "segment": segment,
    }
    with asking(context, quiet=as_json) as client:
        found = client.get("/v1/compare", question)
    if as_json:
        write_json(found)
    else:
        write_comparison(read_as(Comparison, found), a, b)


def write_comparison(found: "Comparison", a: str, b: str) -> None:
    """A comparison, for people: the warnings come first."""
    for warning in found.warnings:
        note(f"warning: {warning}")
    typer.echo(
        f"{a}: {found.a.units:,} units, {found.a.requests:,} requests; "
        f"{b}: {found.b.units:,} units, {found.b.requests:,} requests; "
        f"adjusted for {', '.join(found.adjusted_for)}"
    )
    columns = ("metric", a, b, "difference", "adjusted", "interval", "relative", "verdict")
    rows = [
        (
            metric.metric,
            metric.a_value,
            metric.b_value,
            _signed(metric.difference),
            _signed(metric.adjusted_difference),
            interval(metric.lower, metric.upper),
            interval(metric.relative_lower, metric.relative_upper, percent=True),
            metric.verdict,
        )
        for metric in found.metrics
    ]
    write_table(columns, rows, empty="no metric yet")


def interval(lower: float | None, upper: float | None, *, percent: bool = False) -> str:
    """Both ends, or a dash where nothing is excluded."""
    if lower is None or upper is None:
        return "-"
    return f"{lower:+.1%} to {upper:+.1%}" if percent else f"{lower:+.3g} to {upper:+.3g}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3g}"


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"

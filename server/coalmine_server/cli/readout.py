"""`coalmine readout`: what an experiment says; `coalmine compare`: two versions that were no experiment."""

from typing import TYPE_CHECKING, Annotated

import typer

from coalmine_server.cli.asking import EnvironmentOption, SinceOption, UntilOption, asking, selection
from coalmine_server.cli.output import AsJson, note, write_json, write_table

if TYPE_CHECKING:
    from coalmine_server.services.models import ArmReadout, Comparison, MetricReadout, Readout


def readout(
    context: typer.Context,
    experiment: Annotated[
        str | None, typer.Argument(help="Name of the experiment; without it, those there are.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Say what an experiment shows: effect, interval and verdict of each metric, and what to do.

    Holds however often one looks. Each look is stored, and what was decided stands.
    """
    from coalmine_server.errors import CheckFailed

    with asking(context, quiet=as_json) as answers:
        if experiment is None:
            rows = answers.experiments().items
            if as_json:
                write_json([row.model_dump(mode="json") for row in rows])
            else:
                cells = [(row.experiment, row.requests, row.arms, row.epochs) for row in rows]
                columns = ("experiment", "requests", "arms", "epochs")
                write_table(columns, cells, empty="no requests of an experiment yet")
            return
        found = answers.readout(experiment)
        known = [] if found is not None else [row.experiment for row in answers.experiments().items]
    if found is None:
        raise CheckFailed(
            f"no request of an arm of an experiment {experiment} has come",
            f"there are: {', '.join(known)}" if known else "there is no experiment yet",
        )
    if as_json:
        write_json(found.model_dump(mode="json"))
    else:
        write_readout(found)


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
    """Put two versions beside each other that were no experiment, adjusted for models and segments.

    Not randomised: its verdicts only seem. Where there is an experiment, `coalmine readout` says more.
    """
    from coalmine_server.errors import CheckFailed
    from coalmine_server.services.questions import Comparing

    chosen = selection(since=since, until=until)
    question = Comparing(
        prompt=prompt,
        a=a,
        b=b,
        environment=environment,
        since=chosen.since,
        until=chosen.until,
        segments=tuple(segment) if segment else None,
    )
    with asking(context, quiet=as_json) as answers:
        found = answers.compare(question)
    if found is None:
        raise CheckFailed(f"version {a} or {b} of {prompt} had no requests in that time")
    if as_json:
        write_json(found.model_dump(mode="json"))
    else:
        write_comparison(found, a, b)


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

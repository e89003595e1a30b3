"""`coalmine experiment check`: will a plan ever end?"""

from typing import TYPE_CHECKING, Annotated

import typer

from coalmine_schemas.plain_number import hours_in_words
from coalmine_server.cli.options import asking
from coalmine_server.cli.output import AsJson, write_json, write_table
from coalmine_server.cli.prompts.options import (
    AlphaOption,
    DirectionOption,
    GoalOption,
    MarginOption,
    RoleOption,
    ToleranceOption,
    plan_of,
    share_of,
)

if TYPE_CHECKING:
    from coalmine_analytics.results.plan_check import PlanCheck


def check(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="Prompt whose traffic is to be split.")],
    *,
    environment: Annotated[str, typer.Option(help="Environment of the traffic.")] = "prod",
    weights: Annotated[
        str, typer.Option(metavar="WEIGHT,...", help="Weights of the treatment, one for each stage.")
    ] = "10%,50%",
    min_time: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="Time that each stage before the last lasts at least, e.g. 90m, 2h or 1d."
        ),
    ] = "2h",
    min_units: Annotated[
        int, typer.Option(min=0, help="Units that each arm has at the end of each stage, at least.")
    ] = 0,
    longest: Annotated[
        str, typer.Option(metavar="TIME", help="A plan that takes longer never ends.")
    ] = "14d",
    days: Annotated[
        int, typer.Option(min=1, max=90, help="Days of traffic that the forecast rests on.")
    ] = 14,
    goal: GoalOption = None,
    margin: MarginOption = None,
    tolerance: ToleranceOption = None,
    role: RoleOption = None,
    direction: DirectionOption = None,
    alpha: AlphaOption = None,
    as_json: AsJson = False,
) -> None:
    """Forecast from a prompt's own traffic whether an experiment would ever end, and what harm it finds.

    Changes nothing. Exits with 1 if an equal version would not be promoted in time.
    """
    from coalmine_analytics.results.plan_check import PlanCheck
    from coalmine_server.client import read_as
    from coalmine_server.errors import ExitCode

    given = {"role": role, "direction": direction, "margin": margin, "tolerance": tolerance}
    shares = [_percentage(each) for each in weights.split(",")]
    waits = [_hours("--min-time", min_time)] * (len(shares) - 1) + [0.0]
    body = {
        "prompt": prompt,
        "environment": environment,
        "stages": [
            {"weight": share, "min_time_h": wait, "min_units": min_units}
            for share, wait in zip(shares, waits, strict=True)
        ],
        "plan": plan_of(goal, alpha, given),
        "days": days,
        "longest_h": _hours("--longest", longest),
    }
    with asking(context, quiet=as_json) as client:
        document = client.post("/v1/plan-check", body)
    if as_json:
        write_json(document)
    else:
        write_plan_check(read_as(PlanCheck, document))
    if not document["ends"]:
        raise typer.Exit(ExitCode.CHECK_FAILED)


def write_plan_check(found: "PlanCheck") -> None:
    """A forecast, for people: the answer first, then each stage."""
    from coalmine_schemas.prompts import percent

    typer.echo(f"{found.prompt} in {found.environment}: {found.words}")
    typer.echo(
        f"from {found.requests:,} requests of {found.units:,} units, {found.since:%Y-%m-%d %H:%M} to "
        f"{found.until:%Y-%m-%d %H:%M} UTC"
    )
    for number, stage in enumerate(found.stages, 1):
        lasts = "does not end in time" if stage.hours is None else f"lasts {hours_in_words(stage.hours)}"
        typer.echo(
            f"\nstage {number}, {percent(stage.weight)} of the units: {lasts}; {stage.units:,} units by its "
            f"end, enough after {_after(stage.hours_to_min_units)}"
        )
        rows = [
            (
                metric.metric,
                metric.role,
                metric.value,
                metric.smallest_harm,
                None
                if metric.smallest_harm is None or not metric.value
                else f"{metric.smallest_harm / abs(metric.value):.0%}",
                _after(metric.hours_to_accept),
            )
            for metric in stage.metrics
        ]
        columns = ("metric", "role", "value", "harm found", "relative", "equal shown after")
        write_table(columns, rows, empty="no metric that decides has values")
    typer.echo("\n  harm found: the smallest worsening that nine of ten runs find by the end of the stage")


def _after(hours: float | None) -> str:
    return "-" if hours is None else hours_in_words(hours)


def _percentage(text: str) -> float:
    share = share_of(text, text.strip().removesuffix("%"))
    share = share / 100 if text.strip().endswith("%") else share
    if not 0 < share < 1:
        raise typer.BadParameter(f"{text!r} is not a weight: give a share between 0 and 1, e.g. 10% or 0.1")
    return share


def _hours(option: str, text: str) -> float:
    from coalmine_schemas.errors import InvalidParameter
    from coalmine_server.moment import parse_length

    try:
        return parse_length(text).total_seconds() / 3_600
    except InvalidParameter as error:
        raise typer.BadParameter(f"{option}: {error}") from None

"""`coalmine readout`, `compare` and `drift`: experiments, two versions, and versions that nobody changed."""

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coalmine_schemas.plain_number import plain_number
from coalmine_schemas.prompts import percent
from coalmine_server.cli.options import (
    EnvironmentOption,
    FirstArgument,
    FirstOption,
    SecondArgument,
    SecondOption,
    SinceOption,
    UntilOption,
    asking,
    path_of,
    two_versions,
)
from coalmine_server.cli.output import AsJson, tabular, write_json, write_table

if TYPE_CHECKING:
    from coalmine_analytics.results.comparison import Comparison
    from coalmine_analytics.results.drift import MetricDrift, ModelChange, VersionDrift
    from coalmine_analytics.results.readout import ArmReadout, MetricReadout, Readout


_MARKS = {"must_prove": (0, " **"), "must_not_harm": (1, " *"), "signal": (2, " ~"), "shown": (3, "")}
"""Of roles: their order, and the mark behind a metric's name."""


@tabular
def readout(
    context: typer.Context,
    experiment: Annotated[
        str | None, typer.Argument(help="Name of the experiment; omit it to list all.")
    ] = None,
    *,
    looks: Annotated[
        bool, typer.Option("--looks", help="List the stored looks: how the decision came about.")
    ] = False,
    begin_anew: Annotated[
        str | None,
        typer.Option(
            "--begin-anew",
            metavar="REASON",
            help="Let the evidence begin anew from now, for this reason: nothing from before counts.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the effect, interval and verdict of each metric of an experiment, and what to do.

    Valid however often you look. Each look is stored, and decisions stand.
    """
    if begin_anew is not None and (experiment is None or looks):
        raise typer.BadParameter("name the experiment: coalmine readout NAME --begin-anew REASON")
    if looks:
        _show_looks(context, experiment, as_json=as_json)
        return
    from coalmine_analytics.results.readout import Readout
    from coalmine_consumers.results import ExperimentRow
    from coalmine_server.client import read_as

    found: Any
    with asking(context, quiet=as_json) as client:
        if experiment is None:
            found = client.items("/v1/readouts")
        elif begin_anew is not None:
            found = client.post(path_of("experiments", experiment, "begin-anew"), {"reason": begin_anew})
        else:
            found = client.get(path_of("experiments", experiment, "readout"))
    if as_json:
        write_json(found, None if experiment is None else _flat(found["arms"], "arm"))
    elif experiment is not None:
        write_readout(read_as(Readout, found))
    else:
        rows = read_as(list[ExperimentRow], found)
        cells = [(row.experiment, row.requests, row.arms, row.epochs) for row in rows]
        columns = ("experiment", "requests", "arms", "epochs")
        write_table(columns, cells, empty="no requests recorded for any experiment")


def _show_looks(context: typer.Context, experiment: str | None, *, as_json: bool) -> None:
    from coalmine_analytics.results.readout import ReadoutPath
    from coalmine_server.client import read_as

    if experiment is None:
        raise typer.BadParameter("name the experiment whose looks to list: coalmine readout NAME --looks")
    with asking(context, quiet=as_json) as client:
        document = client.get(path_of("experiments", experiment, "looks"))
    rows = [
        (look.taken_at, arm.arm, arm.units, arm.decision, arm.words)
        for look in read_as(ReadoutPath, document).items
        for arm in look.arms
    ]
    if as_json:
        write_json(
            document,
            [{"taken_at": look["taken_at"], **arm} for look in document["items"] for arm in look["arms"]],
        )
    else:
        write_table(("taken at", "arm", "units", "decision", "why"), rows, empty="no look is stored yet")


def _flat(owners: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The metrics of several arms or versions as one list, each with whose it is."""
    return [{name: owner[name], **metric} for owner in owners for metric in owner["metrics"]]


def write_readout(found: "Readout") -> None:
    """A readout, for people: the decision first, then what it depends on, then the rest."""
    typer.echo(
        f"{found.experiment}: arm {found.control} is the control, {found.control_units:,} units and "
        f"{found.control_requests:,} requests; {percent(1 - found.alpha)} intervals that hold at every look; "
        f"chance of rolling back a good version {found.alpha:g}, of it {found.budget.overall:g} here and the "
        "rest for segments and limits"
    )
    if found.begun_anew is not None:
        anew = found.begun_anew
        typer.echo(f"evidence from {anew.at:%Y-%m-%d %H:%M} UTC on ({anew.by}: {anew.reason})")
    typer.echo(f"split: {found.srm.words}")
    if found.left_out_requests:
        typer.echo(
            f"left out: {found.left_out_requests:,} requests that name an arm or an allocation epoch that "
            f"{found.experiment} never had"
        )
    for arm in found.arms:
        since = f" (decided at {arm.decided_at:%Y-%m-%d %H:%M} UTC)" if arm.decided_at is not None else ""
        typer.echo(f"\n{arm.arm}, {arm.units:,} units, {arm.requests:,} requests -> {arm.words}{since}")
        columns = ("metric", "verdict", "control", arm.arm, "effect", "interval", "relative", "units needed")
        ordered = sorted(arm.metrics, key=lambda metric: (not metric.goal, _MARKS[metric.role][0]))
        write_table(columns, [_row(metric) for metric in ordered], empty="no metric yet")
        if arm.metrics:
            typer.echo(
                "  ** must prove: harm rolls back, and a promotion needs proof that there is none; * must "
                "not harm: harm rolls back; ~ signal: harm holds; nothing depends on metrics without a mark"
            )
        _write_notes(arm)


def _row(metric: "MetricReadout") -> tuple[object, ...]:
    mark = _MARKS[metric.role][1] + (" (goal)" if metric.goal else "")
    return (
        metric.metric + mark,
        metric.verdict,
        metric.control_value,
        metric.value,
        signed(metric.effect),
        interval(metric.lower, metric.upper),
        relative(metric.relative_lower, metric.relative_upper, metric.control_value, metric.value),
        metric.units_needed,
    )


def relative(lower: float | None, upper: float | None, *values: float | None) -> str:
    """A relative interval; what cannot be negative cannot fall by more than 100 %."""
    if lower is not None and all(value is not None and value >= 0 for value in values):
        lower = max(lower, -1.0)
    return interval(lower, upper, percent=True)


def _write_notes(arm: "ArmReadout") -> None:
    for limit in arm.limits:
        typer.echo(
            f"  limit {limit.name} {limit.limit:.3g}: {limit.bad_units:,} of {limit.units:,} units, "
            f"{limit.control_bad_units:,} of {limit.control_units:,} in control"
            f"{': BROKEN' if limit.broken else ''}"
        )
    for each in arm.segments:
        if each.harmed:
            typer.echo(
                f"  {each.key}={each.value}: {each.metric} is worse by more than is accepted, "
                f"{signed(each.effect)} ({interval(each.lower, each.upper)}), about {each.units:,} units and "
                f"{each.control_units:,} in control"
            )
    if arm.segments:
        judged = len({(each.key, each.value) for each in arm.segments})
        typer.echo(f"  {judged} segments judged")
    for unit in arm.heavy_units:
        typer.echo(f"  unit {unit.unit_id} has {unit.share:.0%} of the requests")
    if arm.cache_saving:
        typer.echo(f"  the provider's cache saved {arm.cache_saving:.0%} of the cost here")
    for metric in arm.metrics:
        if metric.raw_value is not None and metric.clipped_share:
            typer.echo(
                f"  {metric.metric} without its cap: {_cell(metric.raw_control_value)} in control, "
                f"{_cell(metric.raw_value)} here; {metric.clipped_share:.2%} of values lie beyond the cap"
            )
        if metric.verdict in ("not enough data", "not applicable") or (
            metric.shown and not metric.shown.agrees
        ):
            typer.echo(f"  {metric.metric}: {metric.words}")


@tabular
def compare(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="Name of the prompt.")],
    a: FirstArgument = None,
    b: SecondArgument = None,
    *,
    option_a: FirstOption = None,
    option_b: SecondOption = None,
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

    a, b = two_versions((a, option_a), (b, option_b))
    if a is None or b is None:
        raise typer.BadParameter(f"name two versions: coalmine compare {prompt} A B")
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
        write_json(found, found["metrics"])
    else:
        write_comparison(read_as(Comparison, found), a, b)


def write_comparison(found: "Comparison", a: str, b: str) -> None:
    """A comparison, for people: the warnings come first."""
    for warning in found.warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(
        f"{a}: {found.a.units:,} units, {found.a.requests:,} requests; "
        f"{b}: {found.b.units:,} units, {found.b.requests:,} requests; "
        f"adjusted for {', '.join(found.adjusted_for)}"
    )
    columns = ("metric", "verdict", a, b, "difference", "adjusted", "interval", "relative")
    rows = [
        (
            metric.metric,
            metric.verdict,
            metric.a_value,
            metric.b_value,
            signed(metric.difference),
            signed(metric.adjusted_difference),
            interval(metric.lower, metric.upper),
            relative(metric.relative_lower, metric.relative_upper, metric.a_value, metric.b_value),
        )
        for metric in found.metrics
    ]
    write_table(columns, rows, empty="no metric yet")


def interval(lower: float | None, upper: float | None, *, percent: bool = False) -> str:
    """Both ends, or a dash where nothing is excluded."""
    if lower is None or upper is None:
        return "-"
    return f"{lower:+.1%} to {upper:+.1%}" if percent else f"{signed(lower)} to {signed(upper)}"


def signed(value: float | None) -> str:
    """A difference, with its sign."""
    return "-" if value is None else plain_number(value, sign=True)


def _cell(value: float | None) -> str:
    return "-" if value is None else plain_number(value, 4)


@tabular
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
    ignore_day: Annotated[
        str | None,
        typer.Option(
            "--ignore-day",
            metavar="DAY",
            help="First have this day (UTC) ignored, in each version; needs --reason.",
            show_default=False,
        ),
    ] = None,
    count_day: Annotated[
        str | None,
        typer.Option(
            "--count-day",
            metavar="DAY",
            help="First have this day counted again; needs --reason.",
            show_default=False,
        ),
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why, for whoever reads it.", show_default=False)
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
    act = _day_act(prompt, environment, ignore_day, count_day, reason)
    with asking(context, quiet=as_json) as client:
        if act is not None:
            client.post("/v1/drift/ignored-days", act)
        document = client.get("/v1/drift", question)
    found = read_as(Drift, document)
    if as_json:
        write_json(document, _flat(document["items"], "version"))
    else:
        for place, item in enumerate(found.items):
            if place:
                typer.echo("")
            write_drift(item)
    if any(row.state == "drifted" for item in found.items for row in item.metrics):
        raise typer.Exit(ExitCode.CHECK_FAILED)


def _day_act(
    prompt: str, environment: str | None, ignore_day: str | None, count_day: str | None, reason: str | None
) -> dict[str, object] | None:
    """What the options say about a day, as the API takes it."""
    if ignore_day is not None and count_day is not None:
        raise typer.BadParameter("give --ignore-day or --count-day, not both")
    day = ignore_day or count_day
    if (day is None) != (reason is None):
        raise typer.BadParameter("--reason goes with --ignore-day or --count-day: give both")
    if day is None:
        return None
    return {
        "prompt": prompt,
        "environment": environment,
        "day": day,
        "ignored": count_day is None,
        "reason": reason,
    }


def write_drift(found: "VersionDrift") -> None:
    """One version, for people."""
    typer.echo(f"{found.prompt} {found.version} in {found.environment}: {found.words}")
    for warning in found.warnings:
        typer.echo(f"warning: {warning}")
    if found.reference_until is not None and found.reference_since is not None:
        typer.echo(
            f"reference {found.reference_since:%Y-%m-%d %H:%M} to {found.reference_until:%Y-%m-%d %H:%M} "
            f"UTC, {found.reference_requests:,} requests; a false alarm about once in "
            f"{found.false_alarm_every_days:,.0f} days or more rarely, over all metrics together"
        )
    if found.metrics:
        columns = ("metric", "state", "since", "before", "after", "shift", "relative", "95 %", "evidence")
        write_table(columns, [_drift_row(row) for row in found.metrics], empty="no metric yet")
        for row in found.metrics:
            if row.state in ("drifted", "returned"):
                typer.echo(f"  {row.metric}: {row.words}")
    for change in found.model_changes:
        typer.echo(f"  {_change_words(change)}")
    for day in found.ignored_days:
        by = "" if day.acted_at is None else f", by {day.acted_by} at {day.acted_at:%Y-%m-%d %H:%M} UTC"
        typer.echo(f"  {day.day} {'is ignored' if day.ignored else 'counts again'}: {day.reason}{by}")


def _drift_row(row: "MetricDrift") -> tuple[object, ...]:
    return (
        row.metric,
        row.state,
        None if row.since is None else f"{row.since:%Y-%m-%d %H:%M}",
        row.before,
        row.after,
        None if row.shift is None else signed(row.shift),
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

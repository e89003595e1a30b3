"""`coalmine explain`: why a metric of a prompt changed."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from coalmine_schemas.plain_number import plain_number
from coalmine_schemas.prompts import percent
from coalmine_server.cli.options import (
    EnvironmentOption,
    FirstArgument,
    FirstOption,
    SecondArgument,
    SecondOption,
    asking,
    two_versions,
)
from coalmine_server.cli.output import AsJson, note, write_json, write_table
from coalmine_server.cli.readout import interval, signed
from coalmine_server.moment import MOMENT_HELP

if TYPE_CHECKING:
    from coalmine_analytics.results.explain import (
        ChangePart,
        Contribution,
        Explanation,
        MovedValue,
        RegressionFeature,
    )

BAR_CELLS = 16
"""Width of the longest bar."""
MOST_CONTRIBUTIONS = 12
"""Contributions of values that are shown to people; `--json` has all."""
MOST_MOVED = 30
"""Values that are shown to people, those that moved first."""
MOST_THIN = 12
"""Values without enough data that are named."""
LEAST_SHOWN = 0.05
"""Contributions smaller than this share of the largest part are noise to people."""


def explain(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="Name of the prompt.")],
    a: FirstArgument = None,
    b: SecondArgument = None,
    *,
    option_a: FirstOption = None,
    option_b: SecondOption = None,
    metric: Annotated[
        str | None, typer.Option(help="Name of the metric; quality by default.", show_default=False)
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help=f"Compare the period from here with the one before it: {MOMENT_HELP}.", show_default=False
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="End of that period; now by default.", show_default=False)
    ] = None,
    before_since: Annotated[
        str | None,
        typer.Option(
            help="Start of the earlier period; default: as long as the later one.", show_default=False
        ),
    ] = None,
    before_until: Annotated[
        str | None,
        typer.Option(
            help="End of the earlier period; default: where the later one starts.", show_default=False
        ),
    ] = None,
    environment: EnvironmentOption = None,
    segment: Annotated[
        list[str] | None,
        typer.Option(
            "--segment",
            help="Segment that makes up the traffic mix; may be repeated.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Explain why a metric changed: between two versions (A, B), or since some time (--since).

    Decomposes the change into prompt, model mix and traffic mix, which sum to it; lists the segments that
    moved, and the features of requests that go with the metric.
    """
    from coalmine_analytics.results.explain import Explanation
    from coalmine_server.client import read_as

    a, b = two_versions((a, option_a), (b, option_b))
    question = {
        "prompt": prompt,
        "metric": metric,
        "a": a,
        "b": b,
        "since": since,
        "until": until,
        "before_since": before_since,
        "before_until": before_until,
        "environment": environment,
        "segment": segment,
    }
    with asking(context, quiet=as_json) as client:
        found = client.get("/v1/explain", question, slow=True)
    if as_json:
        write_json(found)
    else:
        write_explanation(read_as(Explanation, found))


def write_explanation(found: "Explanation") -> None:
    """An explanation, for people: the sentence first, then what it rests on."""
    for warning in found.warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(found.headline)
    for side in (found.a, found.b):
        typer.echo(
            f"  {side.name}: {side.requests:,} requests of {side.units:,} units, "
            f"{side.since:%Y-%m-%d %H:%M} to {side.until:%Y-%m-%d %H:%M} UTC"
        )
    _write_parts(found)
    _write_contributions(found.contributions, max(abs(part.contribution) for part in found.parts))
    _write_moved(found.moved, found.left_out)
    _write_regression(found)


def _write_parts(found: "Explanation") -> None:
    typer.echo(f"\nThe change, taken apart ({percent(1 - found.alpha)} intervals that hold at every look)")
    parts: list[tuple[str, ChangePart]] = []
    for part in found.parts:
        parts.append((part.part, part))
        if part.part == "prompt":
            parts += [(f"  {each.part}", each) for each in found.parts_of_prompt]
    longest = max(abs(part.contribution) for _, part in parts)
    rows = [
        (
            name,
            signed(part.contribution),
            bar(part.contribution, longest),
            interval(part.lower, part.upper),
            part.words,
        )
        for name, part in parts
    ]
    rows.append(("change", signed(found.change), "", interval(found.lower, found.upper), ""))
    write_table(("part", "change", "", "interval", "what it is"), rows, empty="")
    for words in found.not_told_apart:
        note(f"not told apart in the mix of traffic: {words}")


def bar(value: float, longest: float) -> str:
    """A bar to the left of the middle for less, to the right for more."""
    encoding = sys.stdout.encoding or "ascii"
    full, middle = ("█", "│") if encoding.lower().startswith("utf") else ("#", "|")
    half = BAR_CELLS // 2
    cells = round(half * abs(value) / longest) if longest > 0 else 0
    drawn = full * cells
    return f"{drawn if value < 0 else '':>{half}}{middle}{drawn if value > 0 else '':<{half}}"


def _write_contributions(rows: "Sequence[Contribution]", largest: float) -> None:
    told = [row for row in rows if largest > 0 and abs(row.contribution) >= LEAST_SHOWN * largest]
    told.sort(key=lambda row: (row.a_share is None, -abs(row.contribution)))  # "others" come last
    if not told:
        return
    typer.echo("\nWhat contributed")
    write_table(
        ("part", "by", "value", "contribution", "share a", "share b", "value a", "value b"),
        [
            (
                row.part,
                row.dimension,
                row.value,
                signed(row.contribution),
                _share(row.a_share),
                _share(row.b_share),
                row.a_value,
                row.b_value,
            )
            for row in told[:MOST_CONTRIBUTIONS]
        ],
        empty="",
    )
    if len(told) > MOST_CONTRIBUTIONS:
        note(f"{len(told) - MOST_CONTRIBUTIONS} smaller contributions are in --json")


def _write_moved(rows: "Sequence[MovedValue]", left_out: Sequence[str]) -> None:
    told = [row for row in rows if row.verdict != "not enough data"]
    thin = [_value(row) for row in rows if row.verdict == "not enough data"]
    typer.echo("\nSegments that moved (Holm over all that were looked at)")
    write_table(
        ("segment", "a", "b", "change", "interval", "p", "verdict"),
        [
            (
                _value(row),
                row.a_value,
                row.b_value,
                "-" if row.effect is None else signed(row.effect),
                interval(row.lower, row.upper),
                _chance(row.adjusted_p),
                row.verdict,
            )
            for row in told[:MOST_MOVED]
        ],
        empty="nothing to look at has enough data",
    )
    if len(told) > MOST_MOVED:
        note(f"{len(told) - MOST_MOVED} more, with less evidence, are in --json")
    if thin:
        more = f" and {len(thin) - MOST_THIN} more" if len(thin) > MOST_THIN else ""
        note(f"not enough data: {', '.join(thin[:MOST_THIN])}{more}")
    for words in left_out:
        note(f"not looked at: {words}")


def _write_regression(found: "Explanation") -> None:
    regression = found.regression
    typer.echo(f"\nWhat {found.metric} goes along with")
    clear = [row for row in regression.features if row.clear]
    for row in clear:
        typer.echo(f"  {row.words}")
    if regression.features and not clear:
        typer.echo("  no feature, clearly")
    if regression.features:
        write_table(
            ("feature", "coefficient", "interval", "per standard deviation", "p", "clear"),
            [_feature(row) for row in regression.features],
            empty="",
        )
    for words in (*regression.words, *(f"left out: {each}" for each in regression.left_out)):
        note(words)


def _feature(row: "RegressionFeature") -> tuple[object, ...]:
    return (
        row.feature,
        signed(row.coefficient),
        interval(row.lower, row.upper),
        f"{row.standardised:+.3f}",
        _chance(row.adjusted_p),
        row.clear,
    )


def _chance(p: float | None) -> str:
    if p is None:
        return "-"
    return plain_number(p, 2) if p >= 0.0001 else "<0.0001"


def _value(row: "MovedValue") -> str:
    return f"{row.dimension}={row.value or '(none)'}"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"

"""`coalmine versions` and `coalmine timeseries`: cost, latency, quality and errors of each version."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from coalmine_server.cli.options import (
    PAGE_ROWS,
    AppOption,
    EnvironmentOption,
    ModelOption,
    PromptOption,
    SegmentRefused,
    SinceOption,
    UntilOption,
    VersionOption,
    asking,
    check_known,
)
from coalmine_server.cli.output import AsJson, note, tabular, write_json, write_table

if TYPE_CHECKING:
    from coalmine_consumers.results import Measures, QuantityRow, UnpricedRow, VersionRow

NO_REQUESTS = "no matching requests"
MOST_MODELS = 5
"""Models named in a note."""

Row = TypeVar("Row")
Cells = Mapping[str, Callable[[Row], object]]
"""The columns of a table, and how a row fills each."""


def percent(share: float | None) -> str | None:
    """A share as people read it."""
    return None if share is None else f"{share:.1%}"


MEASURES: "Cells[Measures]" = {
    "requests": lambda row: row.requests,
    "errors": lambda row: percent(row.error_rate),
    "USD/request": lambda row: row.cost_usd_per_request,
    "p95 ms": lambda row: row.latency_ms_p95,
    "quality": lambda row: row.quality_mean,
    "thumbs up": lambda row: percent(row.thumbs_up_rate),
    "priced": lambda row: row.priced_requests,
    "p50 ms": lambda row: row.latency_ms_p50,
    "tokens in": lambda row: row.input_tokens,
    "tokens out": lambda row: row.output_tokens,
}
"""What matters most comes first: a narrow screen shows no more."""


@tabular
def versions(
    context: typer.Context,
    *,
    prompt: PromptOption = None,
    version: VersionOption = None,
    environment: EnvironmentOption = None,
    app: AppOption = None,
    model: ModelOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    segment: Annotated[
        list[str] | None,
        typer.Option(
            "--segment",
            metavar="KEY=VALUE",
            help="Only calls with this value of a segment; may be repeated.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            help="One row for each prompt, version, model, environment, app or segment:KEY; may be given "
            "twice, or as version,model. One that is neither prompt nor version is within each version.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare versions: requests, errors, tokens, cost, latency, quality and thumbs of each.

    Asks the running server. Without one, ingests what the spool holds and answers from the store. By segment,
    from raw calls, which are kept for a while.
    """
    from coalmine_consumers.results import QuantityRow, UnpricedRow, VersionRow
    from coalmine_server.client import read_as

    chosen = {"prompt": prompt, "version": version, "environment": environment, "app": app, "model": model}
    chosen |= {"since": since, "until": until}
    dimensions = [name for each in by or () for name in each.split(",")]
    asked = {**chosen, "by": dimensions, "segment": segment, "limit": PAGE_ROWS}
    with asking(context, quiet=as_json) as client:
        rows = client.items("/v1/versions", asked, slow=bool(dimensions or segment))
        if not rows:
            check_known(client, chosen)
        some = any(row["priced_requests"] < row["requests"] for row in rows)
        unpriced = (
            client.items("/v1/unpriced", {**chosen, "limit": PAGE_ROWS}) if some and not as_json else []
        )
    if as_json:
        write_json(rows)
    else:
        if segment or dimensions not in ([], ["model"]):
            write_quantities(read_as(list[QuantityRow], rows))
        else:
            write_versions(read_as(list[VersionRow], rows), by_model=bool(dimensions))
        note_unpriced(read_as(list[UnpricedRow], unpriced))


def write_versions(rows: "list[VersionRow]", *, by_model: bool = False) -> None:
    """The table of versions, for people; models come before the measures where they tell rows apart."""
    keys: Cells[VersionRow] = {"prompt": lambda row: row.prompt, "version": _version}
    models: Cells[VersionRow] = {"models": lambda row: row.models}
    if by_model:
        _write(rows, {**keys, "model": lambda row: row.models, **MEASURES})
    else:
        _write(rows, {**keys, **MEASURES, **models})


def write_quantities(rows: "list[QuantityRow]") -> None:
    """The table of quantities by dimensions, for people; those that were asked for come first."""
    names = ("prompt", "version", "model", "environment", "app", "segment")
    told = [name for name in names if rows and getattr(rows[0], name) is not None]
    keys: Cells[QuantityRow] = {
        name: _version if name == "version" else partial(_named, name) for name in told
    }
    _write(rows, {**keys, **MEASURES})


def _named(name: str, row: "QuantityRow") -> str:
    return getattr(row, name) or "(none)"


def _version(row: "VersionRow | QuantityRow") -> str:
    return f"{row.version} (preferred)" if row.preferred else str(row.version)


def _write(rows: "Sequence[Row]", columns: "Cells[Row]") -> None:
    cells = [[cell(row) for cell in columns.values()] for row in rows]
    write_table(list(columns), cells, empty=NO_REQUESTS)


def note_unpriced(rows: "list[UnpricedRow]") -> None:
    """Says which models' calls have no cost, and what to do about it."""
    without_price = [row for row in rows if row.without_price]
    if without_price:
        models = ", ".join(f"{row.model} {row.without_price}" for row in without_price[:MOST_MODELS])
        more = ", ..." if len(without_price) > MOST_MODELS else ""
        note(f"calls without a price, by model: {models}{more}; add prices to pricing.toml")
    without_usage = sum(max(row.without_usage - row.errors, 0) for row in rows)
    if without_usage:
        note(f"{without_usage} calls that did not fail say no tokens; a stream needs include_usage")


@tabular
def timeseries(
    context: typer.Context,
    *,
    prompt: PromptOption = None,
    version: VersionOption = None,
    environment: EnvironmentOption = None,
    app: AppOption = None,
    model: ModelOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    segment: SegmentRefused = None,
    step: Annotated[
        Literal["auto", "minute", "5m", "15m", "hour", "6h", "day"] | None,
        typer.Option(help="Length of each bucket; by default it fits the period.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the measures of each version over time.

    Asks the running server. Without one, ingests what the spool holds and answers from the store.
    """
    from coalmine_consumers.results import TimeseriesRow
    from coalmine_server.client import read_as

    chosen = {"prompt": prompt, "version": version, "environment": environment, "app": app, "model": model}
    parameters = {**chosen, "since": since, "until": until, "step": step}
    with asking(context, quiet=as_json) as client:
        pages = list(client.pages("/v1/timeseries", parameters))
        rows = [row for page in pages for row in page["items"]]
        if not rows:
            check_known(client, chosen)
    if as_json:
        write_json(rows)
        return
    note(f"one row per {pages[0]['step']}, UTC")
    keys: Cells[TimeseriesRow] = {
        "time": lambda row: row.bucket_start,
        "prompt": lambda row: row.prompt,
        "version": lambda row: row.version,
    }
    _write(read_as(list[TimeseriesRow], rows), {**keys, **MEASURES})


@tabular
def metrics(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the metrics: unit, direction, role and margin.

    Other names in requests' metrics, scores and late outcomes are metrics, too.
    """
    from coalmine_analytics.results.catalogue import MetricRow
    from coalmine_server.client import read_as

    with asking(context, quiet=as_json) as client:
        found = client.items("/v1/metrics")
    if as_json:
        write_json(found)
        return
    rows = [
        (row.metric, row.kind, row.unit or None, row.direction, row.role, row.margin, row.description)
        for row in read_as(list[MetricRow], found)
    ]
    columns = ("metric", "kind", "unit", "better", "role", "margin", "what it is")
    write_table(columns, rows, empty="no metrics")

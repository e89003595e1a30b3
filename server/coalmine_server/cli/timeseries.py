"""`coalmine timeseries`: the same measures over time."""

from typing import Annotated, Literal

import typer

from coalmine_server.cli.asking import (
    PAGE_ROWS,
    AppOption,
    EnvironmentOption,
    PromptOption,
    SinceOption,
    UntilOption,
    VersionOption,
    asking,
    selection,
)
from coalmine_server.cli.output import AsJson, note, write_json, write_table
from coalmine_server.cli.versions import percent


def timeseries(
    context: typer.Context,
    *,
    prompt: PromptOption = None,
    version: VersionOption = None,
    environment: EnvironmentOption = None,
    app: AppOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    step: Annotated[
        Literal["auto", "minute", "5m", "15m", "hour", "6h", "day"],
        typer.Option(help="Length of each stretch of time; auto fits it to the time asked for."),
    ] = "auto",
    as_json: AsJson = False,
) -> None:
    """Show the measures of each version over time.

    Asks the running server. Without one, ingests what the spool holds and answers from the store.
    """
    from coalmine_server.services.questions import Page

    chosen = selection(
        prompt=prompt, version=version, environment=environment, app=app, since=since, until=until
    )
    with asking(context, quiet=as_json) as answers:
        page = answers.timeseries(chosen, step, Page(PAGE_ROWS))
        rows = list(page.items)
        while page.next_offset is not None:
            page = answers.timeseries(chosen, step, Page(PAGE_ROWS, page.next_offset))
            rows.extend(page.items)
    if as_json:
        write_json([row.model_dump(mode="json") for row in rows])
        return
    note(f"one row for each {page.step}, UTC")
    columns = ["time", "prompt", "version", "requests", "errors", "USD/request", "p50 ms", "p95 ms"]
    columns += ["quality", "thumbs up"]
    cells = [
        (
            row.bucket_start,
            row.prompt,
            row.version,
            row.requests,
            percent(row.error_rate),
            row.cost_usd_per_request,
            row.latency_ms_p50,
            row.latency_ms_p95,
            row.quality_mean,
            percent(row.thumbs_up_rate),
        )
        for row in rows
    ]
    write_table(columns, cells, empty="no requests yet that fit")

"""`coalmine versions`: what each version of a prompt costs, takes and is worth."""

from typing import TYPE_CHECKING

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
from coalmine_server.cli.output import AsJson, write_json, write_table

if TYPE_CHECKING:
    from coalmine_server.services.models import VersionRow


def versions(
    context: typer.Context,
    *,
    prompt: PromptOption = None,
    version: VersionOption = None,
    environment: EnvironmentOption = None,
    app: AppOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    as_json: AsJson = False,
) -> None:
    """Compare versions: requests, errors, tokens, cost, latency, quality and thumbs of each.

    Asks the running server. Without one, ingests what the spool holds and answers from the store.
    """
    from coalmine_server.services.questions import Page

    chosen = selection(
        prompt=prompt, version=version, environment=environment, app=app, since=since, until=until
    )
    rows = []
    with asking(context, quiet=as_json) as answers:
        offset: int | None = 0
        while offset is not None:
            page = answers.versions(chosen, Page(PAGE_ROWS, offset))
            rows.extend(page.items)
            offset = page.next_offset
    if as_json:
        write_json([row.model_dump(mode="json") for row in rows])
    else:
        write_versions(rows)


def write_versions(rows: "list[VersionRow]") -> None:
    """The table of versions, for people."""
    columns = ["prompt", "version", "requests", "errors", "tokens in", "tokens out", "USD/request"]
    columns += ["p50 ms", "p95 ms", "quality", "thumbs up"]
    cells = [
        (
            row.prompt,
            row.version,
            row.requests,
            percent(row.error_rate),
            row.input_tokens,
            row.output_tokens,
            row.cost_usd_per_request,
            row.latency_ms_p50,
            row.latency_ms_p95,
            row.quality_mean,
            percent(row.thumbs_up_rate),
        )
        for row in rows
    ]
    write_table(columns, cells, empty="no requests yet that fit")


def percent(share: float | None) -> str | None:
    """A share as people read it."""
    return None if share is None else f"{share:.1%}"

"""`coalmine sql`: a question of one's own."""

from typing import Annotated

import typer

from coalmine_server.cli.options import asking
from coalmine_server.cli.output import AsJson, note, tabular, write_json, write_table


@tabular
def sql(
    context: typer.Context,
    statement: Annotated[
        str,
        typer.Argument(
            metavar="SELECT",
            help="One SELECT in DuckDB's dialect, e.g. \"SELECT model, sum(requests) FROM rollups WHERE "
            "resolution = 'day' GROUP BY model\".",
        ),
    ],
    *,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, help="Maximum number of rows to return.")
    ] = 10_000,
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=0.1, max=300, help="Seconds that it may take.")
    ] = 60.0,
    private: Annotated[
        bool,
        typer.Option("--private", help="Show texts and identifiers of users; for admins."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask the store in SQL: read-only, on a snapshot, while the server runs.

    Tables and columns are in docs/data-dictionary.md; "DESCRIBE requests" shows some. Texts are left out, and
    users have pseudonyms that hold within one answer.
    """
    from coalmine_consumers.results import SqlAnswer
    from coalmine_server.client import read_as

    asked = {"sql": statement, "limit": limit, "timeout_s": timeout_s, "private": private}
    with asking(context, quiet=as_json) as client:
        found = read_as(SqlAnswer, client.post("/v1/sql", asked, slow=True))
    names = [column.name for column in found.columns]
    if as_json:
        write_json([dict(zip(names, row, strict=True)) for row in found.rows])
    else:
        write_table(names, found.rows, empty="no rows")
    if not found.complete:
        note(f"only the first {limit:,} rows; --limit gives more")

"""`coalmine sql` and `coalmine export`: questions of one's own, and files for other tools."""

import shutil
from pathlib import Path
from typing import Annotated, Literal

import typer

from coalmine_server.cli.named_file import named_path
from coalmine_server.cli.options import SinceOption, UntilOption, asking
from coalmine_server.cli.output import AsJson, note, tabular, write_json, write_table
from coalmine_server.errors import ConfigurationError, Unavailable


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


def export(
    context: typer.Context,
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder to make for the files.", parser=named_path)
    ],
    *,
    to: Annotated[
        Literal["parquet", "duckdb", "csv"],
        typer.Option(help="One file for each table, or one DuckDB database."),
    ] = "parquet",
    since: SinceOption = None,
    until: UntilOption = None,
    private: Annotated[
        bool,
        typer.Option("--private", help="Write texts and identifiers of users, too; for admins."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write requests, feedback, scores and rollups of a period as Parquet, CSV or a DuckDB database.

    The server writes them as of one moment and goes on ingesting; run this on its machine. Texts are left
    out, and users have pseudonyms that hold within the export. Columns are in docs/data-dictionary.md.
    """
    from coalmine_consumers.results import Export
    from coalmine_server.client import read_as

    check_new(directory)
    asked = {"format": to, "since": since, "until": until, "private": private}
    with asking(context, quiet=as_json) as client:
        answer = client.post("/v1/exports", asked, slow=True)
    take(Path(answer["directory"]), directory)
    answer["directory"] = str(directory.absolute())
    if as_json:
        write_json(answer)
        return
    found = read_as(Export, answer)
    write_table(
        ["table", "rows", "file"], [(each.table, each.rows, each.file) for each in found.tables], empty=""
    )
    note(f"in {found.directory}{'; with texts and identifiers of users' if found.private else ''}")


def check_new(directory: Path) -> None:
    """Makes a folder, before the server is asked for what is to be there.

    Raises:
        ConfigurationError: It cannot be made, or has something in it.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        empty = not any(directory.iterdir())
    except OSError as error:
        raise ConfigurationError(f"cannot make the folder {directory}: {error.strerror}") from error
    if not empty:
        raise ConfigurationError(f"{directory} is not empty", "name a folder that does not exist yet")


def take(made: Path, directory: Path) -> None:
    """Moves a folder that the server made to where it was asked for.

    Raises:
        Unavailable: The server runs on another machine.
        ConfigurationError: It cannot be moved.
    """
    if not made.is_dir():
        raise Unavailable(f"the server wrote {made}, which is not here", "run this on the server's machine")
    target = directory.resolve()
    try:
        target.rmdir()
        shutil.move(made, target)
    except OSError as error:
        raise ConfigurationError(
            f"cannot move {made} to {target}: {error.strerror or error}", "move it yourself, or delete it"
        ) from error
    left = ", ".join(sorted(path.name for path in made.parent.iterdir()))
    if left:  # whoever asked was interrupted, and the server did not know
        note(f"{made.parent} has {left}, which nobody fetched: delete what no command waits for")

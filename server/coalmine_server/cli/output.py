"""What commands write: data to standard output; notes and progress bars to standard error."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

import typer

Advance = Callable[[float, float | None], None]
"""Called with what is done and, if it is known, of how much."""

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, and nothing else, to standard output.")]
"""The option that all data commands have."""


def write_json(value: object) -> None:
    """One JSON document, indented, and a line end."""
    typer.echo(json.dumps(value, indent=2, default=_encode, ensure_ascii=False))


def write_json_line(value: object) -> None:
    """One JSON document on one line."""
    typer.echo(json.dumps(value, default=_encode, ensure_ascii=False))


def _encode(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no JSON")


def write_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table for people. Numbers stand to the right; `empty` is written where there is no row."""
    from rich.console import Console
    from rich.table import Table

    cells = [list(row) for row in rows]
    if not cells:
        note(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], int | float | None) for row in cells)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*[_cell(value) for value in row])
    # In a pipe nothing limits the width, and cutting a row would lose data.
    Console(width=None if sys.stdout.isatty() else 400, markup=False, highlight=False).print(table)


def write_facts(facts: Mapping[str, object]) -> None:
    """Names and values, one in a line."""
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        typer.echo(f"{name:<{width}}  {_cell(value)}")


def note(text: str) -> None:
    """A remark to standard error."""
    typer.echo(text, err=True)


def _cell(value: object) -> str:  # noqa: PLR0911 - one line for each kind
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}" if abs(value) < 100 else f"{value:,.0f}"
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S")
        case list() | tuple():
            return ", ".join(str(item) for item in value)
        case _:
            return str(value)


@contextmanager
def progress_bar(description: str, *, quiet: bool, unit: str = "events") -> Iterator[Advance]:
    """A bar for the length of a block; nothing is drawn when quiet or when standard error is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)

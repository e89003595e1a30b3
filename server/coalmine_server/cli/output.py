"""What commands write: data to standard output; notes and progress bars to standard error."""

import csv
import inspect
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ParamSpec, cast

import typer

from coalmine_schemas.plain_number import plain_number
from coalmine_schemas.safe_text import printable

Advance = Callable[[float, float | None], None]
"""Called with what is done and, if it is known, of how much."""

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, and nothing else, to standard output.")]
"""The option that all data commands have."""
AsCsv = Annotated[bool, typer.Option("--csv", help="Write CSV, with the fields of --json as columns.")]
Wide = Annotated[bool, typer.Option("--wide", help="Show all columns, however narrow the screen is.")]
P = ParamSpec("P")

SENTENCE = 28
"""Letters from which a text is a sentence, which may be wrapped between words."""
LONGEST_WORD = 36
"""Letters of a word that are kept together on a screen: an id."""
FOLDED_WORD = 20
"""A longer name takes no more than this from other columns, and goes on in the next line."""


@dataclass(slots=True)
class _Format:
    """How the running command writes its table."""

    csv: bool = False
    wide: bool = False


_FORMAT = _Format()


def write_json(value: object, rows: Sequence[Mapping[str, object]] | None = None) -> None:
    """One JSON document, indented, and a line end; CSV of its rows where that was asked for.

    Args:
        value: The document.
        rows: Its rows, where it is no list of them.
    """
    if _FORMAT.csv:
        _write_csv(rows if rows is not None else cast("Sequence[Mapping[str, object]]", value))
        return
    typer.echo(json.dumps(value, indent=2, default=_encode, ensure_ascii=False))


def write_json_line(value: object) -> None:
    """One JSON document on one line."""
    typer.echo(json.dumps(value, default=_encode, ensure_ascii=False))


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _write_csv(rows: Sequence[Mapping[str, object]]) -> None:
    """The rows under a line of names; what is no single value is written as JSON.

    A text that a spreadsheet would compute is written as one: behind an apostrophe.
    """
    if not rows:
        return
    writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        plain = {
            name: json.dumps(each, ensure_ascii=False) if isinstance(each, list | dict) else each
            for name, each in row.items()
        }
        plain = {
            name: f"'{each}" if isinstance(each, str) and each.startswith(_FORMULA) else each
            for name, each in plain.items()
        }
        writer.writerow(plain)


def _encode(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no JSON")


def tabular(command: Callable[P, None]) -> Callable[P, None]:
    """Gives a command that writes a table the options `--csv` and `--wide`.

    `--csv` writes what `--json` would: the answer's own fields, in full precision.
    """

    def run(*arguments: P.args, **options: P.kwargs) -> None:
        _FORMAT.wide, _FORMAT.csv = bool(options.pop("wide")), bool(options.pop("as_csv"))
        options["as_json"] = bool(options.get("as_json")) or _FORMAT.csv
        command(*arguments, **options)

    given = inspect.signature(command)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in (("as_csv", AsCsv), ("wide", Wide))
    ]
    run.__signature__ = given.replace(parameters=[*given.parameters.values(), *added])  # type: ignore[attr-defined]
    run.__annotations__ = {**command.__annotations__, "as_csv": AsCsv, "wide": Wide}
    run.__doc__, run.__name__, run.__module__ = command.__doc__, command.__name__, command.__module__
    return run


def write_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str, wrapped: bool = False
) -> None:
    """A table for people. Numbers stand to the right; `empty` is written where there is no row.

    On a screen that is too narrow, the last columns are left out, so that neither words nor numbers are cut;
    `--wide` shows them all, as a pipe does. List what matters most first.

    Args:
        columns: Names of the columns.
        rows: Their values.
        empty: What is written where there is no row.
        wrapped: Wrap between any two words before a column is left out, in a pipe as well, where a line has
            the length that COLUMNS says, or 80; for what people read only.
    """
    values = [list(row) for row in rows]
    cells = [[_cell(value) for value in row] for row in values]
    if not cells:
        note(empty)
        return
    sentence = 0 if wrapped else SENTENCE
    layout = [_width(name, [row[place] for row in cells], sentence) for place, name in enumerate(columns)]
    screen = shutil.get_terminal_size().columns if sys.stdout.isatty() and not _FORMAT.wide else None
    shown = len(columns)
    while screen is not None and shown > 2 and sum(least for least, _ in layout[:shown]) > screen - 2 * shown:
        shown -= 1
    room = screen
    if wrapped and screen is None and not _FORMAT.wide:
        room = shutil.get_terminal_size().columns
    widths = _fitted(layout[:shown], room)
    style = "bold" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else ""
    numeric = [all(isinstance(row[place], int | float | None) for row in values) for place in range(shown)]
    lines = [list(columns[:shown]), *(row[:shown] for row in cells)]
    if not style and _fits(lines, widths):
        typer.echo("\n".join(_line(line, widths, numeric) for line in lines))
    else:
        _write_by_rich(lines, widths, numeric, style)
    if shown < len(columns):
        note(f"left out for want of room: {', '.join(columns[shown:])}; --wide shows all")


def _fits(lines: Sequence[Sequence[str]], widths: Sequence[int]) -> bool:
    """True if no cell has to be wrapped, and each of its characters takes one place."""
    cells = [(cell, width) for line in lines for cell, width in zip(line, widths, strict=True)]
    return all(cell.isascii() and len(cell) <= width for cell, width in cells)


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    return "  ".join(
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, numeric, strict=True)
    )


def _write_by_rich(
    lines: Sequence[Sequence[str]], widths: Sequence[int], numeric: Sequence[bool], style: str
) -> None:
    """Writes bold headers and wrapped cells: by rich, whose import takes a tenth of a command's time."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style=style)
    for name, width, right in zip(lines[0], widths, numeric, strict=True):
        table.add_column(name, justify="right" if right else "left", overflow="fold", width=width)
    for line in lines[1:]:
        table.add_row(*line)
    Console(width=sum(widths) + 2 * len(widths), markup=False, highlight=False).print(table)


def _width(name: str, cells: Sequence[str], sentence: int) -> tuple[int, int]:
    """The least and the whole width of a column: sentences may be wrapped between words, nothing else."""
    whole = max(map(len, [name, *cells]))
    phrase = max((len(cell) for cell in [name, *cells] if " " in cell), default=0)
    word = max(len(word) for cell in [name, *cells] for word in cell.split() or [""])
    return max(word if word <= LONGEST_WORD else FOLDED_WORD, min(phrase, sentence)), whole


def _fitted(layout: Sequence[tuple[int, int]], room: int | None) -> list[int]:
    """Widths of columns: the whole ones; where room is short the least, the rest for small wants first."""
    if room is None:
        return [whole for _, whole in layout]
    widths = [min(least, room) for least, _ in layout]
    spare = max(room - sum(widths) - 2 * len(widths), 0)
    for place in sorted(range(len(layout)), key=lambda place: layout[place][1] - widths[place]):
        more = min(layout[place][1] - widths[place], spare)
        widths[place] += more
        spare -= more
    return widths


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
            return plain_number(value, 4) if abs(value) < 100 else f"{value:,.0f}"
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S")
        case list() | tuple():
            return printable(", ".join(str(item) for item in value), lines=False)
        case _:  # a name may neither colour what follows nor look like a row
            return printable(str(value), lines=False)


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
    stream = getattr(sys.stderr, "raw", sys.stderr)  # it moves the cursor, which names may not
    with Progress(*columns, console=Console(file=stream), transient=True) as bar:
        task = bar.add_task(description, total=None, visible=False)  # nothing may be left to do
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)

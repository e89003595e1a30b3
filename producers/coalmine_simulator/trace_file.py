"""Trace files: CSV with one call per row, `TIMESTAMP,ContextTokens,GeneratedTokens`.

The format of the Azure LLM inference traces. Columns may stand in any order among any others; a byte
order mark, Windows line ends, blank lines and gzip (`.csv.gz`) are fine. Times may carry any number
of fractional digits, of which microseconds are kept, and an offset; without one they are UTC.
"""

from __future__ import annotations

import csv
import gzip
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import as_file, files
from typing import IO, TYPE_CHECKING

from coalmine_simulator.errors import InvalidTrace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["TraceRow", "TraceSummary", "check_trace", "prompt_name_of", "read_trace", "sample_trace"]

_TIMESTAMP, _CONTEXT, _GENERATED = "TIMESTAMP", "ContextTokens", "GeneratedTokens"
_MOST_TOKENS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One call of the trace."""

    event_time: datetime
    """Aware UTC, to the microsecond."""
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """What a whole trace holds."""

    rows: int
    input_tokens: int
    output_tokens: int
    first_event_time: datetime
    """The earliest, wherever it stands in the file."""
    last_event_time: datetime


@contextmanager
def sample_trace() -> Iterator[Path]:
    """The path of the trace that comes with the package, until the context ends (it may be a copy)."""
    with as_file(files("coalmine_simulator") / "data" / "azure_llm_trace_conv_sample.csv") as path:
        yield path


def prompt_name_of(path: Path) -> str:
    """The name a trace's calls get by default: the file's, without `.csv` or `.csv.gz`."""
    name = path.name.removesuffix(".gz").removesuffix(".csv")
    return name or "trace"


def check_trace(path: Path) -> TraceSummary:
    """Read a whole trace in constant memory and say what is in it.

    Raises:
        InvalidTrace: The file cannot be read, lacks a column, has a bad row or no row at all.
    """
    rows = input_tokens = output_tokens = 0
    first = last = None
    for row in read_trace(path):
        rows += 1
        input_tokens += row.input_tokens
        output_tokens += row.output_tokens
        if first is None or last is None:
            first = last = row.event_time
        elif row.event_time < first:
            first = row.event_time
        elif row.event_time > last:
            last = row.event_time
    if first is None or last is None:
        raise InvalidTrace(str(path), "it has no row below the header", "Check that this is the right file.")
    return TraceSummary(rows, input_tokens, output_tokens, first, last)


def read_trace(path: Path) -> Iterator[TraceRow]:
    """Read the rows of a trace in the order of the file, one at a time.

    Raises:
        InvalidTrace: At the first thing that is wrong, with its line, column and value.
    """
    if not path.is_file():
        problem = "it is not a regular file" if path.exists() else "there is no such file"
        raise InvalidTrace(str(path), problem, "Give the path of a CSV file; it is read twice, so no pipe.")
    try:
        with _open(path) as lines:
            yield from _rows(path, lines)
    except (OSError, EOFError) as error:  # EOFError: gzip cut short
        raise InvalidTrace(str(path), f"it cannot be read ({error})", "Check the file.") from error
    except UnicodeDecodeError as error:
        problem = f"byte {error.start} is not UTF-8"
        raise InvalidTrace(str(path), problem, "Save the file as UTF-8 text.") from error


def _open(path: Path) -> IO[str]:
    # utf-8-sig drops the byte order mark that spreadsheets put first; newline="" is what csv asks for.
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _rows(path: Path, lines: IO[str]) -> Iterator[TraceRow]:
    table = csv.reader(lines)
    try:
        header = next(table, None)
        if header is None:
            raise InvalidTrace(
                str(path), "the file is empty", f"Its first line must name {_TIMESTAMP} and the others."
            )
        time_at, context_at, generated_at = _columns(path, header)
        width = len(header)
        for cells in table:
            if not cells:  # a blank line
                continue
            if len(cells) != width:
                raise InvalidTrace(
                    str(path),
                    f"the row has {len(cells)} cells where the header has {width}",
                    "Correct or remove the row.",
                    line=table.line_num,
                )
            try:
                yield TraceRow(
                    _time(cells[time_at]),
                    _tokens(cells[context_at]),
                    _tokens(cells[generated_at]),
                )
            except ValueError:
                raise _bad_cell(path, table.line_num, cells, (time_at, context_at, generated_at)) from None
    except csv.Error as error:
        raise InvalidTrace(
            str(path), f"not CSV ({error})", "Correct the line.", line=table.line_num
        ) from error


def _columns(path: Path, header: list[str]) -> tuple[int, int, int]:
    """Where the three columns stand."""
    names = [name.strip() for name in header]
    for wanted in (_TIMESTAMP, _CONTEXT, _GENERATED):
        times = names.count(wanted)
        if times != 1:
            problem = "the header does not have this column" if times == 0 else "the header has it twice"
            remedy = f"The first line must name {_TIMESTAMP}, {_CONTEXT} and {_GENERATED} once each."
            raise InvalidTrace(
                str(path),
                problem,
                remedy,
                line=1,
                column=wanted,
                value=",".join(header) if times == 0 else None,
            )
    return names.index(_TIMESTAMP), names.index(_CONTEXT), names.index(_GENERATED)


def _time(text: str) -> datetime:
    text = text.strip()
    if len(text) < 16:  # a date alone would pass as midnight
        raise ValueError(text)
    parsed = datetime.fromisoformat(text)  # keeps six fractional digits, drops the rest
    if parsed.tzinfo is None:
        return parsed.replace(tzinfo=UTC)
    try:
        return parsed.astimezone(UTC)
    except OverflowError as error:  # an offset that leads out of the years 1 to 9999
        raise ValueError(text) from error


def _tokens(text: str) -> int:
    text = text.strip()
    # isdecimal alone would take digits of other scripts, int() signs and underscores.
    if not (text.isascii() and text.isdecimal()) or len(text) > 19:
        raise ValueError(text)
    tokens = int(text)
    if tokens > _MOST_TOKENS:
        raise ValueError(text)
    return tokens


def _bad_cell(path: Path, line: int, cells: list[str], places: tuple[int, int, int]) -> InvalidTrace:
    """The error for the first cell of a row that cannot be read."""
    try:
        _time(cells[places[0]])
    except ValueError:
        return InvalidTrace(
            str(path),
            "not a time",
            "Write it as 2023-11-16 18:15:46.6805900 (UTC) or with an offset, or remove the row.",
            line=line,
            column=_TIMESTAMP,
            value=cells[places[0]],
        )
    column, value = (_CONTEXT, cells[places[1]])
    try:
        _tokens(value)
    except ValueError:
        pass
    else:
        column, value = (_GENERATED, cells[places[2]])
    return InvalidTrace(
        str(path),
        "not a number of tokens",
        "Write a whole number from 0 to 9223372036854775807 in plain digits, or remove the row.",
        line=line,
        column=column,
        value=value,
    )

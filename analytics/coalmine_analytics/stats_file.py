"""Files of cumulative statistics: read with exact complaints, written whole or not at all."""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np

from coalmine_analytics.arrays import BoolArray, FloatArray
from coalmine_analytics.stats_check import Checked, Looks
from coalmine_schemas.atomic_file import write_atomically
from coalmine_schemas.errors import Terminal, nearest

KEYS = ("experiment_id", "variant_id", "metric_id")
COUNTS = ("count_c", "count_t")
NUMBERS = ("time_since_start", *COUNTS, "mean_c", "mean_t", "variance_c", "variance_t")
REQUIRED = (*KEYS, *NUMBERS)
"""Columns a file must have, in any order. Others are copied unchanged."""
ADDED = ("estimate", "lower", "upper", "p", "verdict")
"""Columns we add."""
_EMPTY = frozenset(("", "na", "n/a", "nan", "null", "none"))
"""What exports write for a number that is not there."""


class InvalidFile(Terminal):
    """A file does not hold what it should; the message names file, line, column, value and remedy."""


@dataclass(frozen=True, slots=True)
class StatisticsFile:
    """A file as read."""

    header: list[str]
    rows: list[list[str]]
    """Cells, as they were written."""
    lines: list[int]
    """Line on which each row ends."""
    looks: Looks
    other_columns: list[str]
    """Columns we do not know."""


def read_statistics(path: Path) -> StatisticsFile:
    """Read a CSV file of cumulative statistics.

    Raises:
        InvalidFile: It cannot be read, a column is missing or twice there, or a value is out of range.
    """
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            index = _columns(path, header)
            width = len(header)
            for row in reader:
                if not row:
                    continue
                if len(row) != width:
                    raise InvalidFile(
                        f"{path}, line {reader.line_num}: {len(row)} cells where the header has {width}: "
                        "give every row all columns, and put text with commas in double quotes"
                    )
                rows.append(row)
                lines.append(reader.line_num)
    except OSError as error:
        raise InvalidFile(f"{path} cannot be read: {error.strerror}: name a CSV file") from error
    except UnicodeDecodeError as error:
        raise InvalidFile(f"{path} is not UTF-8 text (byte {error.start}): save it in UTF-8") from error
    except csv.Error as error:
        raise InvalidFile(f"{path} is not CSV: {error}: save it as comma-separated values") from error
    if not rows:
        raise InvalidFile(f"{path} has no rows: give one per look under the header")
    columns = {name: _numbers(path, name, [row[index[name]] for row in rows], lines) for name in NUMBERS}
    _check(path, columns, lines)
    keys = tuple(index[name] for name in KEYS)
    series = [tuple(row[at] for at in keys) for row in rows]
    time, count_c, count_t, mean_c, mean_t, variance_c, variance_t = (columns[name] for name in NUMBERS)
    looks = Looks(series, time, count_c, count_t, mean_c, mean_t, variance_c, variance_t)
    return StatisticsFile(header, rows, lines, looks, [name for name in header if name not in REQUIRED])


def _columns(path: Path, header: list[str]) -> dict[str, int]:
    """Where each column stands."""
    if not any(header):
        raise InvalidFile(f"{path}, line 1: no header: name the columns {', '.join(REQUIRED)}")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InvalidFile(f"{path}, line 1: column {twice[0]} appears more than once: keep one of them")
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        unknown = [name for name in header if name not in REQUIRED]
        found = nearest(missing[0], unknown)
        remedy = f"is {found} meant? Rename it" if found else f"needed are {', '.join(REQUIRED)}"
        raise InvalidFile(f"{path}, line 1: column {', '.join(missing)} is missing: {remedy}")
    taken = [name for name in ADDED if name in header]
    if taken:
        raise InvalidFile(
            f"{path}, line 1: column {taken[0]} is one that we add: rename it, or give the file without it"
        )
    return {name: at for at, name in enumerate(header)}


def _numbers(path: Path, name: str, cells: list[str], lines: list[int]) -> FloatArray:
    """One column as numbers; an empty cell is NaN."""
    try:
        return np.array([_number(cell) for cell in cells])
    except ValueError:
        for cell, line in zip(cells, lines, strict=True):
            try:
                _number(cell)
            except ValueError:
                raise _wrong(path, line, name, cell, "give a number with a decimal point") from None
        raise


def _number(cell: str) -> float:
    return math.nan if cell.strip().lower() in _EMPTY else float(cell)


def _check(path: Path, columns: dict[str, FloatArray], lines: list[int]) -> None:
    """Refuse what cannot be a cumulative statistic; what is empty is no such thing (`Looks.complete`)."""

    def refuse(name: str, wrong: BoolArray, remedy: str) -> None:
        if wrong.any():
            at = int(wrong.argmax())
            raise _wrong(path, lines[at], name, f"{columns[name][at]:g}", remedy)

    refuse("time_since_start", np.isinf(columns["time_since_start"]), "give the time of the look as a number")
    for arm in ("c", "t"):
        n, mean, variance = (columns[f"{name}_{arm}"] for name in ("count", "mean", "variance"))
        odd = np.isinf(n) | (n < 0) | (np.floor(n) < n)
        refuse(f"count_{arm}", odd, "give the number of units so far, 0 or more")
        refuse(f"mean_{arm}", np.isinf(mean), "give the mean of the units so far as a number")
        refuse(
            f"variance_{arm}",
            np.isinf(variance) | (variance < 0),
            "give the sample variance of the units so far, 0 or more",
        )


def _wrong(path: Path, line: int, column: str, value: str, remedy: str) -> InvalidFile:
    return InvalidFile(f"{path}, line {line}, column {column}: {value!r}: {remedy}")


def write_checked(path: Path, file: StatisticsFile, checked: Checked) -> None:
    """Write the rows of `file` in order, with the added columns: the whole file or nothing.

    An unknown number is an empty cell, an open end of an interval is inf or -inf.

    Raises:
        InvalidFile: It cannot be written there.
    """
    if path.exists() and not path.is_file():
        raise InvalidFile(f"{path} is not a regular file: name a CSV file to write")
    numbers = [
        map(_cell, values.tolist()) for values in (checked.estimate, checked.lower, checked.upper, checked.p)
    ]
    added: Iterable[tuple[str, ...]] = zip(*numbers, checked.verdict, strict=True)
    out = StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*file.header, *ADDED])
    writer.writerows([*row, *more] for row, more in zip(file.rows, added, strict=True))
    try:
        write_atomically(path, out.getvalue(), mode=0o666)
    except OSError as error:
        raise InvalidFile(
            f"{path} cannot be written: {error.strerror}: name a file in a folder of yours"
        ) from error


def _cell(value: float) -> str:
    return "" if math.isnan(value) else repr(value)

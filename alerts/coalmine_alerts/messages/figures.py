"""Tables and charts before any channel draws them: which cells and points are shown, and both in letters."""

import math
from collections.abc import Sequence
from typing import Final

from coalmine_alerts.messages.texts import cut, one_line, size
from coalmine_alerts.results.story import StoryChart, StoryTable

CELL_LIMIT: Final = 60
MOST_ROWS: Final = 25
MOST_COLUMNS: Final = 8
MOST_SERIES: Final = 6
"""Slack's pages say 6 and, elsewhere, 12."""
MOST_POINTS: Final = 20
NOTHING: Final = "-"
"""Stands where a channel takes no empty text."""
_NUMBER_STARTS: Final = frozenset("+-\u2212$€£<>~≤≥0123456789")
_BARS: Final = "▁▂▃▄▅▆▇█"


def cells(story: StoryTable) -> tuple[tuple[str, ...], ...]:
    """The rows of a table with its head, all of one length, none of them too many."""
    width = min(MOST_COLUMNS, len(story.columns))
    drawn = [
        tuple(one_line(row[place], CELL_LIMIT) if place < len(row) else "" for place in range(width))
        for row in (story.columns, *story.rows[:MOST_ROWS])
    ]
    if width and len(story.rows) > MOST_ROWS:
        more = f"{len(story.rows) - MOST_ROWS:,} more"
        drawn.append((more, *[""] * (width - 1)))
    return tuple(drawn) if width else ()


def right_columns(rows: Sequence[Sequence[str]]) -> list[bool]:
    """Which columns hold numbers: all but the first whose cells mostly begin like one."""
    found = []
    for place, column in enumerate(zip(*rows[1:], strict=True)):
        filled = [cell for cell in column if cell]
        numbers = sum(cell[0] in _NUMBER_STARTS for cell in filled)
        found.append(place > 0 and 2 * numbers > len(filled))
    return found


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """A table in letters that are all as wide."""
    right = right_columns(rows)
    widths = [max(size(row[place]) for row in rows) for place in range(len(right))]
    drawn = []
    for row in rows:
        padded = [
            (" " * (width - size(cell)) + cell) if end else cell + " " * (width - size(cell))
            for cell, width, end in zip(row, widths, right, strict=True)
        ]
        drawn.append("  ".join(padded).rstrip())
    return "\n".join(drawn)


def points(story: StoryChart) -> tuple[list[str], list[tuple[str, list[float]]]] | None:
    """The labels and series of a chart that can be drawn; None if it is less than two points."""
    count = len(story.labels)
    wanted = [(name, values) for name, values in story.series if len(values) == count]
    places = _shared(wanted, count)
    while wanted and len(places) < 2:
        # Without the line that knows least there may be points that the others share.
        wanted.remove(min(wanted, key=lambda one: sum(map(_known, one[1]))))
        places = _shared(wanted, count)
    if not wanted:
        return None
    names = _unique([story.labels[place] for place in places])
    titles = _unique([name for name, _ in wanted[:MOST_SERIES]])
    series = [
        (title, [_rounded(values[place]) for place in places])
        for title, (_, values) in zip(titles, wanted[:MOST_SERIES], strict=True)
    ]
    return names, series


def sparkline(story: StoryChart) -> str | None:
    """A chart in letters: one line for each series, with its first and last value."""
    known = points(story)
    if known is None:
        return None
    names, series = known
    low = min(min(values) for _, values in series)
    high = max(max(values) for _, values in series)
    drawn = []
    for name, values in series:
        steps = [_BARS[round((value - low) / (high - low) * 7) if high > low else 3] for value in values]
        drawn.append(f"{name} {''.join(steps)} {values[0]:g} → {values[-1]:g}")
    return f"{one_line(story.title, 50)} ({names[0]} to {names[-1]}): " + "; ".join(drawn)


def _shared(series: Sequence[tuple[str, Sequence[float | None]]], count: int) -> list[int]:
    """The latest points that every one of these knows."""
    places = [place for place in range(count) if all(_known(values[place]) for _, values in series)]
    return places[-MOST_POINTS:]


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _rounded(value: float | None) -> float:
    return float(f"{value or 0.0:.6g}")


def _unique(names: Sequence[str]) -> list[str]:
    """Names of at most 20 characters, of which no two are the same."""
    taken: list[str] = []
    for name in names:
        wanted = short = one_line(name, 20) or NOTHING
        number = 2
        while short in taken:
            short = f"{cut(wanted, 20 - len(str(number)) - 1)} {number}"
            number += 1
        taken.append(short)
    return taken

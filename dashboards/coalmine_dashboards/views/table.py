"""Rows of the table of versions."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from coalmine_consumers.results import VersionRow
from coalmine_dashboards.formatting import ago, count, milliseconds, moment, money, percent, quality
from coalmine_dashboards.palette import Mode, VersionKey, style_of

__all__ = ["COLUMNS", "Column", "TableRow", "table_rows"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table."""

    title: str
    explanation: str
    """The tooltip."""
    vital: bool = True
    """False: left out on narrow screens."""


COLUMNS = (
    Column("Requests", "Number of calls."),
    Column("Cost", "US dollars; a sum over the calls whose cost is known.", vital=False),
    Column("Cost / request", "US dollars; a mean over the calls whose cost is known, and their number."),
    Column("Latency p50", "Median latency, within 1 %."),
    Column("Latency p95", "95th percentile of latency, within 1 %."),
    Column("Quality", "Mean of the metric or score named quality."),
    Column("Thumbs up", "Share of thumbs up, and the number of thumbs."),
    Column("Errors", "Share of failed calls, and their number."),
    Column("Last call", "Start of the last call.", vital=False),
)
"""The columns after version and model."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure."""

    text: str
    aside: str | None = None
    """Smaller text after it: the number behind the figure. Empty text reserves the space."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One version."""

    prompt: str
    version: str
    models: str
    swatch: str
    """Background of CSS, as its line looks in the charts."""
    cells: tuple[Cell, ...]
    """In the order of `COLUMNS`."""
    explanation: str
    """Tooltip of the version."""


def table_rows(
    versions: Iterable[VersionRow],
    slots: Mapping[VersionKey, int],
    mode: Mode,
    now: datetime,
    when: Callable[[datetime | None], str] = moment,
) -> tuple[TableRow, ...]:
    """Returns the rows of the table in the server's order: by prompt and version.

    Args:
        versions: What was measured.
        slots: Number of each version, which gives its colour.
        mode: Colour mode of the page.
        now: When it was asked for.
        when: Writes a moment, in the viewer's time zone.
    """
    return tuple(
        TableRow(
            prompt=row.prompt,
            version=f"{row.version} (preferred)" if row.preferred else row.version,
            models=", ".join(row.models),
            swatch=style_of(slots[row.prompt, row.version], mode).swatch,
            cells=_cells(row, now),
            explanation=(
                f"In {', '.join(row.environments) or 'no environment'}; "
                f"from {when(row.first_event_time)} to {when(row.last_event_time)}"
            ),
        )
        for row in versions
    )


def _cells(row: VersionRow, now: datetime) -> tuple[Cell, ...]:
    thumbs = row.thumbs_up + row.thumbs_down
    return (
        Cell(count(row.requests)),
        Cell(money(row.cost_usd)),
        Cell(money(row.cost_usd_per_request), _priced(row)),
        Cell(milliseconds(row.latency_ms_p50)),
        Cell(milliseconds(row.latency_ms_p95)),
        Cell(quality(row.quality_mean)),
        Cell(percent(row.thumbs_up_rate), f"of {count(thumbs)}" if thumbs else ""),
        Cell(percent(row.error_rate), f"{count(row.errors)}" if row.errors else ""),
        Cell(ago(row.last_event_time, now)),
    )


def _priced(row: VersionRow) -> str | None:
    """How many calls have a cost, where not all do."""
    return f"of {count(row.priced_requests)}" if 0 < row.priced_requests < row.requests else None

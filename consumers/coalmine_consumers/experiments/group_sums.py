"""The sums of groups of a prompt's requests beside each other: versions, models, environments, segments.

As for two versions (`version_sums`), the functions count that count experiment cells: a group stands in for
an arm, so every metric means what it means there.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import duckdb

from coalmine_consumers.arrays import FloatArray
from coalmine_consumers.experiments.version_sums import Totals, conditions_of, create_view, references_of
from coalmine_consumers.maintenance.recount import Batches, Relations, recount_cells
from coalmine_consumers.sql import fetch_rows, quote_literal, statement

MOST_GROUPS: Final = 12
"""Groups that are compared: those with the most requests."""
MOST_REQUESTS: Final = 200_000
"""About how many requests are counted; of more, some units are left out."""

_PARTS: Final = 1_000
"""Into so many parts units are divided by a hash, of which a sample takes some."""
_ALL = "grouped_requests"
_COUNTED = "counted_groups"
"""Views of the cursor's own."""
_MIX: Final = "all"

SEPARATOR: Final = " / "

Dimension = Literal["version", "model", "environment", "app", "segment"]


@dataclass(frozen=True, slots=True)
class GroupQuestion:
    """Which requests, in which groups."""

    prompt: str
    by: Dimension
    segment: str | None = None
    """Key of the segment that `by` names."""
    version: str | None = None
    environment: str | None = None
    model: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    and_by: Dimension | None = None
    """Second dimension: groups are pairs of values."""


@dataclass(frozen=True, slots=True)
class Group:
    """One group."""

    name: str
    """Empty: requests without the segment. Of two dimensions: both values, between them `SEPARATOR`."""
    requests: int
    units: int
    first_event_time: datetime
    last_event_time: datetime


@dataclass(frozen=True, slots=True, eq=False)
class GroupSums:
    """Sums of groups."""

    groups: tuple[Group, ...]
    """G of them, with the most requests first."""
    left_out: int
    """Groups beyond the most that are compared."""
    metrics: tuple[str, ...]
    """As in the cells; M of them."""
    x: FloatArray
    """Denominators, shape (M, G, 256)."""
    y: FloatArray
    """Numerators, same shape."""
    counted_share: float
    """Share of the units that the sums are of, 0 to 1."""


def group_sums(
    cursor: duckdb.DuckDBPyConnection, question: GroupQuestion, *, most_requests: int = MOST_REQUESTS
) -> GroupSums | None:
    """Sums of groups over the raw requests there still are; None without any.

    Args:
        cursor: For reading; it streams while this runs.
        question: Which requests, in which groups.
        most_requests: About how many are counted; of more, those of some units.
    """
    create_view(cursor, _ALL, f"SELECT * FROM requests WHERE {' AND '.join(_conditions(question))}")  # noqa: S608
    group = _expression(question)
    query = statement("request_groups", __package__).format(requests=_ALL, group=group)
    found = [Group(**row) for row in fetch_rows(cursor, query, {})]
    if not found:
        return None
    kept = found[:MOST_GROUPS]
    names = [each.name for each in kept]
    parts = min(_PARTS, max(1, _PARTS * most_requests // sum(each.requests for each in kept)))
    listed = ", ".join(map(quote_literal, names))
    conditions = [f"{group} IN ({listed})"]
    if parts < _PARTS:
        conditions.append(f"hash(coalesce(unit_id, request_id::VARCHAR)) % {_PARTS} < {parts}")
    columns = f"{quote_literal(_MIX)} AS experiment, 0 AS allocation_epoch, {group} AS variant"
    create_view(
        cursor,
        _COUNTED,
        f"SELECT * REPLACE ({columns}) FROM {_ALL} WHERE {' AND '.join(conditions)}",  # noqa: S608
    )
    total = Totals([_MIX], names)
    references = references_of(cursor, _COUNTED, [_MIX])
    for counted in recount_cells(cursor, Relations(requests=_COUNTED), Batches(), references):
        if (cells := counted.tables.get("experiment_cells")) is not None:
            total.add(cells)
    metrics, x, y = total.arrays()
    return GroupSums(tuple(kept), len(found) - len(kept), metrics, x[:, 0], y[:, 0], parts / _PARTS)


def segment_keys(cursor: duckdb.DuckDBPyConnection, question: GroupQuestion, most_values: int) -> list[str]:
    """Segments that tell the requests apart, those of most requests first."""
    create_view(cursor, _ALL, f"SELECT * FROM requests WHERE {' AND '.join(_conditions(question))}")  # noqa: S608
    rows = fetch_rows(cursor, statement("version_segments", __package__).format(requests=_ALL), {})
    return [row["key"] for row in rows if 1 < row["different"] <= most_values]


def _expression(question: GroupQuestion) -> str:
    first = _value(question, question.by)
    if question.and_by is None:
        return first
    return f"concat({first}, {quote_literal(SEPARATOR)}, {_value(question, question.and_by)})"


def _value(question: GroupQuestion, dimension: Dimension) -> str:
    match dimension:
        case "model":
            return "coalesce(response_model, request_model)"
        case "segment":
            key = quote_literal(question.segment or "")
            return f"coalesce(list_filter(segments, lambda entry: entry.key = {key})[1].value, '')"
        case column:
            return column


def _conditions(question: GroupQuestion) -> list[str]:
    conditions = conditions_of(question.prompt, question.environment, question.since, question.until)
    if question.version is not None:
        conditions.append(f"version = {quote_literal(question.version)}")
    if question.model is not None:
        conditions.append(f"coalesce(response_model, request_model) = {quote_literal(question.model)}")
    return conditions

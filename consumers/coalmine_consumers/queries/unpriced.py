"""Calls whose cost is not known, by model."""

from coalmine_consumers.queries.cover import cover
from coalmine_consumers.queries.filters import Filters
from coalmine_consumers.queries.measures import kept_from, piece_rows
from coalmine_consumers.results import UnpricedRow
from coalmine_consumers.sql import statement
from coalmine_consumers.store.reader import Reader


def unpriced(reader: Reader, filters: Filters, *, limit: int) -> list[UnpricedRow]:
    """Returns the models with calls whose cost is not known, the most used first.

    Args:
        reader: Of the store.
        filters: Which requests.
        limit: Maximum number of models.
    """
    with reader.snapshot() as snapshot:
        pieces = cover(filters.since, filters.until, kept_from(snapshot))
        if not pieces:
            return []
        parameters = {**filters.parameters(), "pieces": piece_rows(pieces)}
        rows = snapshot.rows(statement("unpriced", __package__), parameters)
    return [
        UnpricedRow(model=row["model"], **{name: int(row[name]) for name in row if name != "model"})
        for row in rows[:limit]
    ]

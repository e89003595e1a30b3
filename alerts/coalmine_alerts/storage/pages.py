"""Pages of lists."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select

from coalmine_registry.operations.pages import page_size
from coalmine_schemas.paging import Key, encode_cursor
from coalmine_schemas.results import Page

Item = TypeVar("Item")

DEFAULT_LIMIT = 100


def page_of(
    connection: Connection,
    query: Select[Any],
    limit: int,
    make: Callable[[Row[Any]], Item],
    key: Callable[[Row[Any]], Sequence[Key]],
) -> Page[Item]:
    """Runs a query for one page.

    Args:
        connection: Where to run it.
        query: Ordered, and without the rows up to the cursor.
        limit: Maximum number of rows.
        make: Makes the item of a row.
        key: Returns the sort key of a row.

    Raises:
        Invalid: `limit` is not a positive integer.
    """
    size = page_size(limit)
    rows = connection.execute(query.limit(size + 1)).all()
    kept = rows[:size]
    following = encode_cursor(key(kept[-1])) if len(rows) > size else None
    return Page([make(row) for row in kept], following)

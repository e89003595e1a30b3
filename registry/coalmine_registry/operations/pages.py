"""Pages of lists: rows in a fixed order, after the row that a cursor names."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select

from coalmine_registry import defaults
from coalmine_registry.errors import Invalid
from coalmine_registry.operations.inputs import is_storable
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.paging import Key, decode_cursor, encode_cursor
from coalmine_schemas.results import Page

Item = TypeVar("Item")
_KeyType = TypeVar("_KeyType", str, int)


def page_size(limit: object) -> int:
    """Returns the number of rows in a page.

    Raises:
        Invalid: `limit` is not a positive integer.
    """
    if isinstance(limit, int) and not isinstance(limit, bool) and limit >= 1:
        return min(limit, defaults.LONGEST_PAGE)
    raise Invalid("limit", limit, f"give 1 to {defaults.LONGEST_PAGE}")


def cursor_key(cursor: str | None, kind: type[_KeyType]) -> _KeyType | None:
    """Returns the sort key of the row that a cursor names; None without a cursor.

    Raises:
        Invalid: The cursor is not one that a list with such keys returned.
    """
    if cursor is None:
        return None
    try:
        (key,) = decode_cursor(cursor, [kind])
    except InvalidParameter as error:
        raise invalid_cursor(cursor) from error
    # Anything that the database could not compare was not made here.
    if type(key) is kind and (is_storable(key) if kind is str else 0 <= int(key) < 2**63):
        return key
    raise invalid_cursor(cursor)


def invalid_cursor(cursor: str) -> Invalid:
    """Returns the error for a cursor that does not belong to the list."""
    return Invalid("cursor", cursor, "pass the `next_cursor` of the previous page")


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

"""The Parquet files that hold raw rows."""

from coalmine_consumers.raw import IngestedEvent
from coalmine_consumers.results import SegmentRow
from coalmine_consumers.sql import statement
from coalmine_consumers.store.reader import Reader
from coalmine_schemas.paging import decode_cursor, encode_cursor
from coalmine_schemas.results import Page


def segment_files(
    reader: Reader, event: IngestedEvent | None = None, *, limit: int, cursor: str | None = None
) -> Page[SegmentRow]:
    """Returns live segment files by path, that is by event and day.

    Args:
        reader: Of the store.
        event: Only files of this event.
        limit: Maximum number of files.
        cursor: The `next_cursor` of the previous page.

    Raises:
        InvalidParameter: `cursor` is not one of this list.
    """
    after = "" if cursor is None else decode_cursor(cursor, (str,))[0]
    parameters = {"event": event, "after": after, "limit": limit + 1}
    found = [SegmentRow(**row) for row in reader.rows(statement("segment_files", __package__), parameters)]
    return Page(found[:limit], encode_cursor([found[limit - 1].path]) if len(found) > limit else None)

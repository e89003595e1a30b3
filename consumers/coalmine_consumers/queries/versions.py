"""Versions of prompts, compared over a period."""

from coalmine_consumers.queries.cover import cover
from coalmine_consumers.queries.filters import Filters
from coalmine_consumers.queries.measures import (
    KEYS,
    PREFERRED_KEY,
    kept_from,
    matching_versions,
    measured_groups,
    versions_of_days,
)
from coalmine_consumers.queries.version_order import cursor_name, place_after
from coalmine_consumers.results import VersionRow
from coalmine_consumers.store.reader import Reader
from coalmine_schemas.limits import NAME_CHARS
from coalmine_schemas.paging import decode_cursor, encode_cursor
from coalmine_schemas.results import Page

MOST_ROWS = 10_000
"""Rows of a page, unless a caller asks for another number."""


def versions(
    reader: Reader,
    filters: Filters | None = None,
    *,
    by_model: bool = False,
    limit: int = MOST_ROWS,
    cursor: str | None = None,
) -> Page[VersionRow]:
    """Returns measures of every version that had requests, by prompt and by precedence of the version.

    Requests whose users preferred a version are a row of their own: they are others than those assigned it.

    Args:
        reader: Of the store.
        filters: Which requests; all by default.
        by_model: True for one row per version and model.
        limit: Maximum number of versions.
        cursor: The `next_cursor` of the previous page.

    Raises:
        InvalidParameter: `cursor` is not one of this list.
    """
    filters = filters or Filters()
    after = None if cursor is None else decode_cursor(cursor, (str, str))
    with reader.snapshot() as snapshot:
        pieces = cover(filters.since, filters.until, kept_from(snapshot))
        # Mostly they are so few that all are on one page, whichever of them had requests in the period.
        names = versions_of_days(snapshot, filters, limit + 1) if after is None and pieces else []
        few = after is None and len(names) <= limit
        begin, enough = (None, limit + 1) if after is None else _beginning(after[0], limit)
        if not few:
            names = matching_versions(snapshot, filters, pieces, from_prompt=begin, enough=enough)
        if after is not None:
            names = names[place_after(names, after) :]
        keys = (*KEYS, *(["model"] if by_model else []), PREFERRED_KEY)
        groups = measured_groups(snapshot, filters, pieces, names[:limit], bucket_s=None, keys=keys)
    places = {name: place for place, name in enumerate(names[:limit])}
    found = sorted(groups.items(), key=lambda each: (places[each[0][1:3]], *each[0][3:]))
    rows = [
        VersionRow(
            prompt=prompt,
            version=version,
            environments=group.totals["environments"],
            models=group.totals["models"],
            variants=group.totals["variants"],
            preferred=preferred,
            first_event_time=group.totals["first_event_time"],
            last_event_time=group.totals["last_event_time"],
            **group.measures,
        )
        for (_, prompt, version, *_, preferred), group in found
    ]
    return Page(rows, encode_cursor(cursor_name(names[limit - 1])) if len(names) > limit else None)


def _beginning(prompt: str, limit: int) -> tuple[str, int | None]:
    """From which prompt to look on, and for how many versions of prompts after it; None for all."""
    # A cursor may have shortened it, so that what it begins with stands before the prompt itself.
    return (prompt, limit + 1) if len(prompt) < NAME_CHARS else (prompt[: NAME_CHARS // 2], None)

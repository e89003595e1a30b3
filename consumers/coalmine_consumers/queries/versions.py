"""Versions of prompts, compared over a period."""

from dataclasses import replace

from coalmine_consumers.queries.cover import cover
from coalmine_consumers.queries.filters import Filters
from coalmine_consumers.queries.measures import kept_from, matching_versions, measured_groups
from coalmine_consumers.queries.version_order import cursor_name, place_after
from coalmine_consumers.results import VersionRow
from coalmine_consumers.store.reader import Reader
from coalmine_schemas.limits import NAME_CHARS
from coalmine_schemas.paging import decode_cursor, encode_cursor
from coalmine_schemas.prompts import PREFERRED
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
        # What the prompt begins with, which a cursor may have shortened.
        begin = None if after is None else after[0][: NAME_CHARS // 2]
        names = matching_versions(snapshot, filters, pieces, from_prompt=begin, enough=limit + 1)
        if after is not None:
            names = names[place_after(names, after) :]
        groups = measured_groups(snapshot, filters, pieces, names[:limit], bucket_s=None)
        parts = [filters]
        if by_model:
            models = sorted({model for group in groups.values() for model in group.totals["models"]})
            parts = [replace(filters, model=model) for model in models]
        if any(PREFERRED in group.totals["variants"] for group in groups.values()):
            parts = [replace(part, preferred=each) for part in parts for each in (False, True)]
        found = [
            (part, measured_groups(snapshot, part, pieces, names[:limit], bucket_s=None))
            for part in parts
            if part is not filters
        ] or [(filters, groups)]
    rows = [
        VersionRow(
            prompt=prompt,
            version=version,
            environments=group.totals["environments"],
            models=group.totals["models"],
            variants=group.totals["variants"],
            preferred=bool(part.preferred),
            first_event_time=group.totals["first_event_time"],
            last_event_time=group.totals["last_event_time"],
            **group.measures,
        )
        for prompt, version in names[:limit]
        for part, measured in found
        if (group := measured.get((None, prompt, version))) is not None
    ]
    return Page(rows, encode_cursor(cursor_name(names[limit - 1])) if len(names) > limit else None)

"""Measures over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from coalmine_consumers.queries.cover import BEGINNING, END, KeptFrom, Piece, floor
from coalmine_consumers.queries.filters import Filters
from coalmine_consumers.queries.measures import (
    METRICS,
    Group,
    Name,
    kept_from,
    measured_groups,
    versions_of_days,
)
from coalmine_consumers.queries.steps import RESOLUTION_OF, STEP_S, ceiling_to_step, floor_to_step
from coalmine_consumers.queries.version_order import cursor_name, place_after
from coalmine_consumers.queries.versions import MOST_ROWS
from coalmine_consumers.results import Step, StepChoice, Timeseries, TimeseriesRow
from coalmine_consumers.sql import Source, statement
from coalmine_consumers.store.reader import Reader
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.paging import BAD_CURSOR, decode_cursor, encode_cursor

MOST_POINTS = 180
"""With the step chosen automatically, a line has at most about this many points."""

_SPAN = """
SELECT min(first_event_time) AS first, max(last_event_time) AS last FROM rollups WHERE resolution = 'day'
"""

_Key = tuple[datetime, str, str]
"""Start of the bucket, prompt, version."""


def timeseries(
    reader: Reader,
    filters: Filters | None = None,
    step: StepChoice = "auto",
    *,
    metrics: Sequence[str] = METRICS,
    limit: int = MOST_ROWS,
    cursor: str | None = None,
) -> Timeseries:
    """Returns measures of every version in every bucket that had requests, by time, prompt and version.

    A step finer than what is still kept for the start of the period becomes the finest that is.

    Args:
        reader: Of the store.
        filters: Which requests; all by default.
        step: Length of a bucket; later pages keep that of the first.
        metrics: Of `METRICS`, those whose quantiles are found; those of the others are None.
        limit: Maximum number of rows.
        cursor: The `next_cursor` of the previous page.

    Raises:
        InvalidParameter: `cursor` is not one of this list.
    """
    filters = filters or Filters()
    chosen, after = (None, None) if cursor is None else _decoded(cursor)
    with reader.snapshot() as snapshot:
        first, last = span_of(snapshot, filters.since, filters.until)
        chosen = chosen or choose_step(first, last, step, kept_from(snapshot))
        series = _Series(snapshot, filters, chosen, metrics)
        names = series.names()
        buckets = (last - first) / timedelta(seconds=STEP_S[chosen]) + 2  # those at the ends are begun
        if after is None and buckets * len(names) <= limit:
            rows = series.all_rows(names)
            return Timeseries(chosen, rows[:limit], _next(chosen, [_key(row) for row in rows], limit))
        keys = series.keys(names, after, limit + 1)
        rows = series.rows(keys[:limit])
    return Timeseries(chosen, rows, _next(chosen, keys, limit))


@dataclass(frozen=True, slots=True)
class _Series:
    """A time series at one step, read page by page."""

    source: Source
    filters: Filters
    step: Step
    metrics: Sequence[str]

    @property
    def piece(self) -> Piece:
        """The whole period."""
        filters = self.filters
        since = BEGINNING if filters.since is None else floor_to_step(filters.since, self.step)
        until = END if filters.until is None else ceiling_to_step(filters.until, self.step)
        return Piece(RESOLUTION_OF[self.step], since, until)

    def names(self) -> list[Name]:
        """Versions that may have had requests, in order: their rows tell which had."""
        return versions_of_days(self.source, self.filters)

    def all_rows(self, names: Sequence[Name]) -> list[TimeseriesRow]:
        """All rows, in order."""
        groups = self._groups(self.piece, names)
        places = {name: place for place, name in enumerate(names)}
        return [
            _row(key, groups[key]) for key in sorted(groups, key=lambda key: (key[0], places[key[1], key[2]]))
        ]

    def keys(self, names: Sequence[Name], after: _Key | None, limit: int) -> list[_Key]:
        """The first rows after a key, in order."""
        if not names:
            return []
        filters, piece = self.filters, self.piece
        parameters: dict[str, Any] = {
            "resolution": piece.resolution,
            "since": piece.since,
            "until": piece.until,
            "environment": filters.environment,
            "app": filters.app,
            "model": filters.model,
            "bucket_s": STEP_S[self.step],
            "versions": [
                {"prompt": prompt, "version": version, "place": place}
                for place, (prompt, version) in enumerate(names)
            ],
            "after_bucket": None,
            "after_place": None,
            "limit": limit,
        }
        if after is not None:
            bucket, *name = after
            place = place_after(names, name) - 1
            parameters |= {"after_bucket": bucket, "after_place": place}
        rows = self.source.rows(statement("timeseries_keys", __package__), parameters)
        return [(row["bucket"], row["prompt"], row["version"]) for row in rows]

    def rows(self, keys: list[_Key]) -> list[TimeseriesRow]:
        """The rows of some keys that follow each other."""
        if not keys:
            return []
        length_s = STEP_S[self.step]
        first, last = keys[0][0], keys[-1][0]
        until = last + min(timedelta(seconds=length_s), END - last)  # a bucket may end with time itself
        piece = Piece(RESOLUTION_OF[self.step], first, until)
        names = sorted({(prompt, version) for _, prompt, version in keys})
        groups = self._groups(piece, names)
        return [_row(key, groups[key]) for key in keys]

    def _groups(self, piece: Piece, names: Sequence[Name]) -> Mapping[tuple[Any, ...], Group]:
        bucket_s = STEP_S[self.step]
        return measured_groups(
            self.source, self.filters, [piece], names, bucket_s=bucket_s, metrics=self.metrics, seen=False
        )


def _row(key: tuple[Any, ...], group: Group) -> TimeseriesRow:
    bucket, prompt, version = key
    return TimeseriesRow(bucket_start=bucket, prompt=prompt, version=version, **group.measures)


def _key(row: TimeseriesRow) -> _Key:
    return row.bucket_start, row.prompt, row.version


def _next(step: Step, keys: Sequence[_Key], limit: int) -> str | None:
    """The cursor of the page after the first `limit` keys."""
    return _encoded(step, keys[limit - 1]) if len(keys) > limit else None


def _encoded(step: Step, key: _Key) -> str:
    return encode_cursor((step, int(key[0].timestamp()), *cursor_name(key[1:])))


def _decoded(cursor: str) -> tuple[Step, _Key]:
    step, second, prompt, version = decode_cursor(cursor, (str, int, str, str))
    try:
        bucket = datetime.fromtimestamp(second, UTC)
    except (OverflowError, OSError, ValueError):
        bucket = None
    if step not in get_args(Step) or bucket is None:
        raise InvalidParameter(BAD_CURSOR)
    return step, (bucket, prompt, version)


def span_of(source: Source, since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    """Returns what there is of a period: from its first call to its last."""
    (span,) = source.rows(_SPAN)
    now = datetime.now(UTC)
    return max(span["first"] or now, since or BEGINNING), min(span["last"] or now, until or END)


def choose_step(
    first: datetime, last: datetime, step: StepChoice, kept: KeptFrom, most_points: int = MOST_POINTS
) -> Step:
    """The finest step that is complete from `first` on and, for "auto", gives few enough points."""
    for candidate, length_s in STEP_S.items():
        if step != "auto" and length_s < STEP_S[step]:
            continue
        fits = step != "auto" or last - first <= most_points * timedelta(seconds=length_s)
        resolution = RESOLUTION_OF[candidate]
        if fits and kept.get(resolution, BEGINNING) <= floor(first, resolution):
            return candidate
    return "day"

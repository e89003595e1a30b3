"""Measures of requests by one or two dimensions: from rollups, or from raw calls for segments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from coalmine_consumers.queries.cover import Piece, cover
from coalmine_consumers.queries.filters import Filters
from coalmine_consumers.queries.measures import (
    PREFERRED_KEY,
    Group,
    kept_from,
    matching_versions,
    measured,
    rollup_parameters,
)
from coalmine_consumers.queries.version_order import cursor_name, version_key
from coalmine_consumers.results import QuantityRow
from coalmine_consumers.sql import Source, quote_literal, statement
from coalmine_consumers.store.reader import Reader
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.paging import decode_cursor, encode_cursor
from coalmine_schemas.results import Page

MOST_GROUPS: Final = 10_000
"""More groups than this are refused: each holds histograms while it is counted."""
MOST_CALLS: Final = 20_000_000
"""Raw calls that one question may read; about 15 s on two cores."""
SEGMENT: Final = "segment:"
"""Begins the name of the dimension that a segment is."""

_Dimension = Literal["prompt", "version", "model", "environment", "app"]
_NAMES: Final[tuple[str, ...]] = get_args(_Dimension)


@dataclass(frozen=True, slots=True)
class Dimensions:
    """What tells rows apart, and the segments that requests must have."""

    named: tuple[str, ...]
    """Columns, in the order of rows: `prompt`, `version`, `model`, `environment`, `app`, `segment`."""
    segment: str | None = None
    """Key of the segment among them."""
    only: Mapping[str, str] = field(default_factory=dict)
    """Values that segments must have, by key."""

    @property
    def of_calls(self) -> bool:
        """True where only raw calls tell: rollups are kept without segments."""
        return self.segment is not None or bool(self.only)

    @classmethod
    def parse(cls, by: Sequence[str], segments: Sequence[str] = ()) -> "Dimensions":
        """Reads dimensions as people write them.

        Args:
            by: One or two of `prompt`, `version`, `model`, `environment`, `app` and `segment:KEY`. None, or
                one that is neither prompt nor version, are within each version.
            segments: `KEY=VALUE`, each.

        Raises:
            InvalidParameter: Something else is among them, or more than two, or one of them twice.
        """
        if len(by) > 2 or len(set(by)) < len(by):
            raise InvalidParameter(f"by: {', '.join(by)}: give one or two dimensions, each once")
        for name in by:
            if name not in _NAMES and not (name.startswith(SEGMENT) and len(name) > len(SEGMENT)):
                raise InvalidParameter(
                    f"by: {name}: give {', '.join(_NAMES)} or {SEGMENT}KEY, e.g. segment:tier"
                )
        keys = [name.removeprefix(SEGMENT) for name in by if name.startswith(SEGMENT)]
        if len(keys) > 1:
            raise InvalidParameter(
                f"by: {', '.join(by)}: only one of them may be a segment; filter by the other"
            )
        pairs = [each.partition("=") for each in segments]
        for key, equals, _ in pairs:
            if not key or not equals:
                raise InvalidParameter(f"segment: {key}: give KEY=VALUE, e.g. tier=enterprise")
        only = {key: value for key, _, value in pairs}
        if len(only) < len(pairs):
            raise InvalidParameter("segment: a key is given twice, and a call has one value of it")
        within = set(by) if len(by) == 2 or "prompt" in by else {"version", *by}
        wanted = {"segment" if name.startswith(SEGMENT) else name for name in within}
        if "version" in wanted:
            wanted.add("prompt")  # one version of two prompts is two versions
        return cls(
            tuple(name for name in (*_NAMES, "segment") if name in wanted), keys[0] if keys else None, only
        )


def quantities(
    reader: Reader,
    filters: Filters,
    dimensions: Dimensions,
    *,
    limit: int = MOST_GROUPS,
    cursor: str | None = None,
    most_calls: int = MOST_CALLS,
) -> Page[QuantityRow]:
    """Returns measures of the groups of requests that dimensions tell apart, in the order of their names.

    Where versions are told apart, requests whose users preferred one are a row of their own. The period is
    the one that rollups have (whole minutes, hours or days), of raw calls, too; those are kept for a while.

    Args:
        reader: Of the store.
        filters: Which requests.
        dimensions: What tells rows apart.
        limit: Maximum number of rows.
        cursor: The `next_cursor` of the previous page.
        most_calls: Raw calls that may be read.

    Raises:
        InvalidParameter: `cursor` is not one of this list, or there are too many groups or raw calls.
    """
    keys = (*dimensions.named, *(["preferred"] if "version" in dimensions.named else []))
    after = None if cursor is None else decode_cursor(cursor, (str,) * len(keys))
    with reader.snapshot() as snapshot:
        pieces = cover(filters.since, filters.until, kept_from(snapshot))
        count = _of_calls if dimensions.of_calls else _of_rollups
        groups = count(snapshot, filters, dimensions, pieces, keys, most_calls) if pieces else {}
    found = sorted(groups.items(), key=lambda item: _order(keys, item[0][1:]))
    place = 0
    if after is not None:
        names = [cursor_name(list(map(str, key[1:]))) for key, _ in found]
        place = names.index(list(after)) + 1 if list(after) in names else len(names)
    shown = found[place : place + limit]
    more = len(found) > place + limit
    rows = [_row(keys, key[1:], group) for key, group in shown]
    return Page(rows, encode_cursor(cursor_name(list(map(str, shown[-1][0][1:])))) if more else None)


def _of_rollups(
    source: Source, filters: Filters, _: Dimensions, pieces: Sequence[Piece], keys: Sequence[str], __: int
) -> dict[tuple[Any, ...], Group]:
    versions = matching_versions(source, filters, pieces)
    columns = [PREFERRED_KEY if key == "preferred" else key for key in keys]
    parameters = rollup_parameters(filters, pieces, versions, None)
    return measured(source, parameters, columns, most=MOST_GROUPS) if versions else {}


def _of_calls(  # noqa: PLR0917 - as the other
    source: Source,
    filters: Filters,
    dimensions: Dimensions,
    pieces: Sequence[Piece],
    keys: Sequence[str],
    most_calls: int,
) -> dict[tuple[Any, ...], Group]:
    period = {"since": pieces[0].since, "until": pieces[-1].until}
    (there,) = source.rows(statement("calls_in_period", __package__), period)
    if there["calls"] > most_calls:
        raise InvalidParameter(
            f"about {there['calls']:,} raw calls are in that period, and a question by segment may read "
            f"{most_calls:,}: give a later `since`, or an earlier `until`"
        )
    parameters = {**filters.parameters(), **period}
    calls = chosen_calls(dimensions.segment, dimensions.only)
    return measured(source, parameters, keys, calls=calls, most=MOST_GROUPS)


def chosen_calls(segment: str | None, only: Mapping[str, str]) -> str:
    """Returns the statement of that name.

    Args:
        segment: Key of the segment that becomes a column.
        only: Values that segments must have, by key; empty: calls without it.
    """
    # Literals: with two of them in a list that is bound, DuckDB 2.0.0 ends with an internal error.
    conditions = [f"{_value_of(key)} = {quote_literal(value)}" for key, value in only.items()]
    text = statement("chosen_calls", __package__)
    return text.format(segment=_value_of(segment or ""), only=" AND ".join(conditions) or "TRUE")


def _value_of(segment: str) -> str:
    key = quote_literal(segment)
    return f"coalesce(list_filter(segments, lambda entry: entry.key = {key})[1].value, '')"


def _order(keys: Sequence[str], values: Sequence[Any]) -> tuple[Any, ...]:
    pairs = zip(keys, values, strict=True)
    return tuple(version_key(value) if key == "version" else (value,) for key, value in pairs)


def _row(keys: Sequence[str], values: Sequence[Any], group: Group) -> QuantityRow:
    known: dict[str, Any] = dict(zip(keys, values, strict=True))
    names: dict[str, Any] = {name: known.get(name) for name in (*_NAMES, "segment")}
    return QuantityRow(
        **names,
        environments=group.totals["environments"],
        models=group.totals["models"],
        variants=group.totals["variants"],
        preferred=bool(known.get("preferred", False)),
        first_event_time=group.totals["first_event_time"],
        last_event_time=group.totals["last_event_time"],
        **group.measures,
    )

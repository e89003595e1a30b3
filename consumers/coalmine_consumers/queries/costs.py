"""What calls cost, by one dimension at a time: from rollups, or from raw rows what only those tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import sqrt
from typing import Any, Final

from coalmine_consumers.queries.cover import BEGINNING, END, KeptFrom, Piece, cover
from coalmine_consumers.queries.filters import Filters
from coalmine_consumers.queries.measures import NANO, kept_from, piece_rows
from coalmine_consumers.queries.steps import RESOLUTION_OF, STEP_S, ceiling_to_step, floor_to_step
from coalmine_consumers.queries.timeseries import choose_step, span_of
from coalmine_consumers.results import CostDimension, CostPoint, CostRow, Costs, Step
from coalmine_consumers.sql import Source, statement
from coalmine_consumers.store.reader import Reader

RAW_FOR: Final = timedelta(days=7)
"""Raw rows are read for so long at most: they are many."""
MOST_BUCKETS: Final = 60
MOST_LINES: Final = 7
"""Groups that the series tells apart: a chart with more than about eight lines is not readable."""
_MOST_KEYS: Final = 50


def costs(
    reader: Reader,
    filters: Filters,
    by: CostDimension,
    *,
    segment: str | None = None,
    limit: int = 100,
    private: bool = False,
    over_time: bool = True,
    now: datetime | None = None,
) -> Costs:
    """Returns what the groups of a dimension cost.

    Args:
        reader: Of the store.
        filters: Which requests.
        by: The dimension.
        segment: Key of the segment to group by; None: the one that most calls have.
        limit: Maximum number of groups.
        private: True to name users; else they are numbered.
        over_time: False to leave the series out.
        now: The time; from the machine's clock if omitted.
    """
    now = now or datetime.now(UTC)
    with reader.snapshot() as snapshot:
        keys: list[str] = []
        since = filters.since
        if by in ("segment", "user"):
            since = max(since or BEGINNING, (filters.until or now) - RAW_FOR)
            if by == "segment":
                keys = _segment_keys(snapshot, since, filters.until)
                segment = segment or (keys[0] if keys else None)
        kept = kept_from(snapshot)
        asked = _Asked(snapshot, filters, by, segment if by == "segment" else None, since, kept)
        rows = asked.groups(limit)
        first, last = span_of(snapshot, filters.since if since is None else since, filters.until)
        step = choose_step(first, last, "auto", kept, MOST_BUCKETS)
        shown = [{"prompt": row["prompt"], "name": row["name"]} for row in rows[:MOST_LINES]]
        points = asked.groups(MOST_LINES + 1, step=step, shown=shown) if rows and over_time else []
    numbered = by == "user" and not private
    ranks = {row["name"]: f"#{place}" for place, row in enumerate(rows, 1)} if numbered else {}
    every = rows[0] if rows else {"groups": 0, "all_requests": 0, "all_priced_requests": 0}
    known = bool(every["all_priced_requests"])
    return Costs(
        by=by,
        segment=asked.segment,
        segment_keys=keys,
        since=since,
        groups=int(every["groups"]),
        requests=int(every["all_requests"]),
        priced_requests=int(every["all_priced_requests"]),
        cost_usd=_usd(every["all_cost_nano_usd"]) if known else None,
        items=[_row(row, ranks.get(row["name"], row["name"])) for row in rows],
        step=step,
        series=[
            CostPoint(
                bucket_start=row["bucket"],
                name=ranks.get(row["name"], row["name"]),
                prompt=row["prompt"] or None,
                others=row["others"],
                requests=int(row["requests"]),
                cost_usd=_usd(row["cost_nano_usd"]),
            )
            for row in points
        ],
    )


def costliest_models(reader: Reader, filters: Filters, limit: int) -> list[str]:
    """Returns the models that answered, those that cost most first: the names that `costs` gives.

    Args:
        reader: Of the store.
        filters: Which requests.
        limit: Maximum number of models.
    """
    with reader.snapshot() as snapshot:
        pieces = cover(filters.since, filters.until, kept_from(snapshot))
        parameters = {**filters.parameters(), "pieces": piece_rows(pieces), "limit": limit}
        rows = snapshot.rows(statement("costliest_models", __package__), parameters) if pieces else []
    return [row["model"] for row in rows]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question, read with time told apart and without."""

    source: Source
    filters: Filters
    by: CostDimension
    segment: str | None
    since: datetime | None
    kept: KeptFrom

    def groups(
        self, limit: int, *, step: Step | None = None, shown: Sequence[dict[str, str]] | None = None
    ) -> list[dict[str, Any]]:
        parameters: dict[str, Any] = {**self.filters.parameters(), "by": self.by}
        over_time = {"bucket_s": None if step is None else STEP_S[step], "shown": shown}
        if self.by in ("segment", "user"):
            parameters |= {"segment": self.segment, "since": self.since, "until": self.filters.until}
            text = statement("costs_of_calls", __package__)
            return self.source.rows(text, {**parameters, **over_time, "limit": limit})
        pieces = self._pieces(step)
        if not pieces:
            return []
        parameters["pieces"] = piece_rows(pieces)
        if step is None:
            return self.source.rows(statement("costs", __package__), {**parameters, "limit": limit})
        # The groups that are shown, and one of the others: there is nothing to leave out.
        return self.source.rows(statement("costs_over_time", __package__), {**parameters, **over_time})

    def _pieces(self, step: Step | None) -> list[Piece]:
        since, until = self.since, self.filters.until
        if step is None:
            return cover(since, until, self.kept)
        start = BEGINNING if since is None else floor_to_step(since, step)
        return [Piece(RESOLUTION_OF[step], start, END if until is None else ceiling_to_step(until, step))]


def _segment_keys(source: Source, since: datetime, until: datetime | None) -> list[str]:
    parameters = {"since": since, "until": until, "limit": _MOST_KEYS}
    return [row["key"] for row in source.rows(_KEYS, parameters)]


_KEYS: Final = """
SELECT entry.key FROM (
    SELECT unnest(segments) AS entry FROM requests
    WHERE event_time >= $since AND ($until IS NULL OR event_time < $until)
)
GROUP BY entry.key ORDER BY count(*) DESC, entry.key LIMIT $limit"""


_TOKENS: Final = (
    "input_tokens_per_request",
    "cached_input_tokens_per_request",
    "output_tokens_per_request",
)


def _row(row: dict[str, Any], name: str | None) -> CostRow:
    n = int(row["priced_requests"])
    nano = int(row["cost_nano_usd"])
    return CostRow(
        name=name,
        prompt=row["prompt"] or None,
        requests=int(row["requests"]),
        errors=int(row["errors"]),
        priced_requests=n,
        models=row["models"],
        **{name: row[name] for name in _TOKENS},
        cost_usd=_usd(nano) if n else None,
        cost_nano_usd=nano if n else None,
        cost_usd_per_request=float(Decimal(nano) / NANO / n) if n else None,
        cost_usd_per_request_sd=sqrt(row["cost_m2"] / (n - 1)) / 1e9 if n > 1 else None,
    )


def _usd(nano: int) -> float:
    return float(Decimal(int(nano)) / NANO)

"""Dimensions of requests: segments, applications, models and versions, with their values."""

import math
from dataclasses import dataclass

import duckdb

from coalmine_consumers.sql import fetch_rows, quote_identifier, statement

MOST_TESTED = 20
"""Values of one dimension that are looked at one by one: those with most requests."""
MOST_KEYS = 20
"""Segment keys that are looked at: those with most requests."""
MOST_DIFFERENT = 1_000
"""A key with more values than that tells users apart, not kinds of traffic."""
MOST_TRAFFIC_VALUES = 12
"""Values of one key that the mix of traffic tells apart; the others count as one."""
MOST_MIXES = 600
"""Combinations of their values, likewise."""
LEAST_COVERED = 0.5
"""Values that are told apart must have this share of a key's requests."""

OTHER = "(other)"
"""Stands for all values that are not told apart."""
APP = "app"
MODEL = "model"
TIME = "time"
"""The period of a request, where versions are compared that ran at the same time."""
VERSION = "version"

SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a dimension."""

    value: str
    """Empty where a request does not have the key."""
    requests: int
    x_a: float
    """Denominator of the metric on side a."""
    x_b: float


@dataclass(frozen=True, slots=True)
class Dimension:
    """A property by which requests differ."""

    name: str
    is_segment: bool
    values: tuple[Value, ...]
    """By requests, most first."""

    @property
    def different(self) -> int:
        """How many values it has."""
        return len(self.values)

    def covered(self, most: int) -> float:
        """Share of requests that its most common values have."""
        requests = [value.requests for value in self.values]
        return sum(requests[:most]) / sum(requests)

    @property
    def moved(self) -> float:
        """How far its mix moved from a to b: total variation distance of its values, 0 to 1."""
        total_a, total_b = (
            sum(side) or 1.0 for side in zip(*((v.x_a, v.x_b) for v in self.values), strict=True)
        )
        return 0.5 * sum(abs(value.x_b / total_b - value.x_a / total_a) for value in self.values)

    def clearly_moved(self, size: "Size") -> float:
        """The same, less what chance alone would move: more for many values, and for few units."""
        total_a, total_b = (
            sum(side) or 1.0 for side in zip(*((v.x_a, v.x_b) for v in self.values), strict=True)
        )
        by_chance = 0.0
        for value in self.values:
            share = (value.x_a + value.x_b) / (total_a + total_b)
            by_chance += math.sqrt(share * (1 - share) * (1 / size.units_a + 1 / size.units_b))
        # The mean size of a normal deviate is sqrt(2 / pi) times its standard deviation.
        return self.moved - 0.5 * math.sqrt(2 / math.pi) * by_chance

    @property
    def expression(self) -> str:
        """Its value, in SQL over `explained_requests`; `$key_...` has a segment's key."""
        if not self.is_segment:
            return quote_identifier(self.name)
        return "coalesce(list_filter(segments, lambda entry: entry.key = {key})[1].value, '')"


@dataclass(frozen=True, slots=True)
class Size:
    """Amount of data to split."""

    units_a: int
    units_b: int
    requests: int
    """With a value of the metric, on the smaller side."""


def segment_dimensions(cursor: duckdb.DuckDBPyConnection) -> tuple[list[Dimension], list[str]]:
    """Segments of the requests laid out, and sentences about those that are left out."""
    total = fetch_rows(cursor, "SELECT count(*) AS requests, " + _SIDES)[0]
    keys = fetch_rows(cursor, statement("segment_keys", __package__))
    keys.sort(key=lambda row: -row["requests"])
    usable = [row for row in keys if row["different"] <= MOST_DIFFERENT]
    left_out = [
        f"{row['key']}: about {row['different']:,} different values, too many to examine one by one"
        for row in keys
        if row["different"] > MOST_DIFFERENT
    ]
    if len(usable) > MOST_KEYS:
        names = ", ".join(row["key"] for row in usable[MOST_KEYS:])
        left_out.append(f"{names}: fewer requests have them than the {MOST_KEYS} segments examined")
    wanted = [row["key"] for row in usable[:MOST_KEYS]]
    by_key: dict[str, list[Value]] = {key: [] for key in wanted}
    for row in fetch_rows(cursor, statement("segment_values", __package__), {"keys": wanted}):
        by_key[row["key"]].append(Value(row["value"], row["requests"], row["x_a"], row["x_b"]))
    return [_with_absent(key, values, total) for key, values in by_key.items()], left_out


_SIDES = (
    "coalesce(sum(x) FILTER (side = 0), 0) AS x_a, coalesce(sum(x) FILTER (side = 1), 0) AS x_b "
    "FROM explained_requests WHERE x > 0"
)


def _with_absent(key: str, values: list[Value], total: dict[str, float]) -> Dimension:
    absent = int(total["requests"]) - sum(value.requests for value in values)
    if absent > 0:
        x_a = total["x_a"] - sum(value.x_a for value in values)
        x_b = total["x_b"] - sum(value.x_b for value in values)
        values = [*values, Value("", absent, max(x_a, 0.0), max(x_b, 0.0))]
    return Dimension(key, is_segment=True, values=tuple(sorted(values, key=lambda v: (-v.requests, v.value))))


def told_apart(dimension: Dimension, most: int) -> list[str]:
    """The values that keep their names where the rest is `OTHER`."""
    if dimension.different <= most:
        return [value.value for value in dimension.values]
    return [value.value for value in dimension.values[: most - 1]]

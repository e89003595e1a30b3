"""One price as a linear function of what was used, in integers.

Counts nest: `input_tokens` contains `cache_read_tokens`, both contain `cache_audio_read_tokens`. A price is
for what is left of a count once those of its parts that have a price of their own are taken out: its leaf.
Rates share a denominator, so costs are exact: one call at a time here, many in `vectorised/costs.py`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from itertools import combinations
from math import lcm
from typing import Any, Self

from coalmine_schemas.usage import Usage

_NANO = 10**9


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that providers bill."""

    usage_key: str
    per: int
    """How many of them a price is for."""
    dimensions: frozenset[tuple[str, str]]
    """What it counts; a unit with more of them counts a part of one with fewer."""


@cache
def units() -> Mapping[str, Unit]:
    """Returns genai-prices' units by the key of their price, e.g. `input_mtok`."""
    from genai_prices.data_units import unit_data  # noqa: PLC0415 - imported when prices are needed

    return {
        unit["price_key"]: Unit(key, unit["per"], frozenset(unit["dimensions"].items()))
        for key, unit in unit_data.items()
    }


@dataclass(frozen=True, slots=True)
class Leaf:
    """What is left of a count, which has one price."""

    usage_key: str
    parts: tuple[int, ...]
    """Leaves to take out of the count, by their place."""
    joins: tuple[tuple[str, str, str], ...]
    """Pairs of counts that overlap, and the count of the overlap, which has a price."""


@dataclass(frozen=True, slots=True)
class LeafPrices:
    """A model's price. Equal ones make equal costs."""

    leaves: tuple[Leaf, ...]
    """Those with the most dimensions first."""
    starts: tuple[int, ...]
    """Input tokens beyond which other rates hold, ascending."""
    rates: tuple[tuple[int, ...], ...]
    """A rate for each leaf, in each of the `len(starts) + 1` ranges; it counts for all tokens of a call."""
    per_request: int
    denominator: int
    """A rate, or `per_request`, over this is in nano-dollars."""
    sides: frozenset[str]
    """Of "input" and "output", whose tokens have a price; empty where no tokens do."""

    @classmethod
    def of(cls, prices: Mapping[str, object]) -> Self:
        """Works a price out.

        Args:
            prices: Prices by key, in USD; None for none.
        """
        known = {
            key: (units()[key], price)
            for key, price in prices.items()
            if price is not None and key in units()
        }
        request = known.pop("requests_kcount", None)
        ordered = sorted(known.values(), key=lambda item: -len(item[0].dimensions))
        overlaps = _overlaps([unit for unit, _ in ordered])
        leaves = tuple(
            Leaf(
                unit.usage_key,
                tuple(at for at in range(place) if ordered[at][0].dimensions > unit.dimensions),
                overlaps.get(unit.usage_key, ()),
            )
            for place, (unit, _) in enumerate(ordered)
        )
        starts = sorted({tier.start for _, price in ordered for tier in getattr(price, "tiers", ())})
        exact = [
            [_rate(unit, price, input_tokens) for unit, price in ordered]
            for input_tokens in (0, *(start + 1 for start in starts))
        ]
        per_request = Fraction(0) if request is None else _rate(*request, 0)
        denominator = lcm(per_request.denominator, *(rate.denominator for rates in exact for rate in rates))
        return cls(
            leaves,
            tuple(starts),
            tuple(tuple(int(rate * denominator) for rate in rates) for rates in exact),
            int(per_request * denominator),
            denominator,
            frozenset(side for unit, _ in ordered if (side := _side(unit)) is not None),
        )

    def cost(self, usage: Usage) -> int | None:
        """Returns what a call cost in nano-dollars, rounded half to even.

        None where a price is missing or the counts contradict each other: a part larger than the whole, or
        two parts that overlap in a count with a price of its own, which is not known.
        """
        if not self._covers(usage):
            return None
        rates = self.rates[bisect_left(self.starts, usage.get("input_tokens", 0))]
        total: int | Fraction = self.per_request
        left: list[int | Fraction] = []
        for leaf, rate in zip(self.leaves, rates, strict=True):
            given = usage.get(leaf.usage_key, 0)
            count = given if isinstance(given, int) else Fraction(str(given))
            for part in leaf.parts:
                count -= left[part]
            if count < 0 or (leaf.joins and any(_unknown(usage, join) for join in leaf.joins)):
                return None
            left.append(count)
            total += rate * count
        whole, rest = divmod(total, self.denominator)
        return int(whole) + (2 * rest > self.denominator or (2 * rest == self.denominator and whole % 2 == 1))

    def _covers(self, usage: Usage) -> bool:
        """Whether everything that was used has a price. What is in no unit of tokens may go without."""
        if not self.sides:
            return any(usage.get(leaf.usage_key) for leaf in self.leaves)
        counts = {side: usage.get(f"{side}_tokens") for side in ("input", "output")}
        return all(count is not None and (not count or side in self.sides) for side, count in counts.items())


def _side(unit: Unit) -> str | None:
    """Input or output, for units of tokens."""
    dimensions = dict(unit.dimensions)
    return dimensions.get("direction") if dimensions["family"] == "tokens" else None


def _overlaps(priced: list[Unit]) -> dict[str, tuple[tuple[str, str, str], ...]]:
    """Pairs of units neither of which contains the other, by the priced unit that is their overlap."""
    found: dict[str, tuple[tuple[str, str, str], ...]] = {}
    for one, other in combinations(priced, 2):
        for both in priced:
            if both.dimensions == one.dimensions | other.dimensions and both not in (one, other):
                pair = (one.usage_key, other.usage_key, both.usage_key)
                found[both.usage_key] = (*found.get(both.usage_key, ()), pair)
    return found


def _unknown(usage: Usage, join: tuple[str, str, str]) -> bool:
    one, other, both = join
    return both not in usage and bool(usage.get(one)) and bool(usage.get(other))


def _rate(unit: Unit, price: Any, input_tokens: int) -> Fraction:  # noqa: ANN401 - a Decimal or TieredPrices
    """Nano-dollars for one, in the tier that so many input tokens reach."""
    reached = [tier.price for tier in getattr(price, "tiers", ()) if input_tokens > tier.start]
    usd: Decimal = reached[-1] if reached else getattr(price, "base", price)
    return Fraction(usd) * _NANO / unit.per

"""One price as a linear function of what was used.

Counts nest: `input_tokens` contains `cache_read_tokens`, both contain `cache_audio_read_tokens`. A price is
for what is left of a count once those of its parts that have a price of their own are taken out: its leaf.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import combinations
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
class _Leaf:
    price: Any
    """USD per `unit.per`: a Decimal, or genai-prices' TieredPrices."""
    unit: Unit
    parts: tuple[_Leaf, ...]
    """Leaves to take out of the count."""
    joins: tuple[tuple[str, str, str], ...]
    """Pairs of counts that overlap, and the count of the overlap, which has a price."""


@dataclass(frozen=True, slots=True)
class LeafPrices:
    """A model's price."""

    leaves: tuple[_Leaf, ...]
    """Those with the most dimensions first."""
    per_request: Decimal
    """Nano-dollars."""
    bills: frozenset[tuple[str, str | None]]
    """Families of units that have a price, e.g. ("tokens", "input")."""

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
        leaves: list[_Leaf] = []
        for unit, price in ordered:
            parts = tuple(leaf for leaf in leaves if leaf.unit.dimensions > unit.dimensions)
            leaves.append(_Leaf(price, unit, parts, overlaps.get(unit.usage_key, ())))
        per_request = Decimal(0) if request is None else _at(request[1], 0) * _NANO / request[0].per
        return cls(tuple(leaves), per_request, frozenset(_side(unit) for unit, _ in ordered))

    def cost(self, usage: Usage) -> Decimal | None:
        """Returns what a call cost in nano-dollars, exactly.

        None where a price is missing or the counts contradict each other: a part larger than the whole, or
        two parts that overlap in a count with a price of its own, which is not known.
        """
        if not self._covers(usage):
            return None
        size = usage.get("input_tokens", 0)
        total = self.per_request
        left: dict[str, int | float] = {}
        for leaf in self.leaves:
            key = leaf.unit.usage_key
            count = usage.get(key, 0) - sum(left[part.unit.usage_key] for part in leaf.parts)
            if count < 0 or any(_unknown(usage, join) for join in leaf.joins):
                return None
            left[key] = count
            if count:
                exact = Decimal(count) if isinstance(count, int) else Decimal(str(count))
                total += _at(leaf.price, size) * exact * _NANO / leaf.unit.per
        return total

    def _covers(self, usage: Usage) -> bool:
        """Whether everything that was used has a price. What is in no unit of tokens may go without."""
        if not self.leaves:
            return False
        sides = {"input": usage.get("input_tokens"), "output": usage.get("output_tokens")}
        if "tokens" not in {family for family, _ in self.bills}:
            return any(usage.get(leaf.unit.usage_key) for leaf in self.leaves)
        return all(
            count is not None and (not count or ("tokens", side) in self.bills)
            for side, count in sides.items()
        )


def _side(unit: Unit) -> tuple[str, str | None]:
    dimensions = dict(unit.dimensions)
    return dimensions["family"], dimensions.get("direction")


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


def _at(price: Any, input_tokens: float) -> Decimal:  # noqa: ANN401
    """The price of the tier that so many input tokens reach; it counts for all of them."""
    if isinstance(price, Decimal):
        return price
    reached = [tier.price for tier in price.tiers if input_tokens > tier.start]
    highest: Decimal = reached[-1] if reached else price.base
    return highest

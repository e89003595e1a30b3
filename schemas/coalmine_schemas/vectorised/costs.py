"""What many calls cost that have one price: `LeafPrices.cost`, in columns."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from coalmine_schemas.leaf_prices import LeafPrices
from coalmine_schemas.vectorised.columns import BoolArray, IntArray

MAX_COUNT: Final = 1 << 40
"""Counts up to here add up without overflow."""


class Counts(NamedTuple):
    """A count of many calls."""

    values: IntArray
    """Each at most `MAX_COUNT` on either side of 0, which also stands for those not known."""
    known: BoolArray


def costs(
    prices: LeafPrices, usage: Mapping[str, Counts], rows: IntArray
) -> tuple[IntArray, BoolArray] | None:
    """Returns what calls cost in nano-dollars, and for which of them it is known.

    Args:
        prices: Their price.
        usage: Counts of all calls by genai-prices' names; a name that is absent was counted by none.
        rows: Which of the calls.

    Returns:
        The same as `LeafPrices.cost` for each of the rows; None if 64 bits may not hold a cost.
    """
    values = {key: counts.values[rows] for key, counts in usage.items()}
    zeros = np.zeros(len(rows), np.int64)
    known = _covered(prices, usage, values, rows)
    left: list[IntArray] = []
    for leaf in prices.leaves:
        count = values.get(leaf.usage_key, zeros)
        for part in leaf.parts:
            count = count - left[part]
        known &= count >= 0
        for one, other, both in leaf.joins:
            has_both = usage[both].known[rows] if both in usage else False
            known &= has_both | (values.get(one, zeros) == 0) | (values.get(other, zeros) == 0)
        left.append(np.where(known, count, 0))
    columns = list(zip(left, zip(*prices.rates, strict=True), strict=True))
    bound = prices.per_request + sum(int(count.max()) * max(map(abs, rates)) for count, rates in columns)
    if bound >= 1 << 62 or prices.denominator >= 1 << 62:
        return None
    reached = np.searchsorted(prices.starts, values.get("input_tokens", zeros)) if prices.starts else 0
    total = np.full(len(rows), prices.per_request)
    for count, rates in columns:
        total += count * np.array(rates)[reached]
    whole, rest = np.divmod(total, prices.denominator)
    half = 2 * rest - prices.denominator
    whole += (half > 0) | ((half == 0) & (whole % 2 == 1))
    return whole, known & (whole >= 0)


def _covered(
    prices: LeafPrices, usage: Mapping[str, Counts], values: Mapping[str, IntArray], rows: IntArray
) -> npt.NDArray[np.bool_]:
    """Which calls used only what has a price."""
    covered = np.full(len(rows), bool(prices.sides))
    if not prices.sides:
        for leaf in prices.leaves:
            if leaf.usage_key in values:
                covered |= values[leaf.usage_key] != 0
        return covered
    for side in ("input", "output"):
        key = f"{side}_tokens"
        if key not in usage:
            return np.zeros(len(rows), np.bool_)
        covered &= usage[key].known[rows]
        if side not in prices.sides:
            covered &= values[key] == 0
    return covered

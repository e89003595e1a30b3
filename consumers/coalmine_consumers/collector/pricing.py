"""Prices requests whose client did not, and those that the operator has prices of its own for.

Rows are put together by what decides their price (provider, models, tier, time), and each price is multiplied
with columns. Few rows of a price, and counts that do not fit columns, are priced one by one: the same costs.
"""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_schemas.leaf_prices import LeafPrices, units
from coalmine_schemas.own_prices import OwnPrice
from coalmine_schemas.prices import LAST_US, MAX_COST, Listed, PriceTable
from coalmine_schemas.usage import USAGE_KEYS, usage_of
from coalmine_schemas.vectorised.columns import BoolArray, IntArray, offsets
from coalmine_schemas.vectorised.costs import MAX_COUNT, Counts, costs

_KEYS: Final = ("provider", "response_model", "request_model", "service_tier")
_COLUMNS: Final = (*_KEYS, *USAGE_KEYS, "other_usage", "cost_nano_usd", "event_time")
_BY_LIST: Final = pa.array(["price_list"])
_FEW: Final = 16
"""Below so many rows of a price, one by one is faster."""


class Pricer:
    """Fills in costs. Remembers the prices it looked up; for one thread.

    Args:
        own: The operator's own prices.
    """

    def __init__(self, own: Iterable[OwnPrice] = ()) -> None:
        self._prices = PriceTable(own)

    def price_requests(self, table: pa.Table) -> pa.Table:
        """Fills `cost_nano_usd` and `cost_source` where a price is known.

        That is where the client found no price, and, if there are prices of one's own for a model, where it
        took the list's. What a gateway or the service says stays. Unknown is never 0.

        Args:
            table: Rows of the requests event.

        Returns:
            The same rows in the same order.
        """
        wanted = pc.is_null(table.column("cost_nano_usd"))
        if self._prices.has_own:
            wanted = pc.or_(wanted, pc.is_in(table.column("cost_source"), value_set=_BY_LIST))
        rows = np.flatnonzero(wanted.to_numpy())
        if not len(rows):
            return table
        calls = table.select(_COLUMNS).take(pa.array(rows)).combine_chunks()
        groups, listed, prices = self._grouped(calls)
        found = _costs(calls, groups, prices)
        known = np.flatnonzero(found >= 0)
        priced = np.zeros(table.num_rows, np.bool_)
        priced[rows[known]] = True
        sources = np.array([each.source if each else "" for each in listed], object)[groups[known]]
        table = _replaced(table, "cost_nano_usd", priced, found[known])
        return _replaced(table, "cost_source", priced, sources)

    def _grouped(self, calls: pa.Table) -> tuple[IntArray, list[Listed | None], list[LeafPrices | None]]:
        """The group of each call, and for each group whose price it is and the price."""
        own_only = calls.column("cost_nano_usd").is_valid()
        groups = _together([*(calls.column(name) for name in _KEYS), own_only])
        first = np.unique(groups, return_index=True)[1]
        named = calls.select(_KEYS).take(pa.array(first)).to_pylist()
        listed: list[Listed | None] = []
        for call, is_priced in zip(named, own_only.take(pa.array(first)).to_pylist(), strict=True):
            models = call["response_model"], call["request_model"]
            one = self._prices.find(call["provider"], models, call["service_tier"])
            listed.append(None if one and is_priced and one.source != "own_prices" else one)
        # As a number: event times are what clients say, and Python's calendar ends.
        times = calls.column("event_time").cast(pa.int64()).to_numpy().clip(0, LAST_US)
        holds_us = np.array([(one and one.holds_us) or LAST_US + 1 for one in listed])
        in_time = _together([groups, times // holds_us[groups]])
        first = np.unique(in_time, return_index=True)[1]
        whose = [listed[group] for group in groups[first]]
        tiers = [named[group]["service_tier"] for group in groups[first]]
        prices = [
            one and self._prices.prices(one, tier, at_us)
            for one, tier, at_us in zip(whose, tiers, times[first].tolist(), strict=True)
        ]
        return in_time, whose, prices


def _together(columns: list[Any]) -> IntArray:
    """Numbers that are equal where all columns are equal: 0, 1, 2 ..."""
    groups = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
        codes = values.combine_chunks().dictionary_encode(null_encoding="encode")
        numbered = groups * len(codes.dictionary) + codes.indices.to_numpy()
        groups = np.unique(numbered, return_inverse=True)[1]
    return groups


def _costs(calls: pa.Table, groups: IntArray, prices: list[LeafPrices | None]) -> IntArray:
    """What each call cost in nano-dollars; negative where that is not known."""
    found = np.full(len(groups), -1)
    usage, odd = _usage(calls)
    distinct = {id(each): each for each in prices if each is not None}
    places = {key: place for place, key in enumerate(distinct)}
    by_price = np.array([places.get(id(each), len(places)) for each in prices])[groups]
    by_price[odd & (by_price < len(places))] += len(places) + 1
    order = np.argsort(by_price, kind="stable")
    ends = np.searchsorted(by_price[order], np.arange(2 * len(places) + 1), side="right")
    alone: list[IntArray] = []
    for place, each in enumerate(distinct.values()):
        rows = order[ends[place - 1] if place else 0 : ends[place]]
        done = costs(each, usage, rows) if len(rows) >= _FEW else None
        if done is None:
            alone.append(rows)
        else:
            found[rows] = np.where(done[1], done[0], -1)
    alone.append(order[ends[len(places)] :])
    rows = np.concatenate(alone)
    counts = calls.select([*USAGE_KEYS, "other_usage"]).take(pa.array(rows)).to_pylist()
    for row, call in zip(rows.tolist(), counts, strict=True):
        price = prices[groups[row]]
        assert price is not None
        other = [tuple(item.values()) for item in call["other_usage"]]
        cost = price.cost(usage_of({**call, "other_usage": other}))
        found[row] = cost if cost is not None and cost <= MAX_COST else -1
    return found


def _usage(calls: pa.Table) -> tuple[dict[str, Counts], BoolArray]:
    """Counts by genai-prices' names, and which calls have some that columns of integers do not hold."""
    usage: dict[str, Counts] = {}
    odd = np.zeros(calls.num_rows, np.bool_)
    other = calls.column("other_usage").combine_chunks()
    keys, values = other.flatten().field("key"), other.flatten().field("value").to_numpy()
    starts = offsets(other)
    rows = np.repeat(np.arange(len(other)), np.diff(starts))
    is_whole = (values == np.rint(values)) & (np.abs(values) <= MAX_COUNT)
    for key in {unit.usage_key for unit in units().values()}:
        at = np.flatnonzero(pc.equal(keys, key).to_numpy(zero_copy_only=False)) if len(keys) else ()
        if len(at):
            usage[key] = Counts(np.zeros(len(odd), np.int64), np.zeros(len(odd), np.bool_))
            odd[rows[at]] |= ~is_whole[at]
            usage[key].values[rows[at]] = np.where(is_whole[at], values[at], 0)
            usage[key].known[rows[at]] = True
    for field, key in USAGE_KEYS.items():
        column = calls.column(field)
        if column.null_count == len(column):
            continue
        known = column.is_valid().to_numpy()
        counts = column.fill_null(0).to_numpy().astype(np.int64)
        is_large = np.abs(counts) > MAX_COUNT
        odd |= is_large
        before = usage.get(key, Counts(np.zeros(len(odd), np.int64), np.zeros(len(odd), np.bool_)))
        counts = np.where(known & ~is_large, counts, before.values)
        usage[key] = Counts(counts, known | before.known)
    return usage, odd


def _replaced(table: pa.Table, name: str, where: BoolArray, values: Any) -> pa.Table:  # noqa: ANN401 - a column
    field = table.schema.field(name)
    column = table.column(name).combine_chunks()
    filled = pc.replace_with_mask(column, pa.array(where), pa.array(values, field.type))
    return table.set_column(table.schema.get_field_index(name), field, filled)

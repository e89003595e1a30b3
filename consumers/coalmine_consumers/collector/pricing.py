"""Prices requests whose client did not, and those that the operator has prices of its own for.

Rows are put together by what decides their price (provider, models, tier, time), and each price is multiplied
with columns. Few rows of a price, and counts that do not fit columns, are priced one by one: the same costs.

Beside what a call cost stands what it would have cost without the provider's cache. An arm with little
traffic finds its prompt in the cache less often, so real costs say less of a version than of its share.
"""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.aggregation.groups import codes_of, codes_of_numbers, group_by
from coalmine_schemas.leaf_prices import LeafPrices, units
from coalmine_schemas.limits import MAX_COST_NANO_USD
from coalmine_schemas.own_prices import OwnPrice
from coalmine_schemas.prices import LAST_US, MAX_COST, Listed, PriceTable
from coalmine_schemas.usage import USAGE_KEYS, usage_of
from coalmine_schemas.vectorised.columns import BoolArray, IntArray, offsets
from coalmine_schemas.vectorised.costs import MAX_COUNT, Counts, costs

_KEYS: Final = ("provider", "response_model", "request_model", "service_tier")
_COLUMNS: Final = (*_KEYS, *USAGE_KEYS, "other_usage", "cost_nano_usd", "event_time")
_UNCACHED: Final = "cost_uncached_nano_usd"
_OF_CACHE: Final = tuple(field for field, key in USAGE_KEYS.items() if key.startswith("cache_"))
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
        """Fills `cost_nano_usd` and `cost_source` where a price is known, and adds `cost_uncached_nano_usd`.

        That is where the client found no price, and, if there are prices of one's own for a model, where it
        took the list's. What a gateway or the service says stays. Unknown is never 0.

        Added is what a call would have cost at the full price of every input token: its cost where it used no
        cache; else, by prices, so many times its cost, whoever said that; null where no price is known.

        Args:
            table: Rows of the requests event.

        Returns:
            The same rows in the same order.
        """
        wanted = pc.is_null(table.column("cost_nano_usd"))
        if self._prices.has_own:
            wanted = pc.or_(wanted, pc.is_in(table.column("cost_source"), value_set=pa.array(["price_list"])))
        rows = np.flatnonzero(wanted.to_numpy())
        if len(rows):
            table = self._priced(table, rows)
        uncached = self._uncached(table)
        return table.append_column(_UNCACHED, uncached)

    def _priced(self, table: pa.Table, rows: IntArray) -> pa.Table:
        calls = table.select(_COLUMNS).take(pa.array(rows)).combine_chunks()
        groups, listed, prices = self._grouped(calls, own_only=calls.column("cost_nano_usd").is_valid())
        found = _costs(calls, groups, prices)
        known = np.flatnonzero(found >= 0)
        priced = np.zeros(table.num_rows, np.bool_)
        priced[rows[known]] = True
        sources = pa.array([each.source if each else "" for each in listed], pa.string())
        table = _replaced(table, "cost_nano_usd", priced, pa.array(found[known]))
        return _replaced(table, "cost_source", priced, sources.take(pa.array(groups[known])))

    def _uncached(self, table: pa.Table) -> pa.ChunkedArray | pa.Array:
        cost = table.column("cost_nano_usd")
        if not table.num_rows:
            return cost
        rows = np.flatnonzero(_used_cache(table) & cost.is_valid().to_numpy())
        if not len(rows):
            return cost
        calls = table.select(_COLUMNS).take(pa.array(rows)).combine_chunks()
        groups, _, prices = self._grouped(calls, own_only=pa.repeat(pa.scalar(value=False), len(rows)))
        mine = calls.column("cost_nano_usd").to_numpy()
        listed, full = (_costs(each, groups, prices) for each in (calls, _without_cache(calls)))
        scaled = np.rint(mine.astype(np.float64) * full / np.maximum(listed, 1))
        known = (listed > 0) & (full >= 0) & (scaled <= MAX_COST_NANO_USD)
        found = np.where(mine == listed, full, np.where(known, scaled, 0).astype(np.int64))
        known |= (mine == listed) & (full >= 0)
        at = np.zeros(table.num_rows, np.bool_)
        at[rows] = True
        return pc.replace_with_mask(
            cost.combine_chunks(), pa.array(at), pa.array(found, cost.type, mask=~known)
        )

    def _grouped(
        self, calls: pa.Table, *, own_only: pa.ChunkedArray | pa.Array
    ) -> tuple[IntArray, list[Listed | None], list[LeafPrices | None]]:
        """The group of each call, and for each group whose price it is and the price.

        Args:
            calls: What was called.
            own_only: Which of them only the operator's own prices are for.
        """
        groups = group_by(*(codes_of(calls.column(name)) for name in _KEYS), codes_of(own_only))
        named = calls.select(_KEYS).take(pa.array(groups.a_row)).to_pylist()
        listed: list[Listed | None] = []
        for call, is_priced in zip(named, own_only.take(pa.array(groups.a_row)).to_pylist(), strict=True):
            models = call["response_model"], call["request_model"]
            one = self._prices.find(call["provider"], models, call["service_tier"])
            listed.append(None if one and is_priced and one.source != "own_prices" else one)
        # As a number: event times are what clients say, and Python's calendar ends.
        times = calls.column("event_time").cast(pa.int64()).to_numpy().clip(0, LAST_US)
        holds_us = np.array([(one and one.holds_us) or LAST_US + 1 for one in listed])
        in_time = group_by(groups.as_codes(), codes_of_numbers(times // holds_us[groups.of_row]))
        of_call = groups.of_row[in_time.a_row].tolist()
        prices = [
            (one := listed[group]) and self._prices.prices(one, named[group]["service_tier"], at_us)
            for group, at_us in zip(of_call, times[in_time.a_row].tolist(), strict=True)
        ]
        return in_time.of_row, [listed[group] for group in of_call], prices


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


def _used_cache(table: pa.Table) -> BoolArray:
    """Which calls read from the provider's cache or wrote to it."""
    used = np.zeros(table.num_rows, np.bool_)
    for name in _OF_CACHE:
        column = table.column(name)
        if column.null_count < len(column):
            used |= column.fill_null(0).to_numpy() != 0
    used[_with_other_cache(table)] = True
    return used


def _with_other_cache(table: pa.Table) -> IntArray:
    """Rows with counts of cached tokens that have no column of their own."""
    other = table.column("other_usage")
    named = pc.starts_with(pc.struct_field(pc.list_flatten(other), "key"), "cache_").to_numpy()
    found: IntArray = pc.list_parent_indices(other).to_numpy()[named]
    return found


def _without_cache(calls: pa.Table) -> pa.Table:
    """The same calls as if all input tokens had been sent for the first time."""
    full: dict[str, Any] = {name: [None] * calls.num_rows for name in _OF_CACHE}
    if len(_with_other_cache(calls)):
        full["other_usage"] = [
            [item for item in items if not item["key"].startswith("cache_")]
            for items in calls.column("other_usage").to_pylist()
        ]
    for name, values in full.items():
        field = calls.schema.field(name)
        at = calls.schema.get_field_index(name)
        calls = calls.set_column(at, field, pa.array(values, field.type))
    return calls


def _replaced(table: pa.Table, name: str, where: BoolArray, values: pa.Array) -> pa.Table:
    field = table.schema.field(name)
    column = table.column(name).combine_chunks()
    filled = pc.replace_with_mask(column, pa.array(where), values)
    return table.set_column(table.schema.get_field_index(name), field, filled)

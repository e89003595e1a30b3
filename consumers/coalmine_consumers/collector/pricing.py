"""Prices requests whose client did not: whole columns at once, from genai-prices' offline data.

Within one tier a model's price is linear in its token counts, so columns are multiplied by the tier's rates.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from genai_prices.types import ModelInfo, ModelPrice
from numpy.typing import NDArray

from coalmine_schemas.prices import PriceTable, TierRates

_IntArray = NDArray[np.int64]

_FREE: Final = Decimal(0)
_MINUTE_US: Final = 60_000_000
"""Prices change on the minute at most (times of day in genai-prices have no seconds)."""
_MAX_SCALE: Final = 10**15
"""Real prices have a few decimals; a rate with more than this cannot be what it seems."""
_LAST_MINUTE: Final = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp()) // 60
"""Event times are what clients say; `datetime` ends with the year 9999."""
_MAX_COST: Final = 2**63 - 1
_COLUMNS: Final = (
    "provider",
    "response_model",
    "request_model",
    "event_time",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
)


@dataclass(frozen=True, slots=True)
class _Rates:
    """What one tier of a price costs, as integers: nano-dollars times `scale`."""

    scale: int
    request: int
    fresh_input: int | None
    cached_input: int
    output: int | None

    def costs(self, fresh: _IntArray, cached: _IntArray, output: _IntArray) -> list[int | None]:
        """Nano-dollars of each call, rounded half to even; None where no price is known or it is absurd."""
        known = np.ones(len(fresh), dtype=np.bool_)
        if self.fresh_input is None:
            known &= (fresh == 0) & (cached == 0)
        if self.output is None:
            known &= output == 0
        # Python integers: a product of 64-bit ones may not fit, and only unpriced calls come here.
        total = (
            self.request
            + (self.fresh_input or 0) * fresh.astype(object)
            + self.cached_input * cached.astype(object)
            + (self.output or 0) * output.astype(object)
        )
        rounded = (_round_half_even(value, self.scale) for value in total)
        return [
            value if ok and value <= _MAX_COST else None
            for value, ok in zip(rounded, known.tolist(), strict=True)
        ]


class Pricer:
    """Fills in unknown costs. Remembers the prices it looked up; for one thread."""

    def __init__(self) -> None:
        self._prices = PriceTable()

    def price_requests(self, table: pa.Table) -> pa.Table:
        """Fills `cost_nano_usd` where it is null and the model, its price and the token counts are known.

        A cost stays null when any of them is unknown; unknown is never 0. A cached token count of null means
        none. Costs that are there are kept.

        Args:
            table: Rows of the requests event.

        Returns:
            The same rows in the same order.
        """
        costs = table.column("cost_nano_usd")
        if costs.null_count == 0:
            return table
        wanted = pc.and_(
            pc.is_null(costs),
            pc.and_(pc.is_valid(table.column("input_tokens")), pc.is_valid(table.column("output_tokens"))),
        )
        rows = np.flatnonzero(wanted.to_numpy())
        if len(rows) == 0:
            return table
        self._prices.refresh()
        found = self._costs(table.select(_COLUMNS).take(pa.array(rows)))
        filled = pc.replace_with_mask(costs.combine_chunks(), wanted.combine_chunks(), found)
        return table.set_column(
            table.schema.get_field_index("cost_nano_usd"), table.schema.field("cost_nano_usd"), filled
        )

    def _costs(self, calls: pa.Table) -> pa.Array:
        inputs = calls.column("input_tokens").to_numpy()
        cached = calls.column("cached_input_tokens").fill_null(0).to_numpy()
        outputs = calls.column("output_tokens").to_numpy()
        fresh = inputs - cached
        minutes = calls.column("event_time").cast(pa.int64()).to_numpy() // _MINUTE_US
        minutes = np.clip(minutes, 0, _LAST_MINUTE)
        costs: list[int | None] = [None] * len(calls)
        for provider, models, rows in _groups(calls):
            found = self._prices.find(provider, models)
            if found is None:
                continue
            sound = rows[fresh[rows] >= 0]  # more cached than there was: contradictory, so unknown
            for price, at, priced_rows in _by_price(found.model, minutes, sound):
                starts = self._prices.tier_starts(price)
                tiers = np.searchsorted(starts, inputs[priced_rows], side="left")  # begins above its start
                for tier in np.unique(tiers).tolist():
                    rates = _scaled(self._prices.rates(found, price, tier, at))
                    if rates is None:
                        continue
                    of_tier = priced_rows[tiers == tier]
                    values = rates.costs(fresh[of_tier], cached[of_tier], outputs[of_tier])
                    for row, value in zip(of_tier.tolist(), values, strict=True):
                        costs[row] = value
        return pa.array(costs, pa.int64())


def _by_price(
    model: ModelInfo, minutes: _IntArray, rows: _IntArray
) -> Iterator[tuple[ModelPrice, datetime, _IntArray]]:
    """Rows by the price that was in force when they happened."""
    if len(rows) == 0:
        return
    of_row = minutes[rows]
    if isinstance(model.prices, ModelPrice):
        at = _moment(int(of_row[0]))
        yield model.get_prices(at), at, rows
        return
    distinct, inverse = np.unique(of_row, return_inverse=True)
    prices: dict[int, tuple[ModelPrice, datetime]] = {}
    codes = np.empty(len(distinct), np.int64)
    for index, minute in enumerate(distinct.tolist()):
        at = _moment(minute)
        price = model.get_prices(at)
        codes[index] = id(price)
        prices.setdefault(id(price), (price, at))
    for code, (price, at) in prices.items():
        yield price, at, rows[codes[inverse] == code]


def _groups(calls: pa.Table) -> Iterator[tuple[str | None, tuple[str | None, str | None], _IntArray]]:
    """Rows that share provider and models."""
    keys = ["provider", "response_model", "request_model"]
    indexed = calls.select(keys).append_column("row", pa.array(np.arange(len(calls))))
    for group in indexed.group_by(keys).aggregate([("row", "list")]).to_batches():
        provider, response_model, request_model = (group.column(key).to_pylist() for key in keys)
        for index, rows in enumerate(group.column("row_list")):
            models = response_model[index], request_model[index]
            yield provider[index], models, np.sort(rows.values.to_numpy())


def _scaled(rates: TierRates | None) -> _Rates | None:
    """Rates as integers, or None if they are unknown or absurd."""
    if rates is None:
        return None
    fresh, output = rates.input or _FREE, rates.output or _FREE
    cached = fresh + rates.cached
    scale = 1
    while any(value * scale != int(value * scale) for value in (rates.request, fresh, cached, output)):
        scale *= 10
        if scale > _MAX_SCALE:
            return None
    return _Rates(
        scale=scale,
        request=int(rates.request * scale),
        fresh_input=None if rates.input is None else int(fresh * scale),
        cached_input=int(cached * scale),
        output=None if rates.output is None else int(output * scale),
    )


def _round_half_even(value: int, scale: int) -> int:
    quotient, rest = divmod(value, scale)
    return quotient + (2 * rest > scale or (2 * rest == scale and quotient % 2 == 1))


def _moment(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)

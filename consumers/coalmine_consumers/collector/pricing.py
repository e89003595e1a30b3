"""Prices requests whose client did not, and those that the operator has prices of its own for."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_schemas.own_prices import OwnPrice
from coalmine_schemas.prices import Cost, PriceTable
from coalmine_schemas.usage import USAGE_KEYS, usage_of

_KEYS: Final = ("provider", "response_model", "request_model", "service_tier")
_COLUMNS: Final = (*_KEYS, *USAGE_KEYS, "other_usage", "cost_nano_usd")
_BY_LIST: Final = pa.array(["price_list"])


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
        calls = table.select(_COLUMNS).take(pa.array(rows)).to_pylist()
        # As a number: event times are what clients say, and Python's calendar ends.
        times = table.column("event_time").cast(pa.int64()).to_numpy()[rows].tolist()
        found = [self._cost(call, time_us) for call, time_us in zip(calls, times, strict=True)]
        priced = np.zeros(table.num_rows, np.bool_)
        priced[rows] = [cost is not None for cost in found]
        known = [cost for cost in found if cost is not None]
        table = _replaced(table, "cost_nano_usd", priced, [cost.nano_usd for cost in known])
        return _replaced(table, "cost_source", priced, [cost.source for cost in known])

    def _cost(self, call: dict[str, Any], time_us: int) -> Cost | None:
        return self._prices.cost(
            usage_of({**call, "other_usage": [tuple(item.values()) for item in call["other_usage"]]}),
            models=(call["response_model"], call["request_model"]),
            provider=call["provider"],
            service_tier=call["service_tier"],
            at_us=time_us,
            own_only=call["cost_nano_usd"] is not None,
        )


def _replaced(table: pa.Table, name: str, where: Any, values: list[Any]) -> pa.Table:  # noqa: ANN401 - a mask
    field = table.schema.field(name)
    column = table.column(name).combine_chunks()
    filled = pc.replace_with_mask(column, pa.array(where), pa.array(values, field.type))
    return table.set_column(table.schema.get_field_index(name), field, filled)

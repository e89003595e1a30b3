"""Prices of models, from genai-prices' offline data. No network, ever.

The library prices one call in 100 to 200 microseconds. Within one price tier a cost is linear in the token
counts, so each tier of each model is asked for its rates once and the callers multiply. genai-prices is
imported when prices are first needed, since its import takes a third of the client's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, Provider

_NANO: Final = Decimal(10**9)
_MAX_REMEMBERED: Final = 4096
"""Models remembered, found or not; names come from outside and may be anything."""


class KnownModel(NamedTuple):
    """A model that genai-prices lists, and the provider whose prices count."""

    provider: Provider
    model: ModelInfo


@dataclass(frozen=True, slots=True)
class TierRates:
    """Nano-dollars of one price tier: per request, and per token by kind."""

    request: Decimal
    input: Decimal | None
    """Of a plain input token; None if input has no price."""
    cached: Decimal
    """What a cached input token costs in addition (a negative number); the next two likewise."""
    cache_write: Decimal
    cache_write_1h: Decimal
    output: Decimal | None
    """None if output has no price."""


class PriceTable:
    """Looks prices up and remembers them. For one thread."""

    def __init__(self) -> None:
        self._snapshot = load_prices()
        self._models: dict[tuple[str | None, str], KnownModel | None] = {}
        # Prices are kept beside their ids, so that no other price can get the same id.
        self._tiers: dict[int, tuple[ModelPrice, list[int]]] = {}
        self._rates: dict[tuple[int, int], TierRates | None] = {}

    def refresh(self) -> None:
        """Forgets everything if genai-prices has other data by now, e.g. custom prices."""
        snapshot = load_prices()
        if snapshot is not self._snapshot:
            self._snapshot = snapshot
            self._forget()

    def find(self, provider: str | None, models: Iterable[str | None]) -> KnownModel | None:
        """Returns the first known model.

        Args:
            provider: Who was called, as genai-prices knows providers; None finds the provider by the model.
            models: Names, best first.
        """
        for model in models:
            found = self._find(provider, model) if model else None
            if found is not None:
                return found
        return None

    def tier_starts(self, price: ModelPrice) -> list[int]:
        """Input tokens above which each further tier of a price begins, ascending."""
        from genai_prices.types import TieredPrices  # noqa: PLC0415

        if id(price) not in self._tiers:
            tiered = [value for value in vars(price).values() if isinstance(value, TieredPrices)]
            self._tiers[id(price)] = price, sorted({tier.start for value in tiered for tier in value.tiers})
        return self._tiers[id(price)][1]

    def rates(self, known: KnownModel, price: ModelPrice, tier: int, at: datetime) -> TierRates | None:
        """Rates of one tier, counted from 0; None if the model is listed without prices.

        Args:
            known: The model.
            price: Its price at that moment, `known.model.get_prices(at)`.
            tier: How many of `tier_starts` are below the call's input tokens.
            at: When, for prices that changed or that depend on the time of day.
        """
        key = id(price), tier
        if key not in self._rates:
            above = self.tier_starts(price)[tier - 1] if tier else 0
            self._rates[key] = _ask(known, price, above, at)
        return self._rates[key]

    def _forget(self) -> None:
        self._models.clear()
        self._tiers.clear()
        self._rates.clear()

    def _find(self, provider: str | None, model: str) -> KnownModel | None:
        key = provider, model
        if key not in self._models:
            if len(self._models) >= _MAX_REMEMBERED:
                self._forget()
            self._models[key] = self._look_up(provider, model)
        return self._models[key]

    def _look_up(self, provider: str | None, model: str) -> KnownModel | None:
        # A gateway is not a provider with prices; the model's own name still tells.
        for known_provider in (provider, None) if provider else (None,):
            try:
                return KnownModel(*self._snapshot.find_provider_model(model, None, known_provider, None))
            except LookupError:
                continue
        return None


def load_prices() -> DataSnapshot:
    """Returns the price data in use; the first call loads it, which takes a moment."""
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415

    return get_snapshot()


def _ask(known: KnownModel, price: ModelPrice, above: int, at: datetime) -> TierRates | None:
    """Asks the library for one tier's rates: what one more token of each kind adds.

    A model may be listed without prices, or with one for input alone; the library then counts 0, we do not.
    """
    from genai_prices import Usage  # noqa: PLC0415

    priced = {key for key, value in vars(price).items() if value is not None}
    if not priced & {"input_mtok", "output_mtok"}:
        return None
    base = above + 1

    def cost(**more: int) -> Decimal:
        usage = Usage(**{"input_tokens": base, "output_tokens": 0, **more})
        answer = known.model.calc_price(usage, known.provider, genai_request_timestamp=at)
        return answer.total_price * _NANO

    try:
        plain = cost()
        one_more = cost(input_tokens=base + 1) - plain
        written = cost(cache_write_tokens=1) - plain
        return TierRates(
            request=plain - one_more * base,
            input=one_more if "input_mtok" in priced else None,
            cached=cost(cache_read_tokens=1) - plain,
            cache_write=written,
            cache_write_1h=cost(cache_write_tokens=1, cache_write_1h_tokens=1) - plain - written,
            output=cost(output_tokens=1) - plain if "output_mtok" in priced else None,
        )
    except (ValueError, ArithmeticError, LookupError, TypeError):
        return None

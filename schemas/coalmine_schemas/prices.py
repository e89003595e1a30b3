"""What calls cost, from genai-prices' offline data and prices of one's own. No network, ever.

The library prices one call in 100 to 200 microseconds. Within one price tier a cost is linear in the counts,
so each tier of each price is worked out once (`leaf_prices.py`) and calls are multiplied. genai-prices is
imported when prices are first needed, since its import takes a third of the client's.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from coalmine_schemas.leaf_prices import LeafPrices
from coalmine_schemas.own_prices import OwnPrice, published_prices
from coalmine_schemas.providers import named_provider, readings
from coalmine_schemas.usage import Usage

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, Provider

_MAX_REMEMBERED: Final = 4096
"""Models remembered, found or not; names come from outside and may be anything."""
_MINUTE_US: Final = 60_000_000
"""Prices change on the minute at most (times of day in genai-prices have no seconds)."""
_LAST_MINUTE: Final = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) // 60
"""Event times are what clients say; `datetime` ends with the year 9999."""
_MAX_COST: Final = 2**63 - 1

PriceSource = Literal["price_list", "own_prices"]


class Cost(NamedTuple):
    """What a call cost."""

    nano_usd: int
    """Rounded half to even."""
    source: PriceSource
    provider: str | None
    """Whose price it is, as genai-prices names providers; None for an own price that names none."""


@dataclass(frozen=True, slots=True, eq=False)
class _Listed:
    """A model and where its prices come from."""

    source: PriceSource
    provider: str | None
    model: ModelInfo | None = None
    """None for an own price."""
    takes_context: bool = False
    """Whether the list has other prices for other tiers of service."""
    own: OwnPrice | None = None
    """The own price; for a model of the list, published prices that the list lacks."""


class PriceTable:
    """Prices calls. Remembers the prices it looked up; for one thread.

    Follows the process's genai-prices data: should the service itself keep that data fresh, newer prices are
    used from then on.

    Args:
        own: Prices that win over the list, the first that fits.
    """

    def __init__(self, own: Iterable[OwnPrice] = ()) -> None:
        self._own = tuple(own)
        self._snapshot: DataSnapshot | None = None
        self._found: dict[tuple[str | None, tuple[str | None, ...]], _Listed | None] = {}
        self._prices: dict[tuple[int, str | None, int | None], LeafPrices] = {}

    @property
    def has_own(self) -> bool:
        """Whether there are prices of one's own."""
        return bool(self._own)

    def cost(
        self,
        usage: Usage,
        *,
        models: tuple[str | None, ...],
        provider: str | None = None,
        service_tier: str | None = None,
        at_us: int | None = None,
        own_only: bool = False,
    ) -> Cost | None:
        """Returns what a call cost; None (never 0) where that is not known.

        Args:
            usage: What it used, at least `input_tokens` and `output_tokens` where tokens are billed.
            models: Names of the model, best first; the first that has a price is used.
            provider: Who was called; None, or a name that is not known, finds the provider by the model.
            service_tier: Tier of service, in the provider's words.
            at_us: When, microseconds since 1970 UTC, for prices that changed or depend on the time of day;
                None is now.
            own_only: Look at prices of one's own only.
        """
        self._refresh()
        listed = self._find(provider, models)
        if listed is None or (own_only and listed.source != "own_prices"):
            return None
        minute = int(time.time()) // 60 if at_us is None else at_us // _MINUTE_US
        exact = self._price(listed, service_tier, min(max(minute, 0), _LAST_MINUTE)).cost(usage)
        nano_usd = None if exact is None else round(exact)
        if nano_usd is None or not 0 <= nano_usd <= _MAX_COST:
            return None
        return Cost(nano_usd, listed.source, listed.provider)

    def _refresh(self) -> None:
        """Forgets everything if genai-prices has other data by now."""
        snapshot = load_prices()
        if snapshot is not self._snapshot:
            self._snapshot = snapshot
            self._forget()

    def _forget(self) -> None:
        self._found.clear()
        self._prices.clear()

    def _find(self, provider: str | None, models: tuple[str | None, ...]) -> _Listed | None:
        key = provider, models
        if key not in self._found:
            if len(self._found) >= _MAX_REMEMBERED:
                self._forget()
            self._found[key] = next(self._matches(provider, [model for model in models if model]), None)
        return self._found[key]

    def _matches(self, provider: str | None, models: list[str]) -> Iterator[_Listed]:
        for model in models:
            for own in self._own:
                if own.is_for(provider, model):
                    yield _Listed("own_prices", own.provider, own=own)
        # The service's own name for the model tells whom it asked; the answer's may name the model's maker.
        said = provider or next((name for model in reversed(models) if (name := named_provider(model))), None)
        meanings = [meaning for model in models for meaning in readings(said, model)]
        stated = {name for name, _ in meanings[:1] if name}
        for name, model in sorted(meanings, key=lambda meaning: meaning[0] not in stated):
            if (found := self._listed(name, model)) is not None:
                yield found

    def _listed(self, provider_id: str | None, name: str) -> _Listed | None:
        assert self._snapshot is not None
        try:
            provider, model = self._snapshot.find_provider_model(name, None, provider_id, None)
        except LookupError:
            more = _published(provider_id, name)
            return None if more is None else _Listed("price_list", provider_id, own=more)
        if not _has_price(provider, model):
            return None
        own_model = any(model is each for each in provider.models)
        return _Listed("price_list", provider.id, model, own_model, _published(provider.id, name))

    def _price(self, listed: _Listed, service_tier: str | None, minute: int) -> LeafPrices:
        model = listed.model
        changes = model is not None and (isinstance(model.prices, list) or bool(model.price_variants))
        key = id(listed), service_tier, minute if changes else None
        if key not in self._prices:
            if len(self._prices) >= _MAX_REMEMBERED:
                self._prices.clear()
            prices: Mapping[str, Any] = listed.own.prices if listed.own else {}
            if model is not None:
                context = _context(service_tier) if listed.takes_context else None
                at = datetime.fromtimestamp(minute * 60, UTC)
                listed_prices = vars(model.get_prices(at, context))
                prices = {
                    **prices,
                    **{key: price for key, price in listed_prices.items() if price is not None},
                }
                if "claude" in model.id:
                    prices = _with_hour(prices)
            self._prices[key] = LeafPrices.of(prices)
        return self._prices[key]


def load_prices() -> DataSnapshot:
    """Returns the price data in use; the first call loads it, which takes a moment."""
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415

    return get_snapshot()


def _with_hour(prices: Mapping[str, Any]) -> Mapping[str, Any]:
    """Adds what Claude's cache costs for an hour where a list lacks it: twice the input, at all providers."""
    if "cache_write_1h_mtok" in prices or "cache_write_mtok" not in prices or "input_mtok" not in prices:
        return prices
    from genai_prices.types import Tier, TieredPrices  # noqa: PLC0415

    fresh = prices["input_mtok"]
    if isinstance(fresh, TieredPrices):
        tiers = [Tier(tier.start, 2 * tier.price) for tier in fresh.tiers]
        return {**prices, "cache_write_1h_mtok": TieredPrices(2 * fresh.base, tiers)}
    return {**prices, "cache_write_1h_mtok": 2 * fresh}


def _published(provider: str | None, model: str) -> OwnPrice | None:
    return next((price for price in published_prices() if price.is_for(provider, model)), None)


def _has_price(provider: Provider, model: ModelInfo) -> bool:
    """Whether a model has any price at any time; some are listed without."""
    prices = [each.prices for each in model.prices] if isinstance(model.prices, list) else [model.prices]
    return any(value is not None for price in prices for value in vars(price).values())


def _context(service_tier: str | None) -> dict[str, str] | None:
    """A tier as genai-prices asks for it: what providers call a tier has three names there."""
    if not service_tier:
        return None
    tier = service_tier.lower()
    if tier == "batch":
        return {"processing": "batch"}
    return {"service_tier": tier, "speed": tier}


def nano(usd: Decimal) -> int | None:
    """An amount in US dollars as nano-dollars; None if it is not one that a call can cost."""
    exact = usd * 10**9
    return round(exact) if exact.is_finite() and 0 <= exact <= _MAX_COST else None

"""What calls cost, from genai-prices' offline data and prices of one's own. No network, ever.

The library prices one call in 100 to 200 microseconds. Within one price tier a cost is linear in the counts,
so each price is worked out once (`leaf_prices.py`) for as long as it holds, and calls are multiplied.
genai-prices is imported when prices are first needed, since its import takes a third of the client's.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from coalmine_schemas.leaf_prices import LeafPrices
from coalmine_schemas.own_prices import OwnPrice, published_prices
from coalmine_schemas.providers import named_provider, readings
from coalmine_schemas.usage import Usage

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, PriceVariant, Provider

_MAX_REMEMBERED: Final = 4096
"""Models remembered, found or not; names come from outside and may be anything."""
_MINUTE_US: Final = 60_000_000
"""Prices change on the minute at most (times of day in genai-prices have no seconds)."""
_DAY_US: Final = 1440 * _MINUTE_US
LAST_US: Final = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * 1_000_000
"""Event times are what clients say; `datetime` ends with the year 9999."""
MAX_COST: Final = 2**63 - 1

_STANDARD: Final = frozenset(
    {
        "",
        "auto",
        "default",
        "standard",
        "standard_only",
        "on_demand",
        "unspecified",
        "service_tier_unspecified",
    }
)
"""Tiers that cost what is listed. What others cost is known only where a list or provider says so."""
_PRICED_AS_STANDARD: Final = frozenset({("groq", "flex")})
"""Tiers of providers that publish the standard price for them."""
US_ONLY: Final = "us"
"""Added to a tier, after a "+", by calls that Anthropic may answer in the United States only."""
_US_FACTOR: Final = Decimal("1.1")
"""What all tokens of such calls cost more."""

_SATURDAY: Final = 5
_WEEKENDS_SINCE: Final = datetime(2026, 8, 22, tzinfo=UTC)
"""From then on weekends have no peak hours at DeepSeek; genai-prices knows the hours and not the days."""

PriceSource = Literal["price_list", "own_prices"]


class Cost(NamedTuple):
    """What a call cost."""

    nano_usd: int
    """Rounded half to even."""
    source: PriceSource
    provider: str | None
    """Whose price it is, as genai-prices names providers; None for an own price that names none."""


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """A model and where its prices come from."""

    source: PriceSource
    provider: str | None
    model: ModelInfo | None = None
    """None for an own price."""
    own: OwnPrice | None = None
    """The own price; for a model of the list, published prices that the list lacks."""
    variants: tuple[PriceVariant, ...] = ()
    """Other prices that the list has, for other tiers of service."""
    holds_us: int | None = None
    """Within each such span of time the prices are the same; None if they never change."""


class PriceTable:
    """Prices calls. Remembers the prices it looked up; for one thread.

    Follows the process's genai-prices data: should the service itself keep that data fresh, newer prices are
    used from then on.

    Args:
        own: Prices that win over the list, the first that fits.
    """

    def __init__(self, own: Iterable[OwnPrice] = ()) -> None:
        self._own = tuple(own)
        self._own_tiers = {price.service_tier for price in self._own if price.service_tier is not None}
        self._snapshot: DataSnapshot | None = None
        self._found: dict[tuple[str | None, tuple[str | None, ...], str], Listed | None] = {}
        self._prices: dict[tuple[Listed, str, int], LeafPrices | None] = {}
        self._equal: dict[LeafPrices, LeafPrices] = {}

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
        listed = self.find(provider, models, service_tier)
        if listed is None or (own_only and listed.source != "own_prices"):
            return None
        at_us = int(time.time()) * 1_000_000 if at_us is None else min(max(at_us, 0), LAST_US)
        prices = self.prices(listed, service_tier, at_us)
        nano_usd = None if prices is None else prices.cost(usage)
        if nano_usd is None or not 0 <= nano_usd <= MAX_COST:
            return None
        return Cost(nano_usd, listed.source, listed.provider)

    def find(
        self, provider: str | None, models: tuple[str | None, ...], service_tier: str | None
    ) -> Listed | None:
        """Returns whose prices hold for a call; arguments as for `cost`."""
        self._refresh()
        tier = (service_tier or "").lower() if self._own_tiers else ""
        key = provider, models, tier if tier in self._own_tiers else ""
        if key not in self._found:
            if len(self._found) >= _MAX_REMEMBERED:
                self._forget()
            self._found[key] = next(
                self._matches(provider, [model for model in models if model], key[2]), None
            )
        return self._found[key]

    def prices(self, listed: Listed, service_tier: str | None, at_us: int) -> LeafPrices | None:
        """Returns a model's prices; the same object for the same prices.

        Args:
            listed: What `find` returned.
            service_tier: As for `cost`.
            at_us: When, from 0 to `LAST_US`.

        Returns:
            None where the tier's price is not known.
        """
        tier = "" if listed.model is None else (service_tier or "").lower()
        span = at_us // listed.holds_us if listed.holds_us else 0
        key = listed, tier, span
        if key not in self._prices:
            if len(self._prices) >= _MAX_REMEMBERED:
                self._prices.clear()
                self._equal.clear()
            usd = _usd(listed, tier, at_us)
            prices = None if usd is None else LeafPrices.of(usd)
            self._prices[key] = prices and self._equal.setdefault(prices, prices)
        return self._prices[key]

    def _refresh(self) -> None:
        """Forgets everything if genai-prices has other data by now."""
        snapshot = load_prices()
        if snapshot is not self._snapshot:
            self._snapshot = snapshot
            self._forget()

    def _forget(self) -> None:
        self._found.clear()
        self._prices.clear()
        self._equal.clear()

    def _matches(self, provider: str | None, models: list[str], tier: str) -> Iterator[Listed]:
        for model in models:
            for own in self._own:
                if own.is_for(provider, model, tier):
                    yield Listed("own_prices", own.provider, own=own)
        # The service's own name for the model tells whom it asked; the answer's may name the model's maker.
        said = provider or next((name for model in reversed(models) if (name := named_provider(model))), None)
        meanings = [meaning for model in models for meaning in readings(said, model)]
        stated = {name for name, _ in meanings[:1] if name}
        for name, model in sorted(meanings, key=lambda meaning: meaning[0] not in stated):
            if (found := self._listed(name, model)) is not None:
                yield found

    def _listed(self, provider_id: str | None, name: str) -> Listed | None:
        assert self._snapshot is not None
        try:
            provider, model = self._snapshot.find_provider_model(name, None, provider_id, None)
        except LookupError:
            more = _published(provider_id, name)
            return None if more is None else Listed("price_list", provider_id, own=more)
        if not _has_price(provider, model):
            return None
        published = _published(provider.id, name)
        # Another provider's model, listed here by name, has none of that provider's tiers.
        own_model = any(model is each for each in provider.models)
        variants = tuple(model.price_variants or ()) if own_model else ()
        return Listed("price_list", provider.id, model, published, variants, _holds_us(model, variants))


def load_prices() -> DataSnapshot:
    """Returns the price data in use; the first call loads it, which takes a moment."""
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415

    return get_snapshot()


def _holds_us(model: ModelInfo, variants: tuple[PriceVariant, ...]) -> int | None:
    from genai_prices.types import StartDateConstraint  # noqa: PLC0415

    limits = {type(each.constraint) for each in model.prices} if isinstance(model.prices, list) else set()
    limits |= {type(variant.constraint) for variant in variants}
    limits.discard(type(None))
    if limits <= {StartDateConstraint}:
        return _DAY_US if limits else None
    return _MINUTE_US


def _usd(listed: Listed, tier: str, at_us: int) -> Mapping[str, Any] | None:
    """Prices in USD by genai-prices' keys; None where those of the tier are not known."""
    prices: Mapping[str, Any] = listed.own.prices if listed.own else {}
    if listed.model is None:
        return prices
    at = datetime.fromtimestamp(at_us // 1_000_000, UTC)
    if listed.provider == "deepseek" and at >= _WEEKENDS_SINCE and at.weekday() >= _SATURDAY:
        at = at.replace(hour=12)  # https://api-docs.deepseek.com/quick_start/pricing
    in_us = listed.provider == "anthropic" and US_ONLY in tier.split("+")
    tier = "+".join(word for word in tier.split("+") if not (in_us and word == US_ONLY))
    context = _context(tier)
    if not (
        tier in _STANDARD
        or (listed.provider, tier) in _PRICED_AS_STANDARD
        or any(_holds(variant, context, at) for variant in listed.variants)
    ):
        return None
    found = vars(listed.model.get_prices(at, context if listed.variants else None))
    prices = {**prices, **{key: price for key, price in found.items() if price is not None}}
    if "claude" in listed.model.id:
        prices = _with_hour(prices)
    return (
        {key: _times(price, _US_FACTOR) if key.endswith("mtok") else price for key, price in prices.items()}
        if in_us
        else prices
    )


def _holds(variant: PriceVariant, context: Mapping[str, str], at: datetime) -> bool:
    chosen = all(context.get(key) == value for key, value in variant.when.items())
    return chosen and (variant.constraint is None or variant.constraint.active(at))


def _times(price: Any, factor: Decimal) -> Any:  # noqa: ANN401 - a Decimal or TieredPrices
    if isinstance(price, Decimal):
        return factor * price
    tiers = [replace(tier, price=factor * tier.price) for tier in price.tiers]
    return replace(price, base=factor * price.base, tiers=tiers)


def _with_hour(prices: Mapping[str, Any]) -> Mapping[str, Any]:
    """Adds what Claude's cache costs for an hour where a list lacks it: twice the input, at all providers."""
    if "cache_write_1h_mtok" in prices or "cache_write_mtok" not in prices or "input_mtok" not in prices:
        return prices
    return {**prices, "cache_write_1h_mtok": _times(prices["input_mtok"], Decimal(2))}


def _published(provider: str | None, model: str) -> OwnPrice | None:
    return next((price for price in published_prices() if price.is_for(provider, model)), None)


def _has_price(provider: Provider, model: ModelInfo) -> bool:
    """Whether a model has any price at any time; some are listed without."""
    prices = [each.prices for each in model.prices] if isinstance(model.prices, list) else [model.prices]
    return any(value is not None for price in prices for value in vars(price).values())


def _context(tier: str) -> dict[str, str]:
    """A tier as genai-prices asks for it: what providers call a tier has three names there."""
    return {"processing": "batch"} if tier == "batch" else {"service_tier": tier, "speed": tier}


def nano(usd: Decimal) -> int | None:
    """An amount in US dollars as nano-dollars; None if it is not one that a call can cost."""
    exact = usd * 10**9
    return round(exact) if exact.is_finite() and 0 <= exact <= MAX_COST else None

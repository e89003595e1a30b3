"""What a call cost, in integer nano-dollars, from genai-prices' offline data. No network, ever.

The library's own calculation takes about 200 microseconds a call. Within one price tier a cost is linear in
its token counts, so each tier of each model is asked about a few times and the answers are multiplied.
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from genai_prices import Usage
from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

_NANO: Final = Decimal(10**9)
_MAX_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one call, as a price needs them."""

    input_tokens: int
    """All of the input, cached or not."""
    output_tokens: int
    """All of the output."""
    cached_input_tokens: int = 0
    """Of the input, read from the provider's cache."""
    cache_write_tokens: int = 0
    """Of the input, written to the provider's cache, for any lifetime."""
    cache_write_1h_tokens: int = 0
    """Of those, written for one hour."""


@dataclass(frozen=True, slots=True)
class _Rates:
    """Nano-dollars of one price tier: per request, and per token by kind."""

    request: Decimal
    plain_input: Decimal | None
    cached: Decimal
    """What a cached token costs more (less, that is) than a plain one; the next two likewise."""
    cache_write: Decimal
    cache_write_1h: Decimal
    output: Decimal | None

    def cost(self, usage: TokenUsage) -> Decimal | None:
        """The cost of a call; None when it used a kind of token that has no price."""
        total = self.request
        if usage.output_tokens:
            if self.output is None:
                return None
            total += self.output * usage.output_tokens
        if usage.input_tokens:
            if self.plain_input is None:
                return None
            total += self.plain_input * usage.input_tokens
        if usage.cached_input_tokens:
            total += self.cached * usage.cached_input_tokens
        if usage.cache_write_tokens:
            total += self.cache_write * usage.cache_write_tokens
            total += self.cache_write_1h * usage.cache_write_1h_tokens
        return total


def load_prices() -> None:
    """Loads the price data, some 40 ms once; the first `Pricer` would otherwise."""
    get_snapshot()


class Pricer:
    """Prices calls. Remembers what it looked up; for one thread.

    Follows the process's genai-prices data: should the service itself keep that data fresh, newer prices
    are used from then on.
    """

    def __init__(self) -> None:
        self._snapshot: DataSnapshot = get_snapshot()
        self._models: dict[tuple[str | None, str], tuple[Provider, ModelInfo] | None] = {}
        self._tiers: dict[int, tuple[ModelPrice, list[int]]] = {}
        self._rates: dict[tuple[int, int], _Rates | None] = {}

    def cost_nano_usd(
        self,
        usage: TokenUsage,
        *,
        models: tuple[str | None, ...],
        provider: str | None = None,
        at: datetime | None = None,
    ) -> int | None:
        """The cost of a call, rounded half to even.

        Args:
            usage: Its tokens.
            models: Names of the model, best first; the first that has a price is used.
            provider: Who was called, as genai-prices knows providers; None finds the provider by the model.
            at: When, for prices that changed or that depend on the time of day; None is now.

        Returns:
            Nano-dollars, or None (never 0) when none of the models has a known price or the counts
            contradict each other.
        """
        self._follow_snapshot()
        fresh = usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens
        if fresh < 0 or usage.cache_write_1h_tokens > usage.cache_write_tokens:
            return None
        for model in models:
            found = self._find(provider, model) if model else None
            if found is not None:
                break
        else:
            return None
        rates = self._rates_for(*found, usage.input_tokens, at or datetime.now(UTC))
        cost = rates.cost(usage) if rates is not None else None
        return None if cost is None else int(cost.to_integral_value(ROUND_HALF_EVEN))

    def _follow_snapshot(self) -> None:
        snapshot = get_snapshot()
        if snapshot is not self._snapshot:
            self._snapshot = snapshot
            self._forget()

    def _forget(self) -> None:
        self._models.clear()
        self._tiers.clear()
        self._rates.clear()

    def _find(self, provider: str | None, model: str) -> tuple[Provider, ModelInfo] | None:
        key = provider, model
        if key not in self._models:
            if len(self._models) >= _MAX_REMEMBERED:
                self._forget()
            self._models[key] = self._look_up(provider, model)
        return self._models[key]

    def _look_up(self, provider: str | None, model: str) -> tuple[Provider, ModelInfo] | None:
        # A gateway's name is no provider with prices; the model's own name still tells.
        for known_provider in (provider, None) if provider else (None,):
            try:
                return self._snapshot.find_provider_model(model, None, known_provider, None)
            except LookupError:
                continue
        return None

    def _rates_for(
        self, provider: Provider, model: ModelInfo, input_tokens: int, at: datetime
    ) -> _Rates | None:
        price = model.get_prices(at)
        # Kept beside its id, so that no other price can get the same id.
        if id(price) not in self._tiers:
            self._tiers[id(price)] = price, _tier_starts(price)
        starts = self._tiers[id(price)][1]
        tier = bisect_left(starts, input_tokens)  # a tier begins above its start
        key = id(price), tier
        if key not in self._rates:
            self._rates[key] = _probe(provider, model, price, starts[tier - 1] if tier else 0, at)
        return self._rates[key]


def _tier_starts(price: ModelPrice) -> list[int]:
    tiered = [value for value in vars(price).values() if isinstance(value, TieredPrices)]
    return sorted({tier.start for value in tiered for tier in value.tiers})


def _probe(
    provider: Provider, model: ModelInfo, price: ModelPrice, above: int, at: datetime
) -> _Rates | None:
    """Asks the library for one tier's rates: what one more token of each kind adds.

    A model may be listed without prices, or with one for input alone; the library then counts 0, we do not.
    """
    priced = {key for key, value in vars(price).items() if value is not None}
    if not priced & {"input_mtok", "output_mtok"}:
        return None
    base = above + 1

    def cost(**more: int) -> Decimal:
        usage = Usage(**{"input_tokens": base, "output_tokens": 0, **more})
        return model.calc_price(usage, provider, genai_request_timestamp=at).total_price * _NANO

    try:
        plain = cost()
        one_more = cost(input_tokens=base + 1) - plain
        written = cost(cache_write_tokens=1) - plain
        return _Rates(
            request=plain - one_more * base,
            plain_input=one_more if "input_mtok" in priced else None,
            cached=cost(cache_read_tokens=1) - plain,
            cache_write=written,
            cache_write_1h=cost(cache_write_tokens=1, cache_write_1h_tokens=1) - plain - written,
            output=cost(output_tokens=1) - plain if "output_mtok" in priced else None,
        )
    except (ValueError, ArithmeticError, LookupError, TypeError):
        return None

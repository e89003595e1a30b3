"""What a call cost, in integer nano-dollars."""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from coalmine_schemas.prices import PriceTable, TierRates


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


class Pricer:
    """Prices calls. Remembers the rates it looked up; for one thread.

    Follows the process's genai-prices data: should the service itself keep that data fresh, newer prices
    are used from then on.
    """

    def __init__(self) -> None:
        self._prices = PriceTable()

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
        self._prices.refresh()
        fresh = usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens
        if fresh < 0 or usage.cache_write_1h_tokens > usage.cache_write_tokens:
            return None
        known = self._prices.find(provider, models)
        if known is None:
            return None
        at = at or datetime.now(UTC)
        price = known.model.get_prices(at)
        tier = bisect_left(self._prices.tier_starts(price), usage.input_tokens)  # begins above its start
        rates = self._prices.rates(known, price, tier, at)
        cost = None if rates is None else _cost(rates, usage)
        return None if cost is None else int(cost.to_integral_value(ROUND_HALF_EVEN))


def _cost(rates: TierRates, usage: TokenUsage) -> Decimal | None:
    """The cost of a call; None when it used a kind of token that has no price."""
    total = rates.request
    if usage.output_tokens:
        if rates.output is None:
            return None
        total += rates.output * usage.output_tokens
    if usage.input_tokens:
        if rates.input is None:
            return None
        total += rates.input * usage.input_tokens
    if usage.cached_input_tokens:
        total += rates.cached * usage.cached_input_tokens
    if usage.cache_write_tokens:
        total += rates.cache_write * usage.cache_write_tokens
        total += rates.cache_write_1h * usage.cache_write_1h_tokens
    return total

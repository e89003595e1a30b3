"""Made-up latencies for traces that have none.

A trace of token counts says when calls came and how long they were, not how long they took. So that
charts of latency have something to show, replay adds a latency from this model. It is *synthetic*:
shaped like a hosted model of moderate size, measured nowhere. Never compare it with anything real.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from coalmine_simulator.distributions import Lognormal

if TYPE_CHECKING:
    import random

__all__ = ["SyntheticLatency", "TokenLatencyModel"]


_NOISE = Lognormal(median=1.0, sigma=0.2)


@dataclass(frozen=True, slots=True)
class SyntheticLatency:
    """Made-up times of one call, in milliseconds."""

    latency_ms: float
    time_to_first_token_ms: float


@dataclass(frozen=True, slots=True)
class TokenLatencyModel:
    """Reading the prompt takes time per input token, writing takes time per output token.

    `time_to_first_token = noise * (overhead + input_tokens * per_input_token)` and
    `latency = time_to_first_token + noise * output_tokens * per_output_token`,
    with one lognormal noise of median 1 per call.
    """

    overhead_ms: float = 90.0
    """Network and queue."""
    per_input_token_ms: float = 0.12
    per_output_token_ms: float = 22.0
    noise: Lognormal = _NOISE

    def draw(self, input_tokens: int, output_tokens: int, rng: random.Random) -> SyntheticLatency:
        """Times for a call of that size; one draw from `rng` per call."""
        pace = self.noise.sample(rng)
        first_ms = pace * (self.overhead_ms + input_tokens * self.per_input_token_ms)
        return SyntheticLatency(first_ms + pace * output_tokens * self.per_output_token_ms, first_ms)

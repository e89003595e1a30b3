"""What comes out of one call: draws from a version's profile, bent by what is going on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from coalmine_simulator.incidents import Effect
    from coalmine_simulator.profiles import VersionProfile
    from coalmine_simulator.users import User

__all__ = ["Outcome", "draw_outcome"]

_OWN_ERRORS = ("rate_limit", "timeout", "server_error")
_OWN_ERROR_SHARES = (0.55, 0.15, 0.3)
_TIMEOUT_MS = 30_000.0
_TOKEN_LATENCY_CORRELATION = 0.8
"""Of log output tokens and log latency within a version: long answers take long."""
_REFUSAL_TOKENS = 24
_REFUSAL_REASONS = {"anthropic": "refusal"}
_FINISH_REASONS = {"anthropic": "end_turn"}
_MAX_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """One call's result, as a service sees it."""

    latency_ms: float
    response_model: str | None = None
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    time_to_first_token_ms: float | None = None
    finish_reason: str | None = None
    error_type: str | None = None
    refused: bool = False
    quality: float | None = None
    """None when there is no answer to judge: errors and refusals."""


def draw_outcome(profile: VersionProfile, effect: Effect, user: User, rng: random.Random) -> Outcome:
    """Draw one call of a version by a user while `effect` is in force."""
    quality_shift = effect.quality_shift + user.taste
    latency_factor = effect.latency_factor
    for special in profile.segment_effects:
        if (special.key, special.value) in user.segments:
            quality_shift += special.quality_shift
            latency_factor *= special.latency_factor

    length = rng.gauss(0.0, 1.0)
    pace = _TOKEN_LATENCY_CORRELATION * length + rng.gauss(0.0, 1.0) * math.sqrt(
        1 - _TOKEN_LATENCY_CORRELATION**2
    )
    latency_ms = profile.latency_ms.at(pace) * latency_factor

    if rng.random() < effect.error_rate:
        return _failed(effect.error_type, latency_ms)
    if rng.random() < profile.error_rate:
        return _failed(rng.choices(_OWN_ERRORS, _OWN_ERROR_SHARES)[0], latency_ms)

    input_tokens = _tokens(profile.input_tokens.sample(rng))
    refused = rng.random() < 1 - (1 - profile.refusal_rate) * (1 - effect.refusal_rate)
    wanted = profile.output_tokens.at(length) * effect.output_tokens_factor
    first_share = min(0.95, profile.first_token_share * math.exp(0.25 * rng.gauss(0.0, 1.0)))
    finished = _FINISH_REASONS.get(profile.provider, "stop")
    return Outcome(
        latency_ms=latency_ms,
        response_model=effect.response_model or profile.model,
        input_tokens=input_tokens,
        cached_input_tokens=_cached(input_tokens, profile.cached_share, rng),
        output_tokens=min(_tokens(wanted), _REFUSAL_TOKENS) if refused else _tokens(wanted),
        time_to_first_token_ms=latency_ms * first_share,
        finish_reason=_REFUSAL_REASONS.get(profile.provider, "content_filter") if refused else finished,
        refused=refused,
        quality=None if refused else _quality(profile, quality_shift, rng),
    )


def _failed(error_type: str, latency_ms: float) -> Outcome:
    """A call that failed: providers report no tokens for it, and a timeout takes its whole time."""
    return Outcome(latency_ms=_TIMEOUT_MS if error_type == "timeout" else latency_ms, error_type=error_type)


def _quality(profile: VersionProfile, shift: float, rng: random.Random) -> float:
    """Beta-distributed around the shifted mean, so that it stays within 0 and 1."""
    mean = min(0.98, max(0.02, profile.quality + shift))
    # A beta variable cannot spread more than sqrt(m(1-m)); near the ends the spread must shrink.
    spread = min(profile.quality_spread, 0.9 * math.sqrt(mean * (1 - mean)))
    concentration = mean * (1 - mean) / spread**2 - 1
    return rng.betavariate(mean * concentration, (1 - mean) * concentration)


def _tokens(wanted: float) -> int:
    return min(_MAX_TOKENS, max(1, round(wanted)))


def _cached(input_tokens: int, share: float, rng: random.Random) -> int:
    """Providers cache a prefix or nothing: four calls in five with a cacheable prompt hit it."""
    if share == 0 or rng.random() >= 0.8:
        return 0
    return min(input_tokens, round(input_tokens * min(1.0, share / 0.8)))

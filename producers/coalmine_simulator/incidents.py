"""Things that go wrong at a stated time: outages, slow models, a model that changes under us."""

from __future__ import annotations

import math
from dataclasses import dataclass

from coalmine_simulator.errors import InvalidConfig

__all__ = ["NO_EFFECT", "Effect", "Incident", "Target", "effect_at"]


@dataclass(frozen=True, slots=True)
class Effect:
    """What an incident does to the calls it reaches; effects of several incidents combine."""

    error_rate: float = 0.0
    """Chance that a call fails because of the incident, on top of the version's own."""
    error_type: str = "server_error"
    """What those failures report."""
    latency_factor: float = 1.0
    quality_shift: float = 0.0
    output_tokens_factor: float = 1.0
    refusal_rate: float = 0.0
    """Chance that a call is refused because of the incident, on top of the version's own."""
    response_model: str | None = None
    """What the provider says it used, when it changes the model behind the same name."""

    def __post_init__(self) -> None:
        for key in ("error_rate", "refusal_rate"):
            if not 0 <= getattr(self, key) <= 1:
                raise InvalidConfig(key, getattr(self, key), "a share between 0 and 1")
        for key in ("latency_factor", "output_tokens_factor"):
            if not (math.isfinite(getattr(self, key)) and getattr(self, key) > 0):
                raise InvalidConfig(key, getattr(self, key), "a finite number above 0")

    def then(self, other: Effect) -> Effect:
        """This effect and another one together: rates add as chances do, factors multiply."""
        return Effect(
            error_rate=1 - (1 - self.error_rate) * (1 - other.error_rate),
            error_type=other.error_type if other.error_rate > 0 else self.error_type,
            latency_factor=self.latency_factor * other.latency_factor,
            quality_shift=self.quality_shift + other.quality_shift,
            output_tokens_factor=self.output_tokens_factor * other.output_tokens_factor,
            refusal_rate=1 - (1 - self.refusal_rate) * (1 - other.refusal_rate),
            response_model=other.response_model or self.response_model,
        )


NO_EFFECT = Effect()


@dataclass(frozen=True, slots=True)
class Target:
    """Which calls an incident reaches: those that match everything that is given."""

    prompt: str | None = None
    version: str | None = None
    model: str | None = None
    provider: str | None = None

    def matches(self, *, prompt: str, version: str, model: str, provider: str) -> bool:
        """Returns True if it affects a call with these properties."""
        return (
            self.prompt in (None, prompt)
            and self.version in (None, version)
            and self.model in (None, model)
            and self.provider in (None, provider)
        )


@dataclass(frozen=True, slots=True)
class Incident:
    """An effect on some calls, between two moments."""

    name: str
    starts_at_s: float
    """Simulated seconds since the start."""
    effect: Effect
    ends_at_s: float = math.inf
    target: Target = Target()

    def __post_init__(self) -> None:
        if not self.starts_at_s < self.ends_at_s:
            raise InvalidConfig("ends_at_s", self.ends_at_s, f"later than starts_at_s = {self.starts_at_s}")


def effect_at(
    incidents: tuple[Incident, ...], at_s: float, *, prompt: str, version: str, model: str, provider: str
) -> Effect:
    """The combined effect at one moment on calls with these properties."""
    combined = NO_EFFECT
    for incident in incidents:
        if incident.starts_at_s <= at_s < incident.ends_at_s and incident.target.matches(
            prompt=prompt, version=version, model=model, provider=provider
        ):
            combined = combined.then(incident.effect)
    return combined

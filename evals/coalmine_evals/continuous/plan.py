"""What is scored of production, and how much of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from coalmine_schemas.events import ScoreSourceName
from coalmine_schemas.prompts.json_values import JsonValue

DEADLINE_S: Final = 240.0
"""Longest time from the arrival of a request to its score, unless said otherwise."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """Requests of one segment, of which more are scored."""

    segment: str
    value: str
    rate: float


@dataclass(frozen=True, slots=True)
class Scored:
    """One metric that a scorer gives to production requests."""

    metric: str
    """Name of the scores."""
    scorer: str
    """Name of the scorer."""
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    """Of the scorer."""
    source: ScoreSourceName = "heuristic"
    """Who scores."""
    prompts: tuple[str, ...] = ("*",)
    """Names, or patterns with `*`."""
    environments: tuple[str, ...] = ("prod",)
    rate: float = 0.1
    """Share of the requests."""
    rate_in_rollouts: float = 1.0
    """The same of a prompt while a rollout that is judged by the metric lacks units in an arm."""
    strata: tuple[Stratum, ...] = ()

    def covers(self, environment: str, prompt: str) -> bool:
        """Returns True if requests for the prompt are scored there."""
        return environment in self.environments and any(fnmatchcase(prompt, each) for each in self.prompts)


@dataclass(frozen=True, slots=True)
class ContinuousPlan:
    """Everything that is scored of production."""

    scores: tuple[Scored, ...] = ()
    budget_nano_usd: int | None = None
    """What all scores of a UTC day may cost; None: any amount."""
    deadline_s: float = DEADLINE_S
    """A request that has no score by then gets none: a rollout has decided without it."""

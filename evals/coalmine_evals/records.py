"""What passes between providers, scorers, runs and the gate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from coalmine_evals.results.datasets import Case
from coalmine_schemas.prompts.json_values import JsonValue


@dataclass(frozen=True, slots=True)
class Output:
    """What a model answered to one case, or why it did not."""

    text: str | None
    """The answer; None after an error."""
    error: str | None = None
    """Kind of error and what was said, e.g. `timeout: no answer within 60 s`."""
    response_model: str | None = None
    """Model that answered, as the answer says."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_nano_usd: int | None = None
    latency_ms: float | None = None
    answered_at: datetime | None = None
    cached: bool = False
    """True if it was paid for by an earlier run."""


@dataclass(frozen=True, slots=True)
class Score:
    """What a scorer says about one answer."""

    value: float | None
    """From 0 to 1; None if it cannot be scored, which is not 0."""
    details: Mapping[str, JsonValue] = field(default_factory=dict)
    """Why, for people: what was found and what was expected."""
    cost_nano_usd: int = 0
    """What the scoring cost, where a model scored."""


class Scorer(Protocol):
    """Scores answers. Stateless: the same answer gets the same score, unless a model scores it."""

    @property
    def name(self) -> str:
        """Name with version, e.g. `numeric_answer@1`: another version is another series of scores."""

    async def score(self, case: Case, output: str) -> Score:
        """Scores one answer. Does not raise for an answer it cannot score: its value is None then."""


@dataclass(frozen=True, slots=True)
class MetricScores:
    """One metric of both sides. Row i is case i; NaN where there is no score."""

    metric: str
    margin: float
    candidate: NDArray[np.float64]
    """Shape (cases, repeats)."""
    baseline: NDArray[np.float64]
    """Shape (cases, repeats)."""
    advisory: str | None = None
    """Why it is shown and does not decide; None if it decides."""


@dataclass(frozen=True, slots=True)
class GateInput:
    """What the gate judges."""

    cases: Sequence[Case]
    metrics: Sequence[MetricScores]
    right_from: Mapping[str, float] = field(default_factory=dict)
    """By metric the score from which an answer is right, for cases that must pass; 1 if not said."""
    unscored_limit: float = 0.02
    """A larger share of answers without a score makes the run invalid."""
    capabilities: Sequence[str] = ()
    """Those that are looked at by themselves; empty: all that cases name."""
    warnings: Sequence[str] = ()

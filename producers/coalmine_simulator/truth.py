"""What was really produced, per prompt and version: what measurements are compared with.

Recorded from the actions themselves, so it holds whatever becomes of the events on their way.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from coalmine_simulator.actions import Action, FeedbackAction, RequestAction, ScoreAction

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["VersionKey", "VersionTruth", "record", "truth_of"]

VersionKey = tuple[str, str]
"""Prompt and version."""


@dataclass(slots=True)
class VersionTruth:
    """Counts and sums of one version of one prompt; grows while actions are recorded."""

    prompt: str
    version: str
    requests: int = 0
    errors: int = 0
    refusals: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    latencies_ms: array[float] = field(default_factory=lambda: array("d"))
    """Of every call, failed ones too, in order of sending."""
    quality_n: int = 0
    """Qualities that were sent, in metrics or scores."""
    quality_sum: float = 0.0
    feedback: int = 0
    thumbs_up: int = 0
    thumbs_down: int = 0
    corrections: int = 0
    ratings: int = 0

    @property
    def error_rate(self) -> float | None:
        """Failed calls over all calls; None without calls."""
        return self.errors / self.requests if self.requests else None

    @property
    def quality_mean(self) -> float | None:
        """Mean of the qualities that were sent; None without any."""
        return self.quality_sum / self.quality_n if self.quality_n else None

    @property
    def thumbs_up_rate(self) -> float | None:
        """Thumbs up over all thumbs; None without any."""
        thumbs = self.thumbs_up + self.thumbs_down
        return self.thumbs_up / thumbs if thumbs else None

    def latency_ms_quantile(self, q: float) -> float | None:
        """The latency that a share `q` of the calls did not exceed, 0 <= q <= 1; None without calls.

        By linear interpolation between order statistics, as `numpy.quantile` and the server have it.
        """
        if not self.latencies_ms:
            return None
        ranked = sorted(self.latencies_ms)
        rank = q * (len(ranked) - 1)
        below = math.floor(rank)
        above = min(below + 1, len(ranked) - 1)
        return ranked[below] + (ranked[above] - ranked[below]) * (rank - below)


def record(truths: dict[VersionKey, VersionTruth], action: Action) -> None:
    """Add one action to the truth of its version."""
    key = (action.prompt, action.version)
    truth = truths.get(key)
    if truth is None:
        truth = truths[key] = VersionTruth(*key)
    if isinstance(action, RequestAction):
        _record_request(truth, action)
    elif isinstance(action, FeedbackAction):
        truth.feedback += 1
        truth.thumbs_up += action.thumbs == "up"
        truth.thumbs_down += action.thumbs == "down"
        truth.corrections += action.correction is not None
        truth.ratings += action.rating is not None
    elif isinstance(action, ScoreAction):
        if action.name == "quality":
            truth.quality_n += 1
            truth.quality_sum += action.value
    else:
        assert_never(action)


def truth_of(actions: Iterable[Action]) -> dict[VersionKey, VersionTruth]:
    """The truth of all versions that appear in some actions."""
    truths: dict[VersionKey, VersionTruth] = {}
    for action in actions:
        record(truths, action)
    return truths


def _record_request(truth: VersionTruth, action: RequestAction) -> None:
    truth.requests += 1
    truth.errors += action.error_type is not None
    truth.input_tokens += action.input_tokens or 0
    truth.cached_input_tokens += action.cached_input_tokens or 0
    truth.output_tokens += action.output_tokens or 0
    truth.latencies_ms.append(action.latency_ms)
    for name, value in action.metrics:
        if name == "quality":
            truth.quality_n += 1
            truth.quality_sum += value
        elif name == "refusal":
            truth.refusals += value > 0

"""How a version, a prompt and its readers behave: the truth that measurements should find again."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from coalmine_simulator.distributions import Exponential, Lognormal
from coalmine_simulator.errors import InvalidConfig

__all__ = [
    "Arm",
    "FeedbackProfile",
    "JudgeProfile",
    "LeadsTo",
    "PromptProfile",
    "Release",
    "SegmentEffect",
    "VersionProfile",
]

_FEEDBACK_DELAY_S = Lognormal(median=45.0, sigma=1.1)
_JUDGE_DELAY_S = Exponential(mean=20.0)


@dataclass(frozen=True, slots=True)
class SegmentEffect:
    """What is different for one group of users under one version."""

    key: str
    """`tier`, `country` or `language`."""
    value: str
    quality_shift: float = 0.0
    """Added to the version's quality for these users."""
    latency_factor: float = 1.0
    """Multiplies latency for these users."""


@dataclass(frozen=True, slots=True)
class VersionProfile:
    """One version of a prompt on one model."""

    version: str
    model: str
    provider: str
    quality: float
    """Expected quality of a successful answer, in (0, 1)."""
    input_tokens: Lognormal
    """Prompt tokens of a call, cached ones included."""
    output_tokens: Lognormal
    latency_ms: Lognormal
    """Call to last token. Exactly lognormal; correlated with the output tokens of the same call."""
    quality_spread: float = 0.16
    """Standard deviation of quality between answers."""
    cached_share: float = 0.0
    """Expected share of input tokens that the provider had cached, in [0, 1)."""
    first_token_share: float = 0.25
    """Median of time to first token over latency, in (0, 1)."""
    error_rate: float = 0.005
    refusal_rate: float = 0.004
    """Share of successful calls where the model declines."""
    segment_effects: tuple[SegmentEffect, ...] = ()

    def __post_init__(self) -> None:
        _share("quality", self.quality, open_ends=True)
        _share("cached_share", self.cached_share)
        _share("first_token_share", self.first_token_share, open_ends=True)
        _share("error_rate", self.error_rate)
        _share("refusal_rate", self.refusal_rate)
        if not 0 < self.quality_spread < 0.5:
            raise InvalidConfig("quality_spread", self.quality_spread, "a number between 0 and 0.5")
        if not self.version:
            raise InvalidConfig("version", self.version, "a version such as '1.2.0'")


@dataclass(frozen=True, slots=True)
class FeedbackProfile:
    """What readers do with an answer, and how long they take."""

    thumb_rate: float = 0.08
    """Share of successful answers that get a thumb when quality is middling; up to double at the extremes."""
    up_midpoint: float = 0.55
    """Quality at which a thumb is as likely up as down."""
    up_slope: float = 9.0
    """How sharply the chance of thumbs up grows with quality."""
    rating_share: float = 0.15
    """Share of thumbs that come with one to five stars."""
    comment_share: float = 0.25
    """Share of thumbs down that come with a comment."""
    correction_rate: float = 0.03
    """Share of answers that someone rewrites at quality 0; falls linearly to none at quality 1."""
    delay_s: Lognormal | Exponential = _FEEDBACK_DELAY_S
    """From the end of the answer to the feedback, simulated seconds."""

    def __post_init__(self) -> None:
        for name in ("thumb_rate", "rating_share", "comment_share", "correction_rate"):
            _share(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class JudgeProfile:
    """A model or a person that scores a sample of answers some time later."""

    share: float = 0.25
    """Share of successful answers that are scored."""
    noise: float = 0.05
    """Standard deviation of the judge's error around the true quality."""
    scorer: str = "quality-judge"
    delay_s: Lognormal | Exponential = _JUDGE_DELAY_S
    """From the end of the answer to the score, simulated seconds."""

    def __post_init__(self) -> None:
        _share("share", self.share)
        if not (math.isfinite(self.noise) and self.noise >= 0):
            raise InvalidConfig("noise", self.noise, "a number of at least 0")


@dataclass(frozen=True, slots=True)
class Arm:
    """One branch of an allocation."""

    variant: str
    version: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise InvalidConfig("weight", self.weight, "a number of at least 0")


@dataclass(frozen=True, slots=True)
class Release:
    """What is served from a moment on: one version, or the arms of an experiment."""

    at_s: float
    """Simulated seconds since the start."""
    arms: tuple[Arm, ...]
    """In order of assignment, treatment first: growing its weight only ever adds units to it."""
    experiment: str | None = None
    """None: everyone gets the only arm, and events carry neither experiment nor variant."""
    allocation_epoch: int | None = None

    def __post_init__(self) -> None:
        if not self.arms or sum(arm.weight for arm in self.arms) <= 0:
            raise InvalidConfig("arms", self.arms, "at least one arm with a weight above 0")
        if self.experiment is None and len(self.arms) != 1:
            raise InvalidConfig("arms", self.arms, "one arm only, or the name of an experiment")
        if self.experiment is not None and self.allocation_epoch is None:
            raise InvalidConfig("allocation_epoch", None, "a number, because the release has an experiment")


@dataclass(frozen=True, slots=True)
class LeadsTo:
    """A call of this prompt is sometimes followed by a call of another, in the same trace."""

    prompt: str
    probability: float

    def __post_init__(self) -> None:
        _share("probability", self.probability)


@dataclass(frozen=True, slots=True)
class PromptProfile:
    """One prompt of one service."""

    name: str
    app: str
    versions: tuple[VersionProfile, ...]
    releases: tuple[Release, ...]
    """In order of time; the first must start at 0."""
    weight: float = 1.0
    """Share of sessions that begin with this prompt, relative to the others; 0 for one only led to."""
    environment: str = "prod"
    feedback: FeedbackProfile = field(default_factory=FeedbackProfile)
    judge: JudgeProfile | None = None
    """None: quality is measured inside the call and travels in the request's `metrics`."""
    leads_to: LeadsTo | None = None

    def __post_init__(self) -> None:
        if not self.name or not self.app or not self.environment:
            raise InvalidConfig("name", self.name, "a name, an app and an environment")
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise InvalidConfig("weight", self.weight, "a number of at least 0")
        known = [profile.version for profile in self.versions]
        if len(set(known)) != len(known):
            raise InvalidConfig("versions", known, "each version once")
        times = [release.at_s for release in self.releases]
        if not times or times[0] != 0 or times != sorted(times):
            raise InvalidConfig("releases", times, "releases in order of at_s, the first at 0")
        for release in self.releases:
            for arm in release.arms:
                if arm.version not in known:
                    raise InvalidConfig("version", arm.version, f"one of the versions {', '.join(known)}")

    def profile(self, version: str) -> VersionProfile:
        """The profile of one of the prompt's versions."""
        return next(profile for profile in self.versions if profile.version == version)


def _share(key: str, value: float, *, open_ends: bool = False) -> None:
    inside = 0 < value < 1 if open_ends else 0 <= value <= 1
    if not inside:
        ends = "between 0 and 1, ends excluded" if open_ends else "between 0 and 1"
        raise InvalidConfig(key, value, f"a share {ends}")

"""What follows an answer: thumbs, stars, comments and corrections by readers, scores by judges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from coalmine_simulator.distributions import logistic

if TYPE_CHECKING:
    import random

    from coalmine_simulator.profiles import FeedbackProfile, JudgeProfile

__all__ = ["Reaction", "draw_reaction", "draw_score"]

_COMMENTS = (
    "Not what I asked for.",
    "Too long, the answer is in the last sentence.",
    "This is out of date.",
    "It made up a policy we do not have.",
    "Wrong language.",
    "Did not use the order details I gave.",
)
_CORRECTION = "Rewritten by hand: shorter, with the right figures."


@dataclass(frozen=True, slots=True)
class Reaction:
    """Feedback on one answer and how long it took to come."""

    delay_s: float
    thumbs: Literal["up", "down"] | None = None
    rating: float | None = None
    comment: str | None = None
    correction: str | None = None


def draw_reaction(profile: FeedbackProfile, quality: float, rng: random.Random) -> Reaction | None:
    """A reader's reaction to an answer, or None: most readers say nothing."""
    # People speak up when delighted or annoyed: from 1 in the middle to 2 at either end.
    urge = min(1.0, profile.thumb_rate * (1 + abs(2 * quality - 1)))
    gives_thumb = rng.random() < urge
    corrects = rng.random() < profile.correction_rate * (1 - quality)
    if not (gives_thumb or corrects):
        return None
    thumbs: Literal["up", "down"] | None = None
    rating: float | None = None
    comment: str | None = None
    if gives_thumb:
        liked = rng.random() < logistic(profile.up_slope * (quality - profile.up_midpoint))
        thumbs = "up" if liked else "down"
        if rng.random() < profile.rating_share:
            rating = float(min(5, max(1, round(1 + 4 * quality + rng.gauss(0.0, 0.5)))))
        if not liked and rng.random() < profile.comment_share:
            comment = rng.choice(_COMMENTS)
    return Reaction(
        delay_s=profile.delay_s.sample(rng),
        thumbs=thumbs,
        rating=rating,
        comment=comment,
        correction=_CORRECTION if corrects else None,
    )


def draw_score(profile: JudgeProfile, quality: float, rng: random.Random) -> tuple[float, float] | None:
    """A judge's score of an answer and its delay in seconds, or None: judges see only a sample."""
    if rng.random() >= profile.share:
        return None
    value = min(1.0, max(0.0, quality + rng.gauss(0.0, profile.noise)))
    return value, profile.delay_s.sample(rng)

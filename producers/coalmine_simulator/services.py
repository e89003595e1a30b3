"""The services that the built-in scenarios simulate, each version as it behaves when all is well."""

from __future__ import annotations

from coalmine_simulator.distributions import Exponential, Lognormal
from coalmine_simulator.profiles import (
    Arm,
    FeedbackProfile,
    JudgeProfile,
    LeadsTo,
    PromptProfile,
    Release,
    SegmentEffect,
    VersionProfile,
)

__all__ = [
    "code_review",
    "refund_regression",
    "refund_stable",
    "search_answer",
    "search_challenger",
    "search_stable",
    "serve_only",
    "support_refund",
    "support_triage",
]


def serve_only(version: str) -> tuple[Release, ...]:
    """Everyone gets one version, from the start and for good."""
    return (Release(0.0, (Arm("control", version),)),)


def refund_stable() -> VersionProfile:
    """What the support bot has answered refund questions with for months."""
    return VersionProfile(
        version="1.3.0",
        model="gpt-4o-mini",
        provider="openai",
        quality=0.80,
        input_tokens=Lognormal(950, 0.35),
        output_tokens=Lognormal(170, 0.5),
        latency_ms=Lognormal(1150, 0.38),
        cached_share=0.35,
    )


def refund_regression() -> VersionProfile:
    """A rewrite that reads well in review and is worse in every way, most of all in German."""
    return VersionProfile(
        version="1.4.0",
        model="gpt-4o-mini",
        provider="openai",
        quality=0.66,
        input_tokens=Lognormal(1500, 0.35),
        output_tokens=Lognormal(330, 0.5),
        latency_ms=Lognormal(1900, 0.45),
        error_rate=0.018,
        refusal_rate=0.02,
        segment_effects=(SegmentEffect("language", "de", quality_shift=-0.12),),
    )


def support_refund(
    releases: tuple[Release, ...], *versions: VersionProfile, weight: float = 3.0
) -> PromptProfile:
    """Answers a customer who wants money back; a judge scores a sample of answers."""
    return PromptProfile(
        name="support-refund",
        app="support-bot",
        versions=versions,
        releases=releases,
        weight=weight,
        feedback=FeedbackProfile(thumb_rate=0.16, correction_rate=0.08),
        judge=JudgeProfile(share=0.35),
    )


def support_triage(weight: float = 1.5) -> PromptProfile:
    """Sorts incoming messages; two in five lead to the refund prompt, in the same trace."""
    return PromptProfile(
        name="support-triage",
        app="support-bot",
        versions=(
            VersionProfile(
                version="2.0.1",
                model="gpt-4.1-mini",
                provider="openai",
                quality=0.92,
                quality_spread=0.08,
                input_tokens=Lognormal(420, 0.3),
                output_tokens=Lognormal(14, 0.25),
                latency_ms=Lognormal(420, 0.3),
                first_token_share=0.6,
                error_rate=0.002,
                refusal_rate=0.0,
            ),
        ),
        releases=serve_only("2.0.1"),
        weight=weight,
        feedback=FeedbackProfile(thumb_rate=0.01, correction_rate=0.05),
        leads_to=LeadsTo("support-refund", 0.4),
    )


def search_stable() -> VersionProfile:
    """The documentation search on a larger model."""
    return VersionProfile(
        version="3.1.0",
        model="claude-sonnet-4-5",
        provider="anthropic",
        quality=0.76,
        input_tokens=Lognormal(3200, 0.45),
        output_tokens=Lognormal(260, 0.45),
        latency_ms=Lognormal(3400, 0.36),
        cached_share=0.2,
    )


def search_challenger() -> VersionProfile:
    """A shorter prompt on a smaller model: cheaper, faster and slightly better."""
    return VersionProfile(
        version="4.0.0",
        model="claude-haiku-4-5",
        provider="anthropic",
        quality=0.80,
        input_tokens=Lognormal(2300, 0.4),
        output_tokens=Lognormal(230, 0.45),
        latency_ms=Lognormal(1700, 0.34),
        cached_share=0.45,
    )


def search_answer(releases: tuple[Release, ...], *versions: VersionProfile) -> PromptProfile:
    """Answers from retrieved pages; a grounding check in the service measures quality in every call."""
    return PromptProfile(
        name="search-answer",
        app="docs-search",
        versions=versions,
        releases=releases,
        weight=2.5,
        feedback=FeedbackProfile(thumb_rate=0.12),
    )


def code_review() -> PromptProfile:
    """Reviews a change: few calls, long, dear, and people take their time to answer."""
    return PromptProfile(
        name="code-review",
        app="review-assistant",
        versions=(
            VersionProfile(
                version="0.9.2",
                model="gpt-4.1",
                provider="openai",
                quality=0.70,
                quality_spread=0.18,
                input_tokens=Lognormal(7200, 0.7),
                output_tokens=Lognormal(620, 0.6),
                latency_ms=Lognormal(9500, 0.45),
                cached_share=0.1,
                first_token_share=0.12,
                error_rate=0.012,
            ),
        ),
        releases=serve_only("0.9.2"),
        weight=0.8,
        feedback=FeedbackProfile(
            thumb_rate=0.2, correction_rate=0.15, delay_s=Lognormal(median=180.0, sigma=1.0)
        ),
        judge=JudgeProfile(share=0.5, delay_s=Exponential(mean=40.0)),
    )

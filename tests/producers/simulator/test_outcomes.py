"""Calls and reactions: seeded draws within five standard errors of what the profile says."""

import math
import random
import statistics
from dataclasses import replace

import pytest

from coalmine_simulator.distributions import Lognormal
from coalmine_simulator.incidents import NO_EFFECT, Effect
from coalmine_simulator.outcomes import Outcome, draw_outcome
from coalmine_simulator.profiles import FeedbackProfile, JudgeProfile, SegmentEffect, VersionProfile
from coalmine_simulator.reactions import draw_reaction, draw_score
from coalmine_simulator.users import User
from tests.support.campaign import size

DRAWS = size(8_000, 20_000)
USER = User("user-00001", 1.0, 0.0, (("country", "DE"), ("language", "de"), ("tier", "pro")))
PROFILE = VersionProfile(
    version="1.0.0",
    model="gpt-4o-mini",
    provider="openai",
    quality=0.8,
    input_tokens=Lognormal(1000, 0.4),
    output_tokens=Lognormal(200, 0.5),
    latency_ms=Lognormal(1200, 0.4),
    quality_spread=0.15,
    cached_share=0.4,
    error_rate=0.05,
    refusal_rate=0.02,
)


def outcomes(
    profile: VersionProfile = PROFILE, effect: Effect = NO_EFFECT, user: User = USER, seed: int = 1
) -> list[Outcome]:
    rng = random.Random(seed)
    return [draw_outcome(profile, effect, user, rng) for _ in range(DRAWS)]


def share_bound(share: float, draws: int = DRAWS) -> float:
    return 5 * math.sqrt(share * (1 - share) / draws)


def qualities(found: list[Outcome]) -> list[float]:
    return [outcome.quality for outcome in found if outcome.quality is not None]


def test_errors_and_refusals_come_at_their_rates() -> None:
    found = outcomes()
    errors = sum(outcome.error_type is not None for outcome in found)
    assert errors / DRAWS == pytest.approx(0.05, abs=share_bound(0.05))
    refused = sum(outcome.refused for outcome in found)
    assert refused / (DRAWS - errors) == pytest.approx(0.02, abs=share_bound(0.02))


def test_latency_of_successful_calls_is_lognormal_as_stated() -> None:
    found = [math.log(outcome.latency_ms) for outcome in outcomes() if outcome.error_type is None]
    assert statistics.fmean(found) == pytest.approx(math.log(1200), abs=5 * 0.4 / math.sqrt(len(found)))
    assert statistics.stdev(found) == pytest.approx(0.4, abs=5 * 0.4 / math.sqrt(2 * len(found)))


def test_quality_has_the_stated_mean_and_spread() -> None:
    found = qualities(outcomes())
    assert statistics.fmean(found) == pytest.approx(0.8, abs=5 * 0.15 / math.sqrt(len(found)))
    assert statistics.stdev(found) == pytest.approx(0.15, rel=0.05)
    assert all(0 <= quality <= 1 for quality in found)


def test_long_answers_take_long() -> None:
    found = [outcome for outcome in outcomes() if outcome.error_type is None and not outcome.refused]
    tokens = [math.log(outcome.output_tokens or 0) for outcome in found]
    latency = [math.log(outcome.latency_ms) for outcome in found]
    assert statistics.correlation(tokens, latency) == pytest.approx(0.8, abs=0.02)


def test_tokens_have_the_stated_medians_and_the_cached_ones_their_share() -> None:
    found = [outcome for outcome in outcomes() if outcome.error_type is None and not outcome.refused]
    # Standard error of a lognormal sample's median is about 1.25 sigma/sqrt(n) on the log scale.
    bound = 5 * 1.25 * 0.5 / math.sqrt(len(found))
    assert statistics.median(o.input_tokens or 0 for o in found) == pytest.approx(1000, rel=bound)
    assert statistics.median(o.output_tokens or 0 for o in found) == pytest.approx(200, rel=bound)
    cached = sum(o.cached_input_tokens or 0 for o in found) / sum(o.input_tokens or 0 for o in found)
    assert cached == pytest.approx(0.4, abs=0.02)
    assert all((o.cached_input_tokens or 0) <= (o.input_tokens or 0) for o in found)


def test_a_failed_call_has_no_tokens_no_quality_and_no_model() -> None:
    failed = [outcome for outcome in outcomes() if outcome.error_type is not None]
    assert {outcome.error_type for outcome in failed} == {"rate_limit", "timeout", "server_error"}
    for outcome in failed:
        bare = Outcome(latency_ms=outcome.latency_ms, error_type=outcome.error_type)
        assert outcome == bare
        assert outcome.error_type != "timeout" or outcome.latency_ms == 30_000.0


def test_the_first_token_comes_before_the_last() -> None:
    for outcome in outcomes():
        if outcome.time_to_first_token_ms is not None:
            assert 0 < outcome.time_to_first_token_ms < outcome.latency_ms


@pytest.mark.parametrize(
    ("provider", "normal", "refused"),
    [("openai", "stop", "content_filter"), ("anthropic", "end_turn", "refusal")],
)
def test_finish_reasons_are_the_provider_s(provider: str, normal: str, refused: str) -> None:
    found = outcomes(replace(PROFILE, provider=provider))
    reasons = {(outcome.refused, outcome.finish_reason) for outcome in found if outcome.error_type is None}
    assert reasons == {(False, normal), (True, refused)}


def test_an_outage_fails_calls_with_its_own_error() -> None:
    found = outcomes(effect=Effect(error_rate=0.5, error_type="server_error"))
    rate = sum(outcome.error_type is not None for outcome in found) / DRAWS
    assert rate == pytest.approx(0.525, abs=share_bound(0.525))


def test_drift_moves_quality_length_and_model() -> None:
    drift = Effect(quality_shift=-0.2, output_tokens_factor=1.5, response_model="gpt-4o-mini-2024-07-18")
    found = [o for o in outcomes(effect=drift) if o.error_type is None and not o.refused]
    assert statistics.fmean(qualities(found)) == pytest.approx(0.6, abs=0.01)
    assert statistics.median(o.output_tokens or 0 for o in found) == pytest.approx(300, rel=0.03)
    assert {outcome.response_model for outcome in found} == {"gpt-4o-mini-2024-07-18"}


def test_a_segment_effect_reaches_only_its_segment() -> None:
    profile = replace(PROFILE, segment_effects=(SegmentEffect("language", "de", -0.3, 2.0),))
    french = replace(USER, segments=(("country", "FR"), ("language", "fr"), ("tier", "pro")))
    assert statistics.fmean(qualities(outcomes(profile))) == pytest.approx(0.5, abs=0.01)
    assert statistics.fmean(qualities(outcomes(profile, user=french))) == pytest.approx(0.8, abs=0.01)
    median = statistics.median(o.latency_ms for o in outcomes(replace(profile, error_rate=0.0)))
    assert median == pytest.approx(2400, rel=0.03)


def test_quality_at_either_end_stays_within_0_and_1() -> None:
    for shift in (-5.0, 5.0):
        found = qualities(outcomes(effect=Effect(quality_shift=shift)))
        assert all(0.0 <= quality <= 1.0 for quality in found)
        assert statistics.fmean(found) == pytest.approx(0.02 if shift < 0 else 0.98, abs=0.005)


def test_better_answers_get_more_thumbs_up_and_fewer_corrections() -> None:
    profile = FeedbackProfile(thumb_rate=0.3, correction_rate=0.4)
    rates = []
    for quality in (0.2, 0.55, 0.9):
        rng = random.Random(9)
        found = [r for r in (draw_reaction(profile, quality, rng) for _ in range(DRAWS)) if r is not None]
        ups = sum(r.thumbs == "up" for r in found)
        downs = sum(r.thumbs == "down" for r in found)
        expected = 1 / (1 + math.exp(-9.0 * (quality - 0.55)))
        assert ups / (ups + downs) == pytest.approx(expected, abs=share_bound(expected, ups + downs))
        corrected = sum(r.correction is not None for r in found) / DRAWS
        assert corrected == pytest.approx(0.4 * (1 - quality), abs=share_bound(0.4 * (1 - quality)))
        rates.append((ups / (ups + downs), -corrected))
    assert rates == sorted(rates)


def test_people_speak_up_when_delighted_or_annoyed() -> None:
    profile = FeedbackProfile(thumb_rate=0.1, correction_rate=0.0)

    def thumbs(quality: float) -> float:
        rng = random.Random(4)
        return sum(draw_reaction(profile, quality, rng) is not None for _ in range(DRAWS)) / DRAWS

    assert thumbs(0.5) == pytest.approx(0.1, abs=share_bound(0.1))
    assert thumbs(1.0) == pytest.approx(0.2, abs=share_bound(0.2))
    assert thumbs(0.0) == pytest.approx(0.2, abs=share_bound(0.2))


def test_feedback_carries_stars_and_comments_at_their_shares() -> None:
    rng = random.Random(4)
    profile = FeedbackProfile(thumb_rate=0.5, rating_share=0.4, comment_share=0.5)
    found = [r for r in (draw_reaction(profile, 0.5, rng) for _ in range(DRAWS)) if r is not None]
    thumbs = [r for r in found if r.thumbs]
    downs = [r for r in thumbs if r.thumbs == "down"]
    assert {r.rating for r in found} <= {None, 1.0, 2.0, 3.0, 4.0, 5.0}
    rated = sum(r.rating is not None for r in thumbs) / len(thumbs)
    assert rated == pytest.approx(0.4, abs=share_bound(0.4, len(thumbs)))
    commented = sum(r.comment is not None for r in downs) / len(downs)
    assert commented == pytest.approx(0.5, abs=share_bound(0.5, len(downs)))
    assert all(r.comment is None for r in thumbs if r.thumbs == "up")


def test_delays_follow_their_distribution() -> None:
    rng = random.Random(4)
    profile = FeedbackProfile(thumb_rate=0.5, delay_s=Lognormal(60.0, 1.0))
    delays = [math.log(r.delay_s) for r in (draw_reaction(profile, 0.5, rng) for _ in range(DRAWS)) if r]
    assert statistics.fmean(delays) == pytest.approx(math.log(60), abs=5 / math.sqrt(len(delays)))


def test_a_judge_scores_its_share_close_to_the_truth() -> None:
    rng = random.Random(4)
    found = [
        s for s in (draw_score(JudgeProfile(share=0.3, noise=0.05), 0.7, rng) for _ in range(DRAWS)) if s
    ]
    assert len(found) / DRAWS == pytest.approx(0.3, abs=share_bound(0.3))
    values = [value for value, _ in found]
    assert statistics.fmean(values) == pytest.approx(0.7, abs=5 * 0.05 / math.sqrt(len(values)))
    assert all(delay_s > 0 for _, delay_s in found)

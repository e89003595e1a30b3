"""Which requests are scored: by a hash alone, fewer in equal parts where money is short, at known odds."""

import numpy as np

from coalmine_evals.continuous.plan import Scored, Stratum
from coalmine_evals.continuous.sampling import Candidate, affordable, taken

MANY = 20_000
LOW = Scored("faithful", "judge", rate=0.1)
WITH_STRATUM = Scored("faithful", "judge", rate=0.1, strata=(Stratum("tier", "enterprise", 0.5),))


def candidates(count: int = MANY, share: float = 0.2) -> list[Candidate]:
    random = np.random.default_rng(5)
    buckets = random.integers(0, 2**32, count)
    tiers = np.where(random.random(count) < share, "enterprise", "free")
    return [
        Candidate(f"r{number}", int(bucket), {"tier": str(tier)})
        for number, (bucket, tier) in enumerate(zip(buckets, tiers, strict=True))
    ]


def test_what_is_taken_at_a_rate_is_taken_at_every_larger_one() -> None:
    few, _ = taken(candidates(), LOW, 0.1)
    more, _ = taken(candidates(), LOW, 0.4)
    assert {each.request_id for each in few} < {each.request_id for each in more}
    assert abs(len(few) / MANY - 0.1) < 0.01
    assert all(each.probability == 0.1 and each.counts for each in few)


def test_a_stratum_of_which_more_is_taken_adds_nothing_to_the_metric() -> None:
    plain, _ = taken(candidates(), LOW, 0.1)
    richer, _ = taken(candidates(), WITH_STRATUM, 0.1)
    assert {each.request_id for each in richer if each.counts} == {each.request_id for each in plain}
    extra = [each for each in richer if not each.counts]
    assert extra
    assert {(each.stratum, each.probability) for each in extra} == {("tier=enterprise", 0.5)}


def test_money_for_fewer_is_spread_over_arms_and_strata_alike() -> None:
    all_of_them = candidates()
    chosen, left_out = taken(all_of_them, WITH_STRATUM, 0.1, most=500)
    assert len(chosen) == 500
    whole, none = taken(all_of_them, WITH_STRATUM, 0.1)
    assert (left_out, none) == (len(whole) - 500, 0)
    # Arms are those of even and odd numbers: about as many of each, whoever came first.
    arms = [int(each.request_id[1:]) % 2 for each in chosen]
    assert abs(np.mean(arms) - 0.5) < 0.08
    part = 500 / len(whole)
    assert all(abs(each.probability / (0.5 if each.stratum else 0.1) - part) < 0.05 for each in chosen)


def test_weights_by_these_chances_estimate_all_requests() -> None:
    everything = candidates()
    chosen, _ = taken(everything, WITH_STRATUM, 0.1, most=1_000)
    total = sum(1 / each.probability for each in chosen)
    enterprise = sum(1 / each.probability for each in chosen if each.stratum)
    assert abs(total / MANY - 1) < 0.1
    assert abs(enterprise / total - 0.2) < 0.03


def test_nothing_is_taken_without_money_or_at_a_rate_of_nothing() -> None:
    assert taken(candidates(100), LOW, 1.0, most=0) == ([], 100)
    assert taken(candidates(100), LOW, 0.0) == ([], 0)


def test_what_can_be_paid_for_follows_from_what_the_latest_scores_cost() -> None:
    assert affordable(None, [5], 4) is None
    assert affordable(100, [], 4) == 4
    assert affordable(0, [], 4) == 0
    assert affordable(100, [10, 30], 4) == 5
    assert affordable(-3, [10], 4) == 0
    assert affordable(100, [0, 0], 4) is None

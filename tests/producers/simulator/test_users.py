import math
import random
from collections import Counter

import pytest

from coalmine_simulator.errors import InvalidConfig
from coalmine_simulator.users import Population, Tier, Users


def drawn(seed: int = 1, **changes: object) -> Users:
    return Users(Population(**changes), random.Random(seed))  # type: ignore[arg-type]


def test_a_few_users_make_much_of_the_traffic() -> None:
    activity = sorted((user.activity for user in drawn().everyone), reverse=True)
    assert sum(activity[: len(activity) // 10]) > 0.35 * sum(activity)


def test_nobody_makes_more_of_the_traffic_than_an_experiment_can_balance() -> None:
    for seed in range(20):
        activity = [user.activity for user in drawn(seed).everyone]
        assert max(activity) < 0.06 * sum(activity), seed


def test_users_are_picked_in_proportion_to_their_activity() -> None:
    users = drawn(users=50)
    picks = 40_000
    rng = random.Random(5)
    counts = Counter(users.pick(rng).unit_id for _ in range(picks))
    total = sum(user.activity for user in users.everyone)
    for user in users.everyone:
        share = user.activity / total
        bound = 5 * math.sqrt(share * (1 - share) / picks)
        assert counts[user.unit_id] / picks == pytest.approx(share, abs=bound)


def test_tiers_and_countries_have_their_shares() -> None:
    users = drawn(users=5000).everyone
    tiers = Counter(dict(user.segments)["tier"] for user in users)
    for tier in Population().tiers:
        bound = 5 * math.sqrt(tier.share * (1 - tier.share) / len(users))
        assert tiers[tier.name] / len(users) == pytest.approx(tier.share, abs=bound)
    languages = {(dict(user.segments)["country"], dict(user.segments)["language"]) for user in users}
    assert languages == {(country.code, country.language) for country in Population().countries}


def test_users_have_their_own_taste_around_none() -> None:
    tastes = [user.taste for user in drawn(users=4000, taste_spread=0.05).everyone]
    assert sum(tastes) / len(tastes) == pytest.approx(0.0, abs=5 * 0.05 / math.sqrt(len(tastes)))
    assert all(user.taste == 0.0 for user in drawn(taste_spread=0.0).everyone)


def test_the_same_seed_draws_the_same_people() -> None:
    assert drawn(seed=3).everyone == drawn(seed=3).everyone
    assert drawn(seed=3).everyone != drawn(seed=4).everyone


@pytest.mark.parametrize(
    "wrong", [{"users": 0}, {"activity_exponent": 0.0}, {"taste_spread": 0.5}, {"tiers": ()}]
)
def test_an_impossible_population_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidConfig):
        Population(**wrong)  # type: ignore[arg-type]


def test_a_single_user_of_one_tier_will_do() -> None:
    users = drawn(users=1, tiers=(Tier("only", 1.0),))
    assert users.pick(random.Random(1)) is users.everyone[0]

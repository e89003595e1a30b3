"""Absolute limits of versions that everybody gets."""

from dataclasses import replace
from datetime import timedelta

import pytest

from coalmine_alerts.facts import LimitWatch, VersionPlace
from coalmine_alerts.rules.limits import KillLimit
from coalmine_alerts.rules.rollouts import RolloutDecided
from coalmine_rollouts.plan import template
from tests.support.data.alert_facts import KEY, facts, findings, held_back, later, one, served
from tests.support.data.alert_rollouts import rollout_facts


def watch(**given: object) -> LimitWatch:
    values = {
        "key": KEY,
        "limit_name": "error_rate",
        "limit": 0.2,
        "bad_units": 40.0,
        "units": 60,
        "log_e": 16.0,
        "hit": 3,
        "bad_lately": 30,
        "requests_lately": 60,
        **given,
    }
    return LimitWatch(**values)  # type: ignore[arg-type]


def test_what_was_accepted_is_broken_by_more_than_chance() -> None:
    told = one(KillLimit()(facts(limits=[watch()])))
    assert told.is_worse_than is not None
    assert [told.is_worse_than(each) for each in (0.2, 0.3, 0.5, 0.9)] == [True, False, False, False]


@pytest.mark.parametrize(
    ("given", "condition", "recovered"),
    [
        ({}, True, False),
        ({"log_e": 15.9}, False, False),
        ({"hit": 2}, False, False),
        ({"bad_lately": 12}, False, True),
        ({"bad_lately": 13}, True, False),
        ({"bad_lately": 0, "requests_lately": 29}, False, False),
        ({"bad_lately": 0, "requests_lately": 0}, None, False),
    ],
)
def test_a_limit_is_broken_by_evidence_and_as_long_as_it_is_so(
    given: dict[str, object], condition: bool | None, recovered: bool
) -> None:
    told = one(KillLimit()(facts(limits=[watch(**given)], served=[served()])))
    assert (told.condition, told.recovered, told.severity) == (condition, recovered, "page")


def test_what_a_rollout_watches_is_left_to_it() -> None:
    limits = [watch(key=VersionPlace("prod", "refund", "1.1.0"))]
    for state in ("running", "paused", "baking"):
        known = facts(limits=limits, rollouts=[rollout_facts(state)])
        assert findings(KillLimit()(known)) == []
    over = facts(limits=[watch()], served=[served()], rollouts=[rollout_facts("rolled_back")])
    assert (one(KillLimit()(over)).condition, one(KillLimit()(over)).ended) == (True, False)


def test_what_no_rollout_takes_back_is_told() -> None:
    """The control, which fails in an outage; a treatment without one, or that a person is to take back."""
    treatment = VersionPlace("prod", "refund", "1.1.0")
    plan = template("canary-standard")
    kept = replace(plan, bake=replace(plan.bake, rollback=False))
    for key, rollout in (
        (KEY, rollout_facts("running")),
        (treatment, rollout_facts("baking", plan=template("canary-classic"), stage=3)),
        (treatment, rollout_facts("baking", plan=kept, stage=2)),
        (treatment, rollout_facts("running", mode="advise")),
        (treatment, rollout_facts("completed")),
    ):
        known = facts(limits=[watch(key=key)], served=[served(key.version)], rollouts=[rollout])
        assert one(KillLimit()(known)).condition is True
        assert not any(each.labels["version"] == key.version for each in held_back(RolloutDecided()(known)))


def test_what_was_just_taken_back_or_replaced_is_over() -> None:
    treatment = VersionPlace("prod", "refund", "1.1.0")
    back = facts(limits=[watch(key=treatment)], rollouts=[rollout_facts("rolled_back")])
    assert one(KillLimit()(back)).ended is True
    assert one(KillLimit()(later(back, timedelta(hours=1)))).ended is False
    silent = watch(key=treatment, requests_lately=0, bad_lately=0)
    replaced = facts(limits=[silent], served=[served("1.0.0"), served("1.1.0")])
    assert one(KillLimit()(replaced)).ended is True
    alone = facts(limits=[silent], served=[served("1.1.0")])
    assert one(KillLimit()(alone)).ended is False


def test_going_back_is_proposed_only_if_there_is_something_to_go_back_to() -> None:
    alone = one(KillLimit()(facts(limits=[watch()], served=[served()]))).story.could
    assert not any("rollback" in each for each in alone)
    two = one(KillLimit()(facts(limits=[watch()], served=[served(), served("0.9.0")]))).story.could
    assert "go back: `coalmine rollback refund prod`" in two

"""Rules come first, each tested for itself; then the split by unit."""

from collections import Counter
from typing import Any

import pytest

from coalmine_schemas.prompts import UnknownPrompt, assignment_point, resolve
from tests.support.data.prompt_examples import experiment_json, snapshot, snapshot_json


def test_a_pointer_serves_its_version() -> None:
    choice = resolve(snapshot(snapshot_json()), "support-refund", "u", None)
    assert (choice.version, choice.variant, choice.experiment, choice.allocation_epoch) == (
        "1.0.0",
        None,
        None,
        None,
    )
    assert choice.content.template == "v1.0.0 {{ question }}"


def test_an_experiment_serves_the_arm_of_the_unit() -> None:
    served = snapshot(experiment_json(0.1, epoch=3))
    counts: Counter[str | None] = Counter()
    for unit in range(2000):
        choice = resolve(served, "support-refund", f"u{unit}", {})
        expected = "treatment" if assignment_point("5c1f", f"u{unit}") < 0.1 else "control"
        assert choice.variant == expected
        assert choice.version == {"treatment": "1.1.0", "control": "1.0.0"}[expected]
        assert (choice.experiment, choice.allocation_epoch) == ("refund-tone", 3)
        assert choice.content.model == f"model-{choice.version}"
        counts[choice.variant] += 1
    assert 140 < counts["treatment"] < 260


@pytest.mark.parametrize(
    ("segments", "by_rule"),
    [
        ({"tier": "enterprise", "country": "DE"}, True),
        ({"tier": "public", "country": "DE", "other": "x"}, True),
        ({"tier": "enterprise"}, False),
        ({"tier": "free", "country": "DE"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_all_segments_of_a_rule_have_to_match_each_with_any_value(segments: Any, by_rule: bool) -> None:
    choice = resolve(snapshot(experiment_json()), "support-refund", "u", segments)
    assert (choice.version == "0.9.0", choice.experiment is None) == (by_rule, by_rule)


def test_the_first_rule_that_matches_wins() -> None:
    value = experiment_json()
    rules = value["prompts"]["support-refund"]["rules"]
    rules.append({"name": "everybody", "when": {}, "serve": {"version": "1.1.0"}})
    served = snapshot(value)
    assert resolve(served, "support-refund", "u", {"tier": "public", "country": "DE"}).version == "0.9.0"
    assert resolve(served, "support-refund", "u", None).version == "1.1.0"
    rules.reverse()
    served = snapshot(value)
    assert resolve(served, "support-refund", "u", {"tier": "public", "country": "DE"}).version == "1.1.0"


def test_a_rule_can_lead_to_an_experiment() -> None:
    value = experiment_json()
    prompt = value["prompts"]["support-refund"]
    prompt["default"] = {"version": "1.0.0"}
    prompt["rules"][0]["serve"] = {"experiment": "refund-tone"}
    served = snapshot(value)
    assert resolve(served, "support-refund", "u", None).experiment is None
    assert (
        resolve(served, "support-refund", "u", {"tier": "public", "country": "DE"}).experiment
        == "refund-tone"
    )


def test_without_a_unit_every_call_counts_for_itself() -> None:
    served = snapshot(experiment_json(0.5))
    choices = [resolve(served, "support-refund", None, None) for _ in range(200)]
    assert len({choice.unit_id for choice in choices}) == 200
    assert {choice.variant for choice in choices} == {"treatment", "control"}


def test_an_unknown_prompt_is_named_with_the_nearest_and_the_remedy() -> None:
    with pytest.raises(
        UnknownPrompt, match=r"did you mean support-refund.*coalmine promote support-refnd VERSION prod"
    ):
        resolve(snapshot(snapshot_json()), "support-refnd", "u", None)

"""Experiments carry the plan by which they are judged."""

from pathlib import Path
from typing import Any

import pytest

from coalmine_registry.errors import Invalid
from coalmine_registry.experiment_plan import DEFAULT, ExperimentPlan, MetricPlan
from coalmine_registry.registry import Registry
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompts import PromptContent
from coalmine_schemas.prompts.errors import InvalidPrompt
from tests.support.data.registry_case import ANN, BOB, PROMPT, arms, push, serve

PLAN = ExperimentPlan.from_json(
    {
        "goals": ["quality"],
        "alpha": 0.01,
        "metrics": {"cost_per_request": {"margin": "40%", "role": "signal"}},
        "limits": {"error_rate": "20%", "schema_invalid_rate": 0.1},
        "segments": ["plan", "language"],
    }
)
ASKED: dict[str, Any] = {
    "goals": ["quality"],
    "alpha": 0.01,
    "metrics": {"cost_per_request": {"margin": 0.4}},
}


@pytest.fixture
def served(registry: Registry) -> Registry:
    """1.0.0 is served, 1.1.0 is registered."""
    serve(registry, "1.0.0")
    push(registry, "1.1.0")
    return registry


def start(registry: Registry, name: str, **arguments: Any) -> ExperimentPlan:
    made = registry.start_experiment(
        BOB, "prod", PROMPT, name, **{"arms": arms("1.1.0", "1.0.0"), **arguments}
    )
    assert registry.experiment(name) == made
    return made.plan


def test_a_plan_is_kept_as_it_was_given(served: Registry) -> None:
    assert start(served, "planned", plan=PLAN) == PLAN
    served.stop_experiment(BOB, "planned")
    assert served.experiment("planned").plan == PLAN
    assert start(served, "unplanned") == DEFAULT


def test_a_version_brings_the_plan_of_its_experiments(served: Registry) -> None:
    served.register(ANN, PROMPT, "2.0.0", PromptContent("Hello there", metadata={"experiment": ASKED}))
    both = arms("2.0.0", "1.0.0")
    found = start(served, "from-metadata", arms=both)
    margin = MetricPlan(role=None, direction=None, margin="0.4", tolerance=None, mde=None)
    assert found == ExperimentPlan(("quality",), 0.01, {"cost_per_request": margin}, {}, ())
    served.stop_experiment(BOB, "from-metadata")
    assert start(served, "by-hand", arms=both, plan=PLAN) == PLAN


def test_a_version_whose_plan_is_none_is_refused_at_registration(served: Registry) -> None:
    content = PromptContent("Hello there", metadata={"experiment": {"gaols": ["quality"]}})
    with pytest.raises(InvalidPrompt, match=r"metadata\.experiment is 'gaols': did you mean goals"):
        served.register(ANN, PROMPT, "1.2.0", content)


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ({"metrics": {"quality": {"margin": "3 percent"}}}, r"plan\.metrics\.quality\.margin"),
        ({"metrics": {"quality": {"margin": -1}}}, r"plan\.metrics\.quality\.margin"),
        ({"metrics": {"quality": {"margin": True}}}, r"plan\.metrics\.quality\.margin"),
        ({"metrics": {"quality": {"tolerance": "nan"}}}, r"plan\.metrics\.quality\.tolerance"),
        ({"metrics": {"quality": {"role": "guardrail"}}}, "must_prove, must_not_harm, signal, shown"),
        ({"metrics": {"quality": {"direction": "up"}}}, "higher, lower, same"),
        ({"metrics": {"quality": {"margn": "3%"}}}, "did you mean margin"),
        ({"metrics": {"": {}}}, "names of metrics"),
        ({"metrics": {f"m{number}": {} for number in range(51)}}, "at most 50"),
        ({"goals": [1]}, "names of metrics"),
        ({"goals": "quality"}, r"plan\.goals"),
        ({"limits": {"error_rate": 20}}, r"plan\.limits\.error_rate is 20: give a share"),
        ({"limits": {"error_rate": "half"}}, r"plan\.limits\.error_rate"),
        ({"segments": ["a", "b", "c", "d", "e"]}, r"plan\.segments .* keep at most 4"),
        ({"segments": ["a", "a"]}, r"plan\.segments .* name each key once"),
        ({"segments": [1]}, r"plan\.segments is 1: give keys"),
        ({"segments": "plan"}, r"plan\.segments"),
        ({"alpha": 1}, r"plan\.alpha"),
        ({"alpha": "0.05"}, r"plan\.alpha"),
        ([], "plan"),
    ],
)
def test_what_is_no_plan_is_named(plan: object, told: str) -> None:
    with pytest.raises(InvalidPrompt, match=told):
        ExperimentPlan.from_json(plan)


def test_a_plan_reads_what_it_writes() -> None:
    assert ExperimentPlan.from_json(PLAN.to_json()) == PLAN


def test_a_plan_of_metrics_that_cannot_be_judged_starts_nothing(tmp_path: Path) -> None:
    def refuse(plan: ExperimentPlan) -> None:
        raise InvalidParameter(f"no metric {plan.goals[0]}")

    with Registry.open(tmp_path / "registry.db", check_plan=refuse) as registry:
        serve(registry, "1.0.0")
        push(registry, "1.1.0")
        with pytest.raises(InvalidParameter, match="no metric quality"):
            start(registry, "refused", plan=PLAN)
        assert registry.deployment("prod", PROMPT).experiments == {}


def test_any_arm_may_be_the_control(served: Registry) -> None:
    made = served.start_experiment(
        BOB, "prod", PROMPT, "tone", arms("1.1.0", "1.0.0")[::-1], control="control"
    )
    assert made.arms[-1].variant == "control"
    assert served.set_weights(BOB, "tone", {"treatment": 0.5}).arms[-1].variant == "control"
    served.stop_experiment(BOB, "tone")
    # The treatment is what is served: it cannot be one.
    turned = served.start_experiment(
        BOB, "prod", PROMPT, "turned", arms("1.0.0", "1.1.0"), control="treatment"
    )
    assert [arm.variant for arm in turned.arms] == ["control", "treatment"]
    with pytest.raises(Invalid, match="name one of the arms: treatment, control"):
        start(served, "unknown", control="baseline")


def test_the_same_weights_again_begin_no_epoch(served: Registry) -> None:
    start(served, "tone")
    before = served.deployment("prod", PROMPT).revision
    again = served.set_weights(BOB, "tone", {"treatment": 0.1})
    assert (again.allocation_epoch, served.deployment("prod", PROMPT).revision) == (1, before)

import json
from typing import Any

import pytest

from coalmine_rollouts.plan import TEMPLATES, RolloutPlan, plan_of_metadata, read_plan, template
from coalmine_schemas.prompt_files.front_matter import read_front_matter
from coalmine_schemas.prompts.errors import InvalidPrompt
from tests.support.data.prompt_examples import content


def plan_of_text(text: str) -> RolloutPlan:
    """A plan as a file has it."""
    return read_plan(read_front_matter(text), "plan")


ONE = {"stages": [{"weight": "50%", "min_time": "1h"}]}


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_are_plans_that_are_read_back(name: str) -> None:
    plan = template(name)
    assert RolloutPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert plan.digest() == template(name).digest()
    assert plan.template == name


def test_templates_have_different_digests() -> None:
    assert len({template(name).digest() for name in TEMPLATES}) == len(TEMPLATES)


def test_the_standard_template_is_the_one_that_was_measured() -> None:
    plan = template("canary-standard")
    assert [(stage.weight, stage.min_time, stage.gate) for stage in plan.stages] == [
        (0.10, "2h", "no_harm"),
        (0.50, "2h", "not_worse"),
    ]
    assert (plan.bake.time, plan.bake.holdback) == ("24h", 0.05)
    assert plan.stages[1].min_units == 600


def test_the_last_stage_asks_for_proof_unless_its_gate_is_named() -> None:
    stages = [{"weight": "5%"}, {"weight": "50%"}]
    assert [stage.gate for stage in read_plan({"stages": stages}).stages] == ["no_harm", "not_worse"]


def test_a_plan_is_a_template_and_what_it_changes() -> None:
    plan = read_plan({"rollout": "canary-classic", "max_duration": "14d", "goals": ["quality"]})
    assert plan.template == "canary-classic"
    assert [stage.weight for stage in plan.stages] == [0.05, 0.25, 0.5]
    assert (plan.max_duration, plan.goals) == ("14d", ("quality",))
    assert read_plan("canary-classic") == template("canary-classic")


def test_yaml_and_json_are_read_alike() -> None:
    yaml = "rollout: canary-fast\nalpha: 0.01\nwindow: Mon-Fri 09:00-17:00 Europe/Berlin\n"
    assert plan_of_text(yaml) == plan_of_text(
        json.dumps({"rollout": "canary-fast", "alpha": 0.01, "window": "Mon-Fri 09:00-17:00 Europe/Berlin"})
    )


def test_metrics_may_be_given_in_points_and_as_change() -> None:
    plan = read_plan(
        {
            **ONE,
            "metrics": {
                "error_rate": {"role": "must_prove", "margin": "1pt"},
                "output_tokens": {"role": "signal", "change": "30%"},
            },
        }
    )
    assert plan.metrics["error_rate"].margin == "0.01"
    tokens = plan.metrics["output_tokens"]
    assert (tokens.direction, tokens.tolerance, tokens.role) == ("same", "30%", "signal")
    judged = plan.experiment_plan()
    assert judged.metrics == plan.metrics
    assert judged.limits == plan.limits


def test_a_version_may_bring_its_plan() -> None:
    assert plan_of_metadata(content().metadata) is None
    asked = plan_of_metadata({"rollout": {"rollout": "canary-fast", "goals": ["quality"]}})
    assert asked is not None
    assert (asked.template, asked.goals) == ("canary-fast", ("quality",))
    with pytest.raises(InvalidPrompt, match=r"metadata\.rollout"):
        plan_of_metadata({"rollout": "canary-fats"})


@pytest.mark.parametrize(
    ("value", "field", "remedy"),
    [
        ("canary-standart", "rollout", "did you mean canary-standard?"),
        ({"rollout": "no"}, "rollout.rollout", "templates are canary-standard"),
        ({**ONE, "stage": []}, "a key of rollout", "did you mean stages?"),
        ({"stages": []}, "rollout.stages", "give 1 to 20 stages"),
        ({"stages": [{"weight": "50%"}, {"weight": "25%"}]}, "rollout.stages[1].weight", "give more than"),
        ({"stages": [{"weight": 1}]}, "rollout.stages[0].weight", "both arms need units"),
        ({"stages": [{"weight": "fifty"}]}, "rollout.stages[0].weight", "write a share such as 5% or 0.05"),
        ({"stages": [{"weight": True}]}, "rollout.stages[0].weight", "write a share such as 5% or 0.05"),
        (
            {"stages": [{"weight": 0.5, "min_time": "1 hour"}]},
            "rollout.stages[0].min_time",
            "write a duration",
        ),
        ({"stages": [{"weight": 0.5, "min_time": 60}]}, "rollout.stages[0].min_time", "write a duration"),
        ({"stages": [{"weight": 0.5, "min_units": -1}]}, "rollout.stages[0].min_units", "at least 0"),
        ({"stages": [{"weight": 0.5, "gate": "none"}]}, "rollout.stages[0].gate", "give one of no_harm"),
        ({**ONE, "bake": {"holdback": "60%"}}, "rollout.bake.holdback", "give at most 50%"),
        ({**ONE, "bake": {"holdbak": "5%"}}, "a key of rollout.bake", "did you mean holdback?"),
        ({**ONE, "metrics": {"quality": {"role": "boss"}}}, "rollout.metrics.quality.role", "give one of"),
        ({**ONE, "metrics": {"quality": {"margin": "xpt"}}}, "rollout.metrics.quality.margin", "e.g. 1pt"),
        (
            {**ONE, "metrics": {"quality": {"change": "3%", "tolerance": "1%"}}},
            "rollout.metrics.quality.change",
            "it stands for",
        ),
        ({**ONE, "limits": {"error_rate": 0}}, "rollout.limits.error_rate", "above 0%"),
        ({**ONE, "alpha": 1.5}, "rollout.alpha", "give a probability"),
        ({**ONE, "max_duration": "10m"}, "rollout.max_duration", "at least the sum of the stages' min_time"),
        ({**ONE, "max_exposed_units": 0}, "rollout.max_exposed_units", "at least 1"),
        ({**ONE, "max_extra_cost_usd": -1}, "rollout.max_extra_cost_usd", "give an amount above 0"),
        ({**ONE, "when_inconclusive": "guess"}, "rollout.when_inconclusive", "give one of hold, stop"),
        ({**ONE, "when_blind": {"after": "soon"}}, "rollout.when_blind.after", "write a duration"),
        ({**ONE, "approve_before": ["20%"]}, "rollout.approve_before[0]", "name a stage, 50%, or complete"),
        ({**ONE, "window": "office hours"}, "rollout.window", "write days, hours and a time zone"),
        ({**ONE, "window": "Mon 09:00-17:00 Europe/Nowhere"}, "rollout.window", "are not known"),
        ({**ONE, "window": "Mon 29:00-17:00 UTC"}, "rollout.window", "are not known"),
        ({**ONE, "freezes": [{"begin": "2026-01-01"}]}, "rollout.freezes[0].begin", "with its zone"),
        (
            {
                **ONE,
                "freezes": [{"begin": "2026-01-02T00:00Z", "end": "2026-01-01T00:00Z", "reason": "x"}],
            },
            "rollout.freezes[0].end",
            "a time after",
        ),
        ({**ONE, "request_promotion": ["production"]}, "rollout.request_promotion[0]", "give one of dev"),
        ({**ONE, "environment": "production"}, "rollout.environment", "give one of dev"),
        ({**ONE, "goals": "quality"}, "rollout.goals", "give a list"),
        ({**ONE, "window": "Mon-Fri 09:00-17:00 " + 150 * "A"}, "rollout.window", "are not known"),
        ({**ONE, "window": 50 * "Mon," + "Mon 09:00-17:00 UTC"}, "rollout.window", "write days"),
        ({**ONE, "limits": {"\ud800": 5}}, "a key of rollout.limits", "leave out control characters"),
        ({**ONE, "limits": {"a" * 201: 5}}, "a key of rollout.limits", "1 to 200 characters"),
        ({**ONE, "goals": [[[[[[[["deep"]]]]]]]]}, "rollout.goals[0][0][0][0][0]", "nest fewer"),
        ({**ONE, "max_duration": "999999w"}, "rollout.max_duration", "give at most 366d"),
        ({**ONE, "notify": {"a": "\ud800"}}, "rollout.notify.a", "leave out control characters"),
        ({**ONE, "notify": {"a\0": "a"}}, "a key of rollout.notify", "leave out control characters"),
        ({**ONE, "place": "\x1b[2J"}, "rollout.place", "leave out control characters"),
        ({**ONE, "notify": {"a" * 201: "a"}}, "a key of rollout.notify", "1 to 200 characters"),
        ({**ONE, "notify": {str(each): "a" for each in range(51)}}, "rollout.notify", "give at most 50"),
        ({**ONE, "limits": {str(each): 0.5 for each in range(51)}}, "rollout.limits", "give at most 50"),
        ({**ONE, "freezes": 51 * [{}]}, "rollout.freezes", "give at most 50"),
        ({**ONE, "approve_before": 51 * ["complete"]}, "rollout.approve_before", "give at most 50"),
        ({**ONE, "requires": ["note"]}, "rollout.requires", "proves nothing"),
        ({**ONE, "alpha": 5e-324}, "rollout.alpha", "give a probability"),
        ({**ONE, "max_extra_cost_usd": 10**400}, "rollout.max_extra_cost_usd", "at most"),
        ({**ONE, "max_exposed_units": 10**400}, "rollout.max_exposed_units", "give at most"),
        ({"stages": [{"weight": 0.5, "min_units": 10**400}]}, "rollout.stages[0].min_units", "give at most"),
        ({"stages": [{"weight": 5e-324}]}, "rollout.stages[0].weight", "both arms need units"),
        ({"stages": [{"weight": 1 - 1e-16}]}, "rollout.stages[0].weight", "both arms need units"),
        (
            {"stages": [{"weight": 0.1}, {"weight": 0.1 + 1e-9}]},
            "rollout.stages[1].weight",
            "give more than",
        ),
        ({**ONE, "mode": "dry"}, "rollout.mode", "give one of act, advise"),
        ([], "rollout", "give a mapping"),
    ],
)
def test_an_error_names_the_field_and_the_remedy(value: Any, field: str, remedy: str) -> None:
    with pytest.raises(InvalidPrompt) as caught:
        read_plan(value)
    assert caught.value.field == field
    assert remedy in str(caught.value)

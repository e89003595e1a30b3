"""Plans of experiments from settings, registry and deployment events: who wins, and what each epoch was."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coalmine import Coalmine
from coalmine_analytics.metrics import MetricOverride
from coalmine_analytics.readout import DEFAULT_PLAN, FixedPlans, Plan
from coalmine_registry.errors import DatabaseUnavailable
from coalmine_registry.experiment_plan import ExperimentPlan
from coalmine_registry.records import ExperimentRecord
from coalmine_registry.registry import Registry
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompts import Arm, Rule, ServeVersion
from coalmine_schemas.size import Size
from coalmine_server.services.experiment_plans import AGAIN_S, RegistryPlans, RegistryWhenAsked
from coalmine_server.services.prompt_registry import open_registry
from coalmine_server.settings import Settings
from tests.server.registry_client import GOODBYE, HELLO, Person
from tests.support.data.prompt_examples import content
from tests.support.data.registry_case import BOB, PROMPT, deployment_events, push, serve
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine_json


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A registry that serves 1.0.0 and has two other versions."""
    with Registry.open(tmp_path / "registry.db") as opened:
        serve(opened, "1.0.0")
        push(opened, "1.0.1", "1.0.2")
        yield opened


def start(
    registry: Registry,
    name: str,
    *names: str,
    rule: str | None = None,
    plan: ExperimentPlan | None = None,
) -> None:
    """An experiment with a tenth of the units in the first arm; the last one is the control."""
    arms = [Arm(names[0], "1.0.1", 0.1), Arm(names[1], "1.0.0", 0.9)]
    registry.start_experiment(BOB, "prod", PROMPT, name, arms, rule=rule, plan=plan)


class Moody:
    """A registry that can be away, and counts how often it was asked."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.is_away = False
        self.asked = 0

    def experiment(self, name: str) -> ExperimentRecord:
        self.asked += 1
        if self.is_away:
            raise DatabaseUnavailable("away on purpose")
        return self._registry.experiment(name)


def test_each_epoch_has_the_split_of_its_time(registry: Registry) -> None:
    plans = RegistryPlans(FixedPlans(), registry)
    assert plans.plan_of("tone") == DEFAULT_PLAN
    start(registry, "tone", "new", "old")
    assert plans.plan_of("tone").weights_of(1) == {"new": 0.1, "old": 0.9}
    registry.set_weights(BOB, "tone", {"new": 0.5})
    registry.set_weights(BOB, "tone", {"new": 0.25})
    plan = plans.plan_of("tone")
    assert plan.is_whole
    assert [plan.weights_of(epoch) for epoch in (1, 2, 3, 4)] == [
        {"new": 0.1, "old": 0.9},
        {"new": 0.5, "old": 0.5},
        {"new": 0.25, "old": 0.75},
        None,
    ]
    stopped = registry.stop_experiment(BOB, "tone", None)
    assert stopped.stopped_at is not None
    assert plans.plan_of("tone") == replace(plan, stopped_at=stopped.stopped_at)


def test_the_control_is_the_arm_that_the_registry_takes_for_it(registry: Registry) -> None:
    # By name alone it would be "treatment", the last one, and the wrong arm would be rolled back.
    start(registry, "tone", "treatment", "baseline")
    plan = RegistryPlans(FixedPlans(), registry).plan_of("tone")
    assert plan.control_of(["baseline", "treatment"]) == "baseline"
    assert DEFAULT_PLAN.control_of(["baseline", "treatment"]) == "treatment"


def test_the_settings_say_how_to_judge_what_was_started_without_a_plan(registry: Registry) -> None:
    start(registry, "tone", "new", "old")
    own = Plan(alpha=0.01, goals=frozenset({"quality"}), weights={"new": 1, "old": 1})
    found = RegistryPlans(FixedPlans(own), registry).plan_of("tone")
    assert (found.alpha, found.goals, found.control) == (0.01, frozenset({"quality"}), "old")
    # What was deployed is no wish: weights in the settings stand for epochs that nobody knows.
    assert (found.weights_of(1), found.weights_of(2)) == ({"new": 0.1, "old": 0.9}, {"new": 1, "old": 1})
    turned = FixedPlans(by_experiment={"tone": Plan(control="new")})
    assert RegistryPlans(turned, registry).plan_of("tone").control == "old"  # the registry assigns: it knows


def test_what_an_experiment_was_started_with_overrules_the_settings(registry: Registry) -> None:
    metrics = {
        "cost_per_request": {"margin": "40%", "role": "signal"},
        "grounding": {"direction": "higher"},
    }
    limits = {"error_rate": "20%"}
    given = {"goals": ["rating"], "metrics": metrics, "limits": limits, "segments": ["tier"]}
    plan = ExperimentPlan.from_json(given)
    own = {"cost_per_request": MetricOverride(tolerance=Size(0.1)), "rating": MetricOverride(mde=Size(1))}
    settings = FixedPlans(Plan(alpha=0.01, goals=frozenset({"quality"}), overrides=own))
    start(registry, "tone", "new", "old", plan=plan)
    found = RegistryPlans(settings, registry).plan_of("tone")
    assert (found.alpha, found.goals, found.limits) == (0.01, frozenset({"rating"}), {"error_rate": 0.2})
    assert found.segments == {"tier"}
    assert found.overrides == {
        "rating": MetricOverride(mde=Size(1)),
        "cost_per_request": MetricOverride(
            tolerance=Size(0.1), margin=Size(0.4, relative=True), role="signal"
        ),
        "grounding": MetricOverride(direction="higher"),
    }


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ({"goals": ["qualty"]}, "no metric 'qualty' is built in: did you mean quality?"),
        ({"metrics": {"grounding": {"margin": "3%"}}}, "say which direction is better"),
        ({"metrics": {"grounding": {"direction": "higher"}}, "goals": ["grounding", "tone"]}, None),
        ({"limits": {"error_rate": "20%", "schema_invalid_rate": 0.1, "tone": 0.5}}, None),
        ({"limits": {"quality": 0.5}}, "limit is 'quality': limit one of"),
        ({"segments": ["teir"]}, r"segment 'teir' is not declared \(tier, language\): add it to"),
        ({"segments": ["tier"]}, None),
    ],
)
def test_a_plan_names_metrics_that_can_be_judged(
    tmp_path: Path, plan: dict[str, Any], told: str | None
) -> None:
    readout = {"metrics": {"tone": {"direction": "lower"}}, "segments": ("tier", "language")}
    settings = Settings(home=tmp_path, readout=readout)  # type: ignore[arg-type]
    with open_registry(settings) as opened:
        serve(opened, "1.0.0")
        push(opened, "1.0.1")
        with nullcontext() if told is None else pytest.raises(InvalidParameter, match=told):
            start(opened, "tone", "new", "old", plan=ExperimentPlan.from_json(plan))


def test_an_experiment_in_the_place_of_a_rule_has_a_plan(registry: Registry) -> None:
    registry.set_rules(BOB, "prod", PROMPT, [Rule("paid", {"tier": ("paid",)}, ServeVersion("1.0.0"))])
    start(registry, "main", "new", "old")
    start(registry, "aside", "new", "old", rule="paid")
    last = deployment_events(registry)[-1]
    assert [each.name for each in last.experiments] == ["main", "aside"]
    assert RegistryPlans(FixedPlans(), registry).plan_of("aside").weights_of(1) == {"new": 0.1, "old": 0.9}


def test_events_fill_what_the_registry_does_not_know(registry: Registry) -> None:
    start(registry, "tone", "new", "old")
    told = {1: {"new": 0.3, "old": 0.7}, 2: {"new": 0.6, "old": 0.4}}
    plan = RegistryPlans(FixedPlans(), registry).plan_of("tone").with_deployed(told)
    assert (plan.weights_of(1), plan.weights_of(2)) == ({"new": 0.1, "old": 0.9}, told[2])
    elsewhere = RegistryPlans(FixedPlans(), registry).plan_of("other").with_deployed(told)
    assert (elsewhere.control, elsewhere.weights_of(1)) == ("old", told[1])


def test_a_registry_that_is_away_changes_no_plan_and_is_left_alone_for_a_while(registry: Registry) -> None:
    start(registry, "tone", "new", "old")
    now = [time.monotonic()]
    moody = Moody(registry)
    plans = RegistryPlans(FixedPlans(), moody, clock=lambda: now[0])
    known = plans.plan_of("tone")
    moody.is_away = True
    assert plans.plan_of("tone") == known
    assert plans.plan_of("never asked for") == DEFAULT_PLAN
    assert moody.asked == 2
    moody.is_away = False
    registry.set_weights(BOB, "tone", {"new": 0.5})
    now[0] += AGAIN_S + 1
    assert plans.plan_of("tone").weights_of(2) == {"new": 0.5, "old": 0.5}
    registry.stop_experiment(BOB, "tone", "new")
    assert [plans.plan_of("tone").control for _ in range(3)] == ["old"] * 3
    assert moody.asked == 4  # nothing changes any more once it was stopped


def test_a_command_makes_no_registry_and_asks_one_that_is_there(registry: Registry, tmp_path: Path) -> None:
    start(registry, "tone", "new", "old")
    assert RegistryPlans(FixedPlans(), RegistryWhenAsked(Settings(home=tmp_path))).plan_of("tone").control
    empty = tmp_path / "empty"
    nobody = RegistryPlans(FixedPlans(), RegistryWhenAsked(Settings(home=empty)))
    assert nobody.plan_of("tone") == DEFAULT_PLAN
    assert not empty.exists()


def use(home: Path, count: int) -> None:
    """Calls of as many users, each with what the registry serves them."""
    with Coalmine("shop", "dev", home=home) as client:
        for number in range(count):
            prompt = client.prompt("greet", f"user-{number}", segments={"tier": "paid"})
            with prompt.call(model="small"):
                pass


def test_a_server_holds_units_against_splits_that_no_event_tells_of(tmp_path: Path) -> None:
    home = tmp_path / "home"
    deployment = "/v1/environments/dev/prompts/greet"
    arms = [
        {"variant": "treatment", "version": "1.0.1", "weight": 0.5},
        {"variant": "baseline", "version": "1.0.0", "weight": 0.5},
    ]
    with ServerProcess(home) as server, Person.local(server) as admin:
        server.wait_ready()
        admin.register("greet", "1.0.0", HELLO)
        admin.register("greet", "1.0.1", GOODBYE)
        admin.promote("greet", "1.0.0", "dev")
        rule = {"name": "paid", "when": {"tier": ["paid"]}, "serve": {"version": "1.0.0"}}
        admin.put(f"{deployment}/rules", {"rules": [rule]})
        # Of two experiments on one prompt the events tell of the default's.
        admin.post(f"{deployment}/experiments", {"name": "main", "arms": arms}, expect=201)
        admin.post(f"{deployment}/experiments", {"name": "aside", "arms": arms, "rule": "paid"}, expect=201)
        use(home, 200)

        def told() -> dict[str, Any] | None:
            response = server.get("/v1/experiments/aside/readout")
            found: dict[str, Any] = response.json()
            return found if response.is_success and found["control_requests"] > 50 else None

        found = eventually(told, what="requests of the experiment")
        assert server.stop() == 0
    for each in (found, coalmine_json("readout", "aside", home=home)):
        assert each["control"] == "baseline"
        assert each["srm"]["p"] is not None
        assert not each["srm"]["mismatch"]


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ("canary-fats", r"metadata\.rollout .* did you mean canary-fast"),
        ({"stages": [{"weigth": "5%"}]}, "did you mean weight"),
        ({"bake": {"time": "soon"}}, "bake.time"),
        ({"rollout": "canary-careful", "goals": ["quality"]}, None),
    ],
)
def test_a_plan_of_rollouts_is_checked_when_its_version_is_registered(
    tmp_path: Path, plan: Any, told: str | None
) -> None:
    asking = content(metadata={"rollout": plan})
    with open_registry(Settings(home=tmp_path)) as opened:
        for register in (opened.classify, lambda *given: opened.register(BOB, *given)):
            with nullcontext() if told is None else pytest.raises(InvalidParameter, match=told):
                register(PROMPT, "1.0.0", asking)
        assert bool(opened.prompts().items) is (told is None)
    with Registry.open(tmp_path / "registry.db") as opened:  # as an older server registered it
        opened.register(BOB, PROMPT, "1.0.0", asking)
    with open_registry(Settings(home=tmp_path)) as opened:
        assert not opened.register(BOB, PROMPT, "1.0.0", asking).created

"""The controller on a real registry and a real store, with applications that do as they are told."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from coalmine_registry.errors import DatabaseUnavailable
from coalmine_registry.experiment_plan import MetricPlan
from coalmine_rollouts.plan import RolloutPlan, read_plan
from coalmine_rollouts.transition import carry_out
from tests.support.data.registry_case import BOB, PROMPT
from tests.support.data.rollout_case import BROKEN, QUICK, STEADY, Application, Behaviour, Rig


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """With the same salts in every run: who gets the treatment is no luck."""
    salts = count(1)
    monkeypatch.setattr("coalmine_registry.operations.experiments._new_salt", lambda: f"{next(salts):032x}")
    with Rig(tmp_path) as made:
        yield made


def _one_stage(*, holdback: str) -> RolloutPlan:
    """A plan that bakes as soon as the first minutes did no harm."""
    stages = [{"weight": "50%", "min_time": "3m", "min_units": 30, "gate": "no_harm"}]
    return read_plan(
        {"stages": stages, "bake": {"time": "5m", "holdback": holdback}, "limits": {}, "metrics": {}}
    )


def test_an_equal_version_completes(rig: Rig) -> None:
    application = rig.serve("1.0.0", treatment="1.1.0")
    application.per_minute = 200
    application.behaviours = {"1.0.0": STEADY, "1.1.0": STEADY}
    made = rig.start()
    rig.until("completed", made.id, step=4)
    assert rig.kinds(made.id) == ["create", "start", "advance", "bake", "complete"]
    decisions = rig.rollouts.decisions(made.id).items
    assert [each.weights["treatment"] for each in decisions if each.weights] == [0.1, 0.5, 0.95, 1.0]
    assert rig.registry.deployment("prod", PROMPT).version == "1.1.0"
    advance = decisions[2].evidence
    assert advance["look"]["units"] >= 30
    assert advance["clock"]["seen_s"] >= 300
    assert advance["holds"] == {}
    (kept,) = rig.rollouts.as_shipped(PROMPT)
    own = {each["metric"]: each["own"] for each in kept.figures["metrics"]}
    assert {"quality", "error_rate"} <= own.keys()
    entries = "SELECT unnest(metrics, recursive := true) FROM requests WHERE variant = 'treatment'"
    (mean,) = rig.store.reader().rows(f"SELECT avg(value) AS quality FROM ({entries}) WHERE key = 'quality'")
    assert own["quality"]["value"] == pytest.approx(mean["quality"], rel=1e-6)
    assert own["quality"]["lower"] < STEADY.quality < own["quality"]["upper"]
    assert own["error_rate"] == {"value": 0.0, "lower": None, "upper": None}  # none came
    status = rig.status(made.id)
    assert (status.weight_commanded, status.units > 600) == (1.0, True)
    assert status.sentence.startswith("completed at ")


def test_a_version_that_breaks_nearly_every_answer_is_stopped_within_a_few_requests(rig: Rig) -> None:
    application = rig.serve("1.0.0", treatment="1.1.0")
    application.behaviours = {"1.1.0": BROKEN}
    made = rig.start()
    treated = 0
    while rig.rollouts.rollout(made.id).state == "running":
        rig.clock.move(seconds=5)
        rig.send(timedelta(seconds=5))
        rig.tick()
        found = rig.store.reader().rows("SELECT count(*) AS n FROM requests WHERE version = '1.1.0'")
        treated = found[0]["n"]
        assert treated < 20
    ended = rig.rollouts.rollout(made.id)
    assert ended.state == "rolled_back"
    assert ended.reasons[0].startswith("limit: error_rate of")
    assert treated <= 10 + 5  # and those of one tick
    assert rig.weight() is None
    rig.minutes(2, step=4)
    status = rig.status(made.id)
    assert status.effective_at is not None
    assert "effective" in status.sentence
    assert rig.kinds(made.id)[-1] == "notice"
    assert (status.units > 0, status.control_units > 0) == (True, True)  # of those who got it before


def test_a_worse_version_is_rolled_back_by_the_comparison(rig: Rig) -> None:
    application = rig.serve("1.0.0", treatment="1.1.0")
    application.per_minute = 240
    application.behaviours = {"1.1.0": Behaviour(quality=0.72)}
    ended = rig.until("rolled_back", rig.start().id)
    assert ended.reasons == ("harm: worse in quality",)
    evidence = rig.rollouts.decisions(ended.id).items[-1].evidence
    (quality,) = [each for each in evidence["look"]["metrics"] if each["metric"] == "quality"]
    assert quality["verdict"] == "worse"
    assert quality["value"] < quality["control_value"]


def test_harm_that_begins_in_the_bake_is_rolled_back(rig: Rig) -> None:
    application = rig.serve("1.0.0", treatment="1.1.0")
    application.per_minute = 200
    made = rig.start(plan=_one_stage(holdback="5%"))
    rig.until("baking", made.id, within=12, step=2)
    application.behaviours = {"1.1.0": BROKEN}
    rig.until("rolled_back", made.id)
    assert rig.registry.deployment("prod", PROMPT).version == "1.0.0"


def test_a_bake_without_holdback_sees_the_requests_that_carry_no_experiment_any_more(rig: Rig) -> None:
    application = rig.serve("1.0.0", treatment="1.1.0")
    application.per_minute = 120
    application.behaviours = {"1.0.0": STEADY, "1.1.0": STEADY}
    made = rig.start(plan=_one_stage(holdback="0%"))
    rig.until("completed", made.id, within=12, step=2)
    assert rig.kinds(made.id) == ["create", "start", "bake", "complete"]


def test_nobody_calls_at_night_and_nothing_happens(rig: Rig) -> None:
    application = rig.serve("1.0.0", treatment="1.1.0")
    made = rig.start()
    rig.minutes(4)
    application.sends = False
    rig.minutes(5, step=4)
    found = rig.rollouts.rollout(made.id)
    assert (found.state, found.stage) == ("running", 0)
    assert {each.name for each in found.holds} & {"no_traffic", "ingest_stale"}
    seen_s = rig.status(made.id).seen_s
    rig.minutes(3)
    assert rig.status(made.id).seen_s == seen_s
    application.sends = True
    rig.minutes(4)
    assert rig.rollouts.rollout(made.id).holds == ()


def test_an_arm_whose_requests_are_lost_holds(rig: Rig) -> None:
    application = rig.serve("1.0.0", treatment="1.1.0")
    application.per_minute = 240
    made = rig.start()
    rig.minutes(3)
    application.silent_arms = frozenset({"treatment"})
    names: set[str] = set()
    for _ in range(7):
        if "arm_missing" not in names:
            rig.minutes(1, step=2)
            names = {each.name for each in rig.rollouts.rollout(made.id).holds}
    assert "arm_missing" in names
    assert rig.rollouts.rollout(made.id).state == "running"


def test_a_scorer_that_fails_holds_until_scores_come_again(rig: Rig) -> None:
    rig.serve("1.0.0", treatment="1.1.0").per_minute = 240
    judged = MetricPlan(role="must_not_harm", direction="higher", margin=None, tolerance=None, mde=None)
    made = rig.start(plan=replace(QUICK, metrics={"faithful": judged}))
    rig.missing = {"faithful": "none of 30 requests could be scored: no route to the model"}
    rig.minutes(3)
    (hold,) = rig.rollouts.rollout(made.id).holds
    assert hold.name == "metric_missing:faithful"
    assert "no route to the model" in hold.text
    rig.missing = {}
    rig.minutes(4)
    assert rig.rollouts.rollout(made.id).holds == ()


def test_a_stage_begins_when_clients_have_followed_and_those_behind_are_named(rig: Rig) -> None:
    application = rig.serve("1.0.0", treatment="1.1.0")
    application.per_minute = 240
    made = rig.start()
    rig.minutes(2)
    old = rig.registry.snapshot("prod").prompts[PROMPT]
    rig.applications[PROMPT].append(
        Application(per_minute=120, app="billing", frozen_at=old, resolution="cached", units=300)
    )
    for _ in range(30):
        if rig.rollouts.rollout(made.id).stage == 0:
            rig.minutes(1, step=2)
    rig.minutes(2, step=3)
    found = rig.rollouts.rollout(made.id)
    assert found.stage == 1
    assert [each.name for each in found.holds] == ["clients_behind"]
    assert "billing (cached)" in found.holds[0].text
    assert rig.status(made.id).seen_s == 0
    rig.applications[PROMPT].pop()
    rig.minutes(5, step=3)
    assert rig.rollouts.rollout(made.id).holds == ()
    assert rig.status(made.id).seen_s > 0


def test_a_rollback_that_an_application_does_not_follow_is_said(rig: Rig) -> None:
    application = rig.serve("1.0.0", treatment="1.1.0")
    application.behaviours = {"1.1.0": BROKEN}
    application.per_minute = 120
    made = rig.start()
    old = rig.registry.snapshot("prod").prompts[PROMPT]
    rig.applications[PROMPT].append(
        Application(per_minute=60, app="billing", frozen_at=old, resolution="disk", units=300)
    )
    rig.until("rolled_back", made.id)
    rig.minutes(2, step=4)
    said = rig.rollouts.decisions(made.id).items[-1]
    assert said.kind == "notice"
    assert said.reasons == ("rollback_incomplete: still served by billing (disk)",)
    assert "not yet effective at billing (disk)" in rig.status(made.id).sentence
    rig.applications[PROMPT].pop()
    rig.minutes(2, step=4)
    assert rig.status(made.id).effective_at is not None


def test_the_observed_weight_is_told_beside_the_commanded_one(rig: Rig) -> None:
    application = rig.serve("1.0.0", treatment="1.1.0")
    application.per_minute = 300
    made = rig.start()
    rig.minutes(4)
    status = rig.status(made.id)
    assert status.weight_commanded == 0.1
    assert status.weight_observed == pytest.approx(0.1, abs=0.04)
    assert status.sentence.startswith("10%, ")
    assert status.sentence.endswith("; then 50%")


def test_a_new_controller_goes_on_where_the_last_one_stood(rig: Rig) -> None:
    application = rig.serve("1.0.0", treatment="1.1.0")
    application.per_minute = 240
    made = rig.start()
    for _ in range(20):
        rig.minutes(1)
        rig.controller = rig.new_controller()
        if rig.rollouts.rollout(made.id).stage == 1:
            break
    assert rig.rollouts.rollout(made.id).stage == 1


def test_one_broken_rollout_delays_no_other(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for prompt in (PROMPT, "other"):
        application = rig.serve("1.0.0", treatment="1.1.0", prompt=prompt)
        application.behaviours = {"1.1.0": BROKEN}
        application.per_minute = 120
    first, second = rig.start(), rig.start(prompt="other")

    def failing(transaction: Any, row: Any, decision: Any, *rest: Any) -> Any:
        if row.rollout.id == first.id and decision.kind == "roll_back":
            raise ValueError("a bug")
        return carry_out(transaction, row, decision, *rest)

    monkeypatch.setattr("coalmine_rollouts.controller.carry_out", failing)
    rig.until("rolled_back", second.id, within=12)
    for _ in range(12):  # its own harm may show a little later
        if not rig.rollouts.rollout(first.id).holds:
            rig.minutes(1)
    found = rig.rollouts.rollout(first.id)
    assert found.state == "running"
    assert [each.name for each in found.holds] == ["controller_error"]
    assert "ValueError: a bug" in found.holds[0].text
    monkeypatch.setattr("coalmine_rollouts.controller.carry_out", carry_out)
    rig.until("rolled_back", first.id, within=3)


def test_looks_that_are_due_only_by_time_take_turns_and_none_waits_for_ever(rig: Rig) -> None:
    started = []
    for number in range(4):
        application = rig.serve("1.0.0", treatment="1.1.0", prompt=f"prompt-{number}")
        application.per_minute = 40 if number else 120
        started.append(rig.start(prompt=f"prompt-{number}"))
    rig.minutes(5)
    for (application,) in list(rig.applications.values())[1:]:
        application.silent_arms = frozenset({"treatment"})  # it does not grow, and the first one's does

    def looks() -> list[datetime]:
        return [rig.readouts.path(each.id, limit=1)[0].taken_at for each in started]

    taken = []
    for _ in range(8):
        before = looks()
        rig.minutes(1)
        taken.append([one != other for one, other in zip(before, looks(), strict=True)])
    assert all(first for first, *_ in taken)
    assert all(sum(others) <= 1 for _, *others in taken)
    assert [sum(others) for others in zip(*taken, strict=True)][1:] == [1, 1, 1]


def test_a_store_that_cannot_be_read_holds_and_people_can_still_abort(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.serve("1.0.0", treatment="1.1.0")
    made = rig.start()
    rig.minutes(2)

    def failing(*_: Any, **__: Any) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(rig.controller._observed, "read", failing)
    monkeypatch.setattr(rig.readouts, "current", failing)
    rig.minutes(2)
    assert "controller_error" in {each.name for each in rig.rollouts.rollout(made.id).holds}
    rig.rollouts.abort(BOB, made.id)
    rig.minutes(1)
    assert rig.rollouts.rollout(made.id).state == "aborted"


def test_while_the_registry_is_away_nothing_changes_and_the_next_tick_goes_on(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = rig.serve("1.0.0", treatment="1.1.0")
    application.per_minute = 120
    made = rig.start()
    rig.minutes(2)
    application.behaviours = {"1.1.0": BROKEN}

    def away(_: Any) -> None:
        raise DatabaseUnavailable("no answer")

    monkeypatch.setattr(rig.registry, "transact", away)
    with pytest.raises(DatabaseUnavailable):
        rig.minutes(5)
    monkeypatch.undo()
    assert rig.rollouts.rollout(made.id).state == "running"
    rig.until("rolled_back", made.id, within=6)


def test_statuses_of_what_has_ended_are_read_anew(rig: Rig) -> None:
    rig.serve("1.0.0", treatment="1.1.0")
    made = rig.start(plan=QUICK)
    rig.rollouts.abort(BOB, made.id)
    rig.minutes(2, step=4)
    rig.controller = rig.new_controller()
    assert rig.status(made.id).sentence.startswith("aborted at ")

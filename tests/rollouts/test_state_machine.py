"""Whatever happens in whatever order, a rollout keeps its promises."""

import itertools
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from coalmine_registry.errors import Conflict, Refused
from coalmine_registry.registry import Registry
from coalmine_rollouts.commands import Rollouts
from coalmine_rollouts.records import SERVING, Rollout, RolloutDecision
from coalmine_schemas.prompts import ServeVersion
from tests.support.campaign import size
from tests.support.data.looked_at import SetClock
from tests.support.data.registry_case import ANN, BOB, CLEO, PROMPT, history, push, serve
from tests.support.data.rollout_inputs import a_readout, plan_of
from tests.support.doubles.rollout_world import World

_VERSIONS = ("1.1.0", "1.2.0", "1.3.0")
_STAGES = [
    {"weight": "10%", "min_time": "2m", "min_units": 30},
    {"weight": "50%", "min_time": "2m", "min_units": 30, "gate": "not_worse"},
]
_PLANS = [
    plan_of(stages=_STAGES, bake={"time": "3m", "holdback": "5%"}),
    plan_of(stages=_STAGES, bake={"time": "3m", "holdback": "0%"}),
    plan_of(stages=_STAGES, bake={"time": "0s"}, max_duration="10m", when_inconclusive="stop"),
    plan_of(stages=_STAGES, bake={"time": "3m"}, approve_before=["50%"], on_srm="stop"),
    plan_of(stages=_STAGES, bake={"time": "3m"}, max_duration="10m", when_inconclusive="complete"),
]
_READOUTS: dict[str, Any] = {
    "good": a_readout(),
    "undecided": a_readout("hold"),
    "harm": a_readout("rollback"),
    "srm": a_readout("hold", srm=True),
    "few": a_readout("hold", units=10),
}
_ENDED = {"completed", "rolled_back", "aborted", "expired", "superseded", "cancelled"}


class _Machine(RuleBasedStateMachine):
    """Rollouts of one prompt, and everything that may happen to them."""

    def new_file(self) -> Path:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.clock = SetClock()
        self.registry = Registry.open(self.new_file(), clock=self.clock)
        self.world = World(self.registry, self.clock)
        self.rollouts = Rollouts(self.registry)
        self.ended: dict[str, int] = {}

    def teardown(self) -> None:
        self.registry.close()

    @initialize()
    def serve(self) -> None:
        serve(self.registry, "1.0.0")
        push(self.registry, *_VERSIONS)

    # What people and applications do

    @rule(
        version=st.sampled_from(_VERSIONS),
        plan=st.sampled_from(_PLANS),
        how=st.sampled_from(["plain", "queue", "replace"]),
        actor=st.sampled_from([ANN, BOB]),
    )
    def start(self, version: str, plan: Any, how: str, actor: Any) -> None:
        options: dict[str, Any] = {} if how == "plain" else {how: True}
        with suppress(Refused):
            self.rollouts.start(actor, PROMPT, version, plan, environment="prod", **options)

    @rule(minutes=st.integers(1, 8))
    def time_passes(self, minutes: int) -> None:
        self.world.minutes(minutes)

    @rule(name=st.sampled_from(sorted(_READOUTS)))
    def readouts_say(self, name: str) -> None:
        for each in self.all():
            self.world.readouts[each.id] = _READOUTS[name]

    @rule(silent=st.booleans())
    def applications_call(self, silent: bool) -> None:
        self.world.silent = silent

    @rule(broken=st.booleans())
    def readouts_can_be_taken(self, broken: bool) -> None:
        self.world.failing = {each.id for each in self.all()} if broken else set()

    @rule(
        kind=st.sampled_from(["pause", "resume", "approve", "promote_force", "cancel", "rebase"]),
        stale=st.booleans(),
        stage=st.sampled_from([None, 0, 1]),
    )
    def ask(self, kind: Any, stale: bool, stage: int | None) -> None:
        for each in self.all():
            seen = each.row_version - 1 if stale else None
            with suppress(Conflict):
                self.rollouts.ask(CLEO, each.id, kind, reason="because", row_version=seen, stage=stage)

    @rule(act=st.sampled_from(["rollback", "weights", "stop", "rules"]))
    def somebody_changes_the_place(self, act: str) -> None:
        live = [each.id for each in self.all() if each.state in SERVING]
        why: dict[str, Any] = {"override": True, "reason": "by hand"}
        try:
            if act == "rollback":
                self.registry.rollback(ANN, "prod", PROMPT)
            elif act == "rules":
                self.registry.set_rules(CLEO, "prod", PROMPT, [])
            elif live and act == "weights":
                self.registry.set_weights(CLEO, live[0], {"treatment": 0.3}, **why)
            elif live:
                self.registry.stop_experiment(CLEO, live[0], **why)
        except Refused:
            pass

    @rule()
    def panic(self) -> None:
        frozen = self.registry.panic(ANN, PROMPT, "no").freeze
        self.registry.unfreeze(BOB, frozen.id)

    @rule(on=st.booleans())
    def freeze(self, on: bool) -> None:
        for each in self.registry.freezes().items:
            self.registry.unfreeze(BOB, each.id)
        if on:
            self.registry.freeze(BOB, "holidays", environment="prod")

    @rule()
    def the_controller_restarts(self) -> None:
        self.world.controller = self.world.new_controller()

    # Promises

    @precondition(lambda self: any(each.state not in _ENDED for each in self.all()))
    @rule()
    def abort(self) -> None:
        """Accepted in every state that is not terminal, whatever else is the matter."""
        wanted = [each for each in self.all() if each.state not in _ENDED]
        for each in wanted:
            self.rollouts.abort(ANN, each.id, row_version=each.row_version - 1)
        self.world.minutes(1)
        for each in wanted:
            assert self.rollouts.rollout(each.id).state in _ENDED, each

    @precondition(lambda self: any(each.state in SERVING for each in self.all()))
    @rule()
    def harm_is_shown(self) -> None:
        """Acted upon in every state in which somebody sees the treatment, whatever else is the matter."""
        wanted = [each for each in self.all() if each.state in SERVING]
        failing, self.world.failing = self.world.failing, set()
        for each in wanted:
            self.world.readouts[each.id] = _READOUTS["harm"]
        self.world.minutes(1)
        self.world.failing = failing
        for each in wanted:
            assert self.rollouts.rollout(each.id).state in _ENDED, each

    @invariant()
    def decisions_have_no_gap_and_follow_each_other(self) -> None:
        for each in self.all():
            decisions = self.decisions(each)
            assert [one.seq for one in decisions] == list(range(1, len(decisions) + 1))
            for before, after in itertools.pairwise(decisions):
                assert (before.to_state, before.to_stage) == (after.from_state, after.from_stage)
            assert decisions[-1].to_state == each.state

    @invariant()
    def the_end_is_the_end(self) -> None:
        for each in self.all():
            if each.state in _ENDED:
                seen = self.ended.setdefault(each.id, each.row_version)
                assert seen == each.row_version or self.decisions(each)[-1].kind == "notice"
            else:
                assert each.id not in self.ended

    @invariant()
    def weights_grow_neither_in_a_hold_nor_after_harm(self) -> None:
        for each in self.all():
            weight = 0.0
            for one in self.decisions(each):
                if one.weights is None:
                    continue
                look = one.evidence.get("look") or {}
                if one.weights["treatment"] > weight and one.actor.startswith("rollout:"):
                    assert not one.evidence.get("holds", {}).keys() - {"inconclusive"}, one
                    assert one.from_state != "paused", one
                    assert look.get("decision") != "rollback", one
                weight = one.weights["treatment"]

    @invariant()
    def each_deployment_that_a_rollout_made_has_one_decision(self) -> None:
        decided = [
            one.revision
            for each in self.all()
            for one in self.decisions(each)
            if one.revision is not None and one.kind != "panic"
        ]
        assert len(set(decided)) == len(decided)
        changes = {each.revision: each.reason for each in history(self.registry)}
        assert set(decided) <= changes.keys()
        made = {each.after["revision"] for each in self.audit("rollout:") if "revision" in (each.after or {})}
        assert made <= set(decided)

    @invariant()
    def what_is_served_is_what_was_decided(self) -> None:
        served = self.registry.snapshot("prod").prompts[PROMPT]
        running = [each for each in self.all() if each.occupies]
        assert len(running) <= 1
        for each in self.all():
            if each.state in ("rolled_back", "aborted", "expired", "cancelled"):
                assert each.id not in served.experiments
        if not served.experiments:
            assert isinstance(served.default, ServeVersion)

    @invariant()
    def the_audit_log_tells_every_step(self) -> None:
        silent = {"hold", "release", "wait", "notice", "advise", "refuse", "panic", "create"}
        steps = sum(one.kind not in silent for each in self.all() for one in self.decisions(each))
        assert steps == sum(each.action.startswith("rollout_") for each in self.audit(""))

    def all(self) -> list[Rollout]:
        return self.rollouts.rollouts(limit=500).items

    def decisions(self, rollout: Rollout) -> list[RolloutDecision]:
        return self.rollouts.decisions(rollout.id, limit=500).items

    def audit(self, actor: str) -> list[Any]:
        found, cursor = [], None
        while True:
            page = self.registry.audit_log(limit=500, cursor=cursor)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return [each for each in found if each.actor.startswith(actor)]


def test_rollouts_keep_their_promises(new_file: Callable[[], Path]) -> None:
    class Machine(_Machine):
        def new_file(self) -> Path:
            return new_file()

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=size(5, 400),
            stateful_step_count=size(15, 50),
            deadline=None,
            phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )

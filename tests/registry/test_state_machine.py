"""Whatever is done in whatever order, the registry does what a model of a few lines does."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from coalmine_registry.errors import Conflict, NotFound, StaleRevision
from coalmine_registry.registry import Registry
from coalmine_schemas.prompts import Arm, Snapshot
from tests.support.campaign import size
from tests.support.data.registry_case import BOB, PROMPT, deployment_events, history, push

_VERSIONS = [f"1.{minor}.0" for minor in range(4)]
_VERSION = st.sampled_from(_VERSIONS)
_WEIGHT = st.sampled_from([0.0, 0.1, 0.5, 1.0])


class _Lifecycle(RuleBasedStateMachine):
    """One prompt in one environment, against a model in plain lists."""

    registry: Registry

    def new_registry(self) -> Registry:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.registry = self.new_registry()
        self.revision = 0
        self.defaults: list[str] = []
        self.served: set[str] = set()
        self.retired: set[str] = set()
        self.experiment: tuple[str, dict[str, tuple[str, float]], int] | None = None
        self.experiments = 0
        self.actions: list[str] = []

    def teardown(self) -> None:
        self.registry.close()

    @initialize()
    def versions(self) -> None:
        push(self.registry, *_VERSIONS)

    def _did(self, action: str, *served: str) -> None:
        self.revision += 1
        self.actions.append(action)
        self.served.update(served)

    def _running_arms(self) -> set[str]:
        return {version for version, _ in self.experiment[1].values()} if self.experiment else set()

    def _shown_arms(self) -> set[str]:
        """Versions of arms that anybody gets."""
        arms = self.experiment[1].values() if self.experiment else ()
        return {version for version, weight in arms if weight > 0}

    @rule(version=_VERSION)
    def promote(self, version: str) -> None:
        if version in self.retired or self.experiment:
            with pytest.raises(Conflict):
                self.registry.promote(BOB, PROMPT, version, "prod")
            return
        done = self.registry.promote(BOB, PROMPT, version, "prod", expected_revision=self.revision)
        if self.defaults and self.defaults[-1] == version:
            assert done.status == "unchanged"
            return
        self._did("promote", version)
        self.defaults.append(version)
        assert done.revision == self.revision

    @rule(version=_VERSION)
    def promote_on_an_older_state(self, version: str) -> None:
        with pytest.raises((StaleRevision, Conflict)):
            self.registry.promote(BOB, PROMPT, version, "prod", expected_revision=self.revision + 1)

    @rule(to=st.none() | _VERSION)
    def roll_back(self, to: str | None) -> None:
        if not self.defaults:
            with pytest.raises(NotFound):
                self.registry.rollback(BOB, "prod", PROMPT, to)
            return
        target = to
        if to is None:
            current = self.defaults[-1]
            before = [each for each in self.defaults if each != current and each not in self.retired]
            target = current if self.experiment else (before[-1] if before else None)
        arms = self.experiment[1] if self.experiment else {}
        is_treatment = bool(arms) and target == arms["treatment"][0] != arms["control"][0]
        if target is None or target in self.retired or target not in self.served or is_treatment:
            with pytest.raises(Conflict):
                self.registry.rollback(BOB, "prod", PROMPT, to)
            return
        self.registry.rollback(BOB, "prod", PROMPT, to, None, self.revision)
        self._did("rollback")
        while target in self.defaults and self.defaults[-1] != target:
            self.defaults.pop()
        if self.defaults[-1] != target:
            self.defaults.append(target)
        self.experiment = None

    @rule(treatment=_VERSION, control=_VERSION, weight=_WEIGHT)
    def start(self, treatment: str, control: str, weight: float) -> None:
        name = f"experiment-{self.experiments}"
        arms = [Arm("treatment", treatment, weight), Arm("control", control, 1 - weight)]
        impossible = (
            not self.defaults
            or self.experiment
            or {treatment, control} & self.retired
            or treatment == self.defaults[-1] != control
        )
        if impossible:
            with pytest.raises((Conflict, NotFound)):
                self.registry.start_experiment(BOB, "prod", PROMPT, name, arms)
            return
        self.registry.start_experiment(BOB, "prod", PROMPT, name, arms, None, self.revision)
        self.experiments += 1
        self.experiment = (name, {"treatment": (treatment, weight), "control": (control, 1 - weight)}, 1)
        self._did("start_experiment", *self._shown_arms())

    @precondition(lambda self: self.experiment is not None)
    @rule(weight=_WEIGHT)
    def reweigh(self, weight: float) -> None:
        assert self.experiment is not None
        name, arms, epoch = self.experiment
        self.registry.set_weights(BOB, name, {"treatment": weight}, self.revision)
        if weight == arms["treatment"][1]:
            return  # as before: nothing changes
        changed = {"treatment": (arms["treatment"][0], weight), "control": (arms["control"][0], 1 - weight)}
        self.experiment = (name, changed, epoch + 1)
        self._did("set_weights", *self._shown_arms())

    @precondition(lambda self: self.experiment is not None)
    @rule(keep=st.sampled_from([None, "treatment", "control"]))
    def stop(self, keep: str | None) -> None:
        assert self.experiment is not None
        name, arms, _ = self.experiment
        self.registry.stop_experiment(BOB, name, keep, self.revision)
        if keep is not None and arms[keep][0] != self.defaults[-1]:
            self.defaults.append(arms[keep][0])
        self.experiment = None
        self._did("stop_experiment", self.defaults[-1])

    @rule(version=_VERSION)
    def retire(self, version: str) -> None:
        needed = self._running_arms() | set(self.defaults[-1:])
        if version in needed | self.retired:
            with pytest.raises(Conflict):
                self.registry.retire(BOB, PROMPT, version)
            return
        self.registry.retire(BOB, PROMPT, version)
        self.retired.add(version)

    @invariant()
    def what_is_served_is_what_the_model_says(self) -> None:
        snapshot = self.registry.snapshot("prod")
        assert snapshot.revision == self.revision
        assert Snapshot.from_json(snapshot.to_json()) == snapshot
        if not self.defaults:
            assert snapshot.prompts == {}
            return
        served = snapshot.prompts[PROMPT]
        assert served.revision == self.revision
        assert set(served.versions()) == (self._running_arms() or {self.defaults[-1]})
        assert not set(served.versions()) & self.retired
        assert self.registry.deployment("prod", PROMPT).version == self.defaults[-1]
        if self.experiment is not None:
            name, arms, epoch = self.experiment
            live = served.experiments[name]
            assert live.allocation_epoch == epoch
            assert {arm.variant: (arm.version, arm.weight) for arm in live.arms} == arms
            assert len(self.registry.experiment(name).epochs) == epoch

    @invariant()
    def the_history_has_every_change_and_no_hole(self) -> None:
        if not self.revision:
            return
        changes = history(self.registry)[::-1]
        assert [each.revision for each in changes] == list(range(1, self.revision + 1))
        assert [each.action for each in changes] == self.actions
        assert [each.action for each in deployment_events(self.registry)] == self.actions
        assert {each.version for each in self.registry.served_versions("prod", PROMPT)} == self.served


def _run(new_registry: Callable[[], Registry], examples: int) -> None:
    machine: Any = type("Lifecycle", (_Lifecycle,), {"new_registry": lambda _: new_registry()})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_life_of_a_deployment_follows_its_model_on_sqlite(migrated_file: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        numbers = iter(range(10**6))

        def new_registry() -> Registry:
            return Registry.open(shutil.copy(migrated_file, Path(folder) / f"{next(numbers)}.db"))

        _run(new_registry, size(5, 100))


@pytest.mark.postgres
def test_the_life_of_a_deployment_follows_its_model_on_postgresql(new_address: Callable[[str], str]) -> None:
    _run(lambda: Registry.open(new_address("postgresql")), size(3, 50))

"""Two controllers on one registry: the later one loses, and nobody acts twice."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coalmine_registry.errors import LeaseLost
from coalmine_registry.leases import Holder, Lease
from coalmine_registry.registry import Registry
from coalmine_rollouts.commands import Rollouts
from coalmine_rollouts.records import Decided
from tests.rollouts.own_process import roll_back_after_sleep
from tests.support.data.registry_case import BOB, PROMPT, history, push, serve
from tests.support.data.rollout_case import QUICK
from tests.support.data.rollout_inputs import a_readout
from tests.support.doubles.rollout_world import World
from tests.support.eventually import eventually
from tests.support.processes.forked import FORKS


def _is_stopped(pid: int | None) -> bool:
    state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    assert state != "Z", "it has ended"
    return state == "T"


def _started(registry: Registry, world: World) -> tuple[Rollouts, str]:
    serve(registry, "1.0.0")
    push(registry, "1.1.0")
    rollouts = Rollouts(registry)
    made = rollouts.start(BOB, PROMPT, "1.1.0", QUICK, environment="prod")
    world.minutes(2)
    return rollouts, made.id


def test_a_controller_that_slept_in_the_middle_of_a_tick_does_nothing_when_it_wakes_up(
    registry: Registry, address: str, world: World
) -> None:
    rollouts, rollout = _started(registry, world)
    child = FORKS.Process(target=roll_back_after_sleep, args=(address, rollout, world.clock.now), daemon=True)
    child.start()
    assert child.pid is not None
    eventually(lambda: _is_stopped(child.pid), what="the end of reading")
    world.readouts[rollout] = a_readout("rollback")
    assert [each.decision.kind for each in world.minutes(1)] == ["roll_back"]
    os.kill(child.pid, signal.SIGCONT)
    child.join(60)
    assert child.exitcode == 0, "it decided something, or failed"
    assert [each.kind for each in rollouts.decisions(rollout).items] == ["create", "start", "roll_back"]
    assert [each.action for each in history(registry)].count("stop_experiment") == 1


def test_a_controller_that_another_server_has_replaced_decides_nothing(
    registry: Registry, world: World
) -> None:
    rollouts, rollout = _started(registry, world)
    ours, theirs = (
        Lease(registry, "measures", Holder(name, None), clock=lambda: 0.0) for name in ("same", "same")
    )
    assert ours.hold()
    world.controller._fence = ours.check
    world.readouts[rollout] = a_readout("rollback")
    before = [each.kind for each in rollouts.decisions(rollout).items]
    assert theirs.hold()
    world.clock.move(minutes=1)
    world.call()
    with pytest.raises(LeaseLost, match="another server"):
        world.controller.tick()
    assert [each.kind for each in rollouts.decisions(rollout).items] == before
    world.controller._fence = theirs.check
    assert [each.decision.kind for each in world.controller.tick()] == ["roll_back"]


def test_controllers_that_tick_at_once_decide_everything_once(registry: Registry, world: World) -> None:
    rollouts, rollout = _started(registry, world)
    controllers = [world.new_controller() for _ in range(3)]
    made: list[Decided] = []
    for _ in range(24):
        world.clock.move(minutes=1)
        world.call()
        _together([lambda each=each: made.extend(each.tick()) for each in controllers])  # type: ignore[misc]
    assert rollouts.rollout(rollout).state == "completed"
    stored = rollouts.decisions(rollout, limit=100).items
    assert [each.kind for each in stored] == ["create", "start", "advance", "bake", "complete"]
    assert [each.decision.seq for each in made] == [3, 4, 5]
    own = [each.revision for each in stored if each.revision is not None]
    assert own == [each.revision for each in reversed(history(registry))][-len(own) :]


def _together(works: list[Callable[[], Any]]) -> None:
    failures: list[BaseException] = []

    def guarded(work: Callable[[], Any]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again below
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]

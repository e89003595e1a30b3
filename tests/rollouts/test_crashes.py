"""A controller that dies between any two statements: what it left is whole, and the next one goes on."""

import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from sqlalchemy import event

from coalmine_registry.registry import Registry
from coalmine_rollouts.commands import Rollouts
from coalmine_rollouts.records import RolloutDecision
from tests.rollouts.own_process import roll_back_and_die
from tests.support.campaign import size
from tests.support.data.looked_at import SetClock
from tests.support.data.registry_case import BOB, PROMPT, history, push, serve
from tests.support.data.rollout_case import QUICK
from tests.support.data.rollout_inputs import a_readout
from tests.support.doubles.rollout_world import World
from tests.support.processes.forked import run_forked

_Course: TypeAlias = tuple[tuple[Any, ...], ...]


class _Killed(BaseException):
    """As the end of the process: nothing catches it."""


@contextmanager
def _killed_at(registry: Registry, number: int | None) -> Iterator[list[str]]:
    """Counts the statements that write transactions begin; dies before the one of that number.

    The commit counts, too.
    """
    seen: list[str] = []
    engine = registry._database._engine

    def before(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if connection.get_execution_options().get("coalmine_writes"):
            note(statement)

    def commit(connection: Any) -> None:
        if connection.get_execution_options().get("coalmine_writes"):
            note("COMMIT")

    def note(statement: str) -> None:
        seen.append(statement)
        if len(seen) - 1 == number:
            raise _Killed

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "commit", commit)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "commit", commit)


def _run(file: Path, ends: str, kill_at: int | None) -> tuple[_Course, int, int]:
    """A rollout from start to end; returns its decisions, deployments and the statements of all ticks."""
    clock = SetClock()
    with Registry.open(file, clock=clock) as registry, Registry.open(file, clock=clock) as of_people:
        serve(registry, "1.0.0")
        push(registry, "1.1.0")
        rollouts, world = Rollouts(registry), World(registry, clock)
        made = rollouts.start(BOB, PROMPT, "1.1.0", QUICK, environment="prod")
        with _killed_at(registry, kill_at) as statements:
            for minute in range(28 if ends == "completed" else 22):
                if minute == 14 and ends == "rolled_back":
                    world.readouts[made.id] = a_readout("rollback")
                if minute == 14 and ends == "aborted":
                    Rollouts(of_people).abort(BOB, made.id)
                try:
                    world.minutes(1)
                except _Killed:
                    world.controller = world.new_controller()
                    world.controller.tick()
        found = rollouts.rollout(made.id)
        assert found.state == ends, (found, statements[-3:])
        return _course(rollouts.decisions(made.id, limit=100).items), len(history(registry)), len(statements)


def _course(decisions: list[RolloutDecision]) -> _Course:
    assert [each.seq for each in decisions] == list(range(1, len(decisions) + 1))
    return tuple(
        (each.kind, each.from_state, each.to_state, each.to_stage, each.weights, each.revision)
        for each in decisions
    )


@pytest.mark.parametrize("ends", ["completed", "rolled_back", "aborted"])
def test_the_course_is_the_same_wherever_it_dies(ends: str, new_file: Callable[[], Path]) -> None:
    course, revisions, statements = _run(new_file(), ends, None)
    assert statements > 20
    chosen = random.Random(7).sample(range(statements), size(5, statements))
    for number in chosen:
        assert _run(new_file(), ends, number)[:2] == (course, revisions), f"killed at {number}"


def _broken_one(registry: Registry, world: World, rollouts: Rollouts) -> str:
    serve(registry, "1.0.0")
    push(registry, "1.1.0")
    made = rollouts.start(BOB, PROMPT, "1.1.0", QUICK, environment="prod")
    world.minutes(2)
    world.readouts[made.id] = a_readout("rollback")
    return made.id


@pytest.mark.parametrize("number", [4, 9, 12])
def test_a_process_killed_during_a_rollback_is_made_up_for_once(
    number: int, registry: Registry, address: str, world: World
) -> None:
    rollouts = Rollouts(registry)
    rollout = _broken_one(registry, world, rollouts)
    child = run_forked(roll_back_and_die, address, rollout, world.clock.now, number)
    assert child == (-signal.SIGKILL, None)
    assert rollouts.rollout(rollout).state == "running"
    world.minutes(2)
    assert [each.kind for each in rollouts.decisions(rollout).items][2:] == ["roll_back"]
    assert [each.action for each in history(registry)].count("stop_experiment") == 1

"""Ticks of controllers in processes of their own, which die or sleep at the worst moment."""

import os
import signal
import sys
from datetime import datetime
from typing import Any, NoReturn

from sqlalchemy import event

from coalmine_registry.registry import Registry
from tests.support.data.looked_at import SetClock
from tests.support.data.rollout_inputs import a_readout
from tests.support.doubles.rollout_world import World


def _world(address: str, rollout: str, now: datetime) -> World:
    """Of a process that has just seen that a rollout does harm."""
    clock = SetClock(now)
    world = World(Registry.open(address, clock=clock), clock)
    world.readouts[rollout] = a_readout("rollback")
    return world


def roll_back_and_die(address: str, rollout: str, now: datetime, number: int) -> int:
    """Kills itself before the statement of that number of the transaction that rolls back.

    Returns:
        The decisions of the tick, if it lives that long.
    """
    world, count = _world(address, rollout, now), 0

    def before(connection: Any, *_: Any) -> None:
        nonlocal count
        if connection.get_execution_options().get("coalmine_writes"):
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

    event.listen(world.registry._database._engine, "before_cursor_execute", before)
    world.call()
    return len(world.controller.tick())


def roll_back_after_sleep(address: str, rollout: str, now: datetime) -> NoReturn:
    """Stops itself once it has read everything and decided, and goes on when it is woken.

    Exits with the number of decisions that it could carry out.
    """
    world = _world(address, rollout, now)
    transact = world.registry.transact

    def stopped_first(work: Any) -> Any:
        world.registry.transact = transact  # type: ignore[method-assign]
        os.kill(os.getpid(), signal.SIGSTOP)
        return transact(work)

    world.registry.transact = stopped_first  # type: ignore[method-assign]
    world.call()
    sys.exit(len(world.controller.tick()))

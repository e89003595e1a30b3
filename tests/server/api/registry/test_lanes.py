"""A rollback waits for no template, and nobody keeps all the threads."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from coalmine_registry.roles import Actor, Role
from coalmine_server.api.problems import ProblemError
from coalmine_server.api.registry import MOST_HEAVY, THREADS, RegistryRoute, lane
from coalmine_server.api.routes import access, environments, experiments, freezes, prompts, rollouts

AUTHOR = Actor("ann", Role.AUTHOR, "token of ann")
OTHER = Actor("bob", Role.AUTHOR, "token of bob")


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Opened at the end, whatever happens, so that no thread stays."""
    event = threading.Event()
    yield event
    event.set()


def lane_of(endpoint: object) -> object:
    return getattr(endpoint, "coalmine_lane", None)


def test_what_stops_harm_is_urgent_and_what_compiles_is_heavy() -> None:
    plans = (experiments.set_weights, experiments.stop_experiment)
    stops = (rollouts.abort_rollout, rollouts.promote_rollout, freezes.panic, freezes.freeze)
    urgent = (environments.rollback, access.revoke_token, *plans, *stops)
    assert {lane_of(each) for each in urgent} == {"urgent"}
    assert {lane_of(each) for each in (prompts.register_version, prompts.diff)} == {"heavy"}


def test_a_rollback_runs_while_all_other_threads_are_busy_and_one_token_has_its_share(
    gate: threading.Event,
) -> None:
    @lane("heavy")
    def compile_template(actor: Actor) -> str:
        gate.wait()
        return actor.subject

    @lane("urgent")
    def roll_back(actor: Actor) -> str:
        return f"{actor.subject} rolled back"

    def read(actor: Actor) -> str:
        gate.wait()
        return actor.subject

    heavy, urgent, usual = (
        RegistryRoute(f"/{each.__name__}", each).endpoint for each in (compile_template, roll_back, read)
    )

    async def main() -> None:
        open_ = [asyncio.create_task(heavy(actor=AUTHOR)) for _ in range(MOST_HEAVY)]
        open_ += [asyncio.create_task(usual(actor=AUTHOR)) for _ in range(10 * THREADS["usual"])]
        await asyncio.sleep(0)
        for _ in range(9 * MOST_HEAVY):
            with pytest.raises(ProblemError, match="4 requests open"):
                await heavy(actor=AUTHOR)
        open_.append(asyncio.create_task(heavy(actor=OTHER)))
        assert await urgent(actor=OTHER) == "bob rolled back"
        gate.set()
        assert await asyncio.gather(*open_) == [*["ann"] * (MOST_HEAVY + 10 * THREADS["usual"]), "bob"]
        assert await heavy(actor=AUTHOR) == "ann"
        assert not RegistryRoute.heavy

    asyncio.run(asyncio.wait_for(main(), 60))

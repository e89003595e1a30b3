"""Waiting for what an environment serves: one answer for all, at once, and never a missed change."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from coalmine_registry.errors import NotFound
from coalmine_schemas.prompts import Snapshot
from coalmine_server.api.hub import DeploymentHub

NAMES = ("dev", "staging", "prod")


class Source:
    """What a registry would say, and how often it was asked."""

    def __init__(self) -> None:
        self.revision = 1
        self.snapshots = 0
        self.questions = 0
        self.away = False
        self.revoked = 0
        self.before_answer: Callable[[], None] = lambda: None

    def snapshot(self, environment: str) -> Snapshot:
        self._check()
        self.snapshots += 1
        found = Snapshot(environment, self.revision)
        self.before_answer()
        return found

    def environment_revision(self, environment: str) -> int:
        del environment
        self._check()
        self.questions += 1
        return self.revision

    def revocations(self) -> int:
        self._check()
        return self.revoked

    def _check(self) -> None:
        if self.away:
            raise ConnectionError("the database is away")


async def allowed() -> None:
    """Anybody may know."""


def run(scenario: Callable[[DeploymentHub, Source], Coroutine[Any, Any, None]], poll_s: float = 60.0) -> None:
    """Runs a scenario with a hub that looks by itself only every `poll_s`."""

    async def main() -> None:
        source = Source()
        hub = DeploymentHub(source, NAMES, poll_s=poll_s)
        hub.start()
        try:
            await asyncio.wait_for(scenario(hub, source), 30)
        finally:
            await hub.stop()

    asyncio.run(main())


async def waiting(hub: DeploymentHub, count: int) -> None:
    while hub.waiting < count:
        await asyncio.sleep(0.001)


def test_a_thousand_wait_without_a_thread_and_one_change_answers_all_with_the_same_bytes() -> None:
    async def scenario(hub: DeploymentHub, source: Source) -> None:
        first = await hub.current("prod")
        threads = threading.active_count()
        clients = [asyncio.create_task(hub.after("prod", first.etag, 60, allowed)) for _ in range(1000)]
        await waiting(hub, 1000)
        assert threading.active_count() <= threads + 2
        source.revision = 2
        hub.notify("prod", 2)
        answers = await asyncio.gather(*clients)
        assert {id(answer) for answer in answers} == {id(await hub.current("prod"))}
        assert answers[0] is not None
        assert answers[0].revision == 2
        assert source.snapshots == 2
        assert hub.waiting == 0

    run(scenario)


def test_whoever_has_something_else_is_answered_at_once() -> None:
    async def scenario(hub: DeploymentHub, _source: Source) -> None:
        current = await hub.current("prod")
        assert await hub.after("prod", None, 60, allowed) == current
        assert await hub.after("prod", '"something else"', 60, allowed) == current
        assert await hub.after("prod", current.etag, 0, allowed) is None
        assert await hub.after("prod", current.etag, 0.01, allowed) is None

    run(scenario)


def test_the_first_thousand_questions_load_the_snapshot_once() -> None:
    async def scenario(hub: DeploymentHub, source: Source) -> None:
        await asyncio.gather(*(hub.current("prod") for _ in range(1000)))
        assert source.snapshots == 1

    run(scenario)


def test_what_another_process_changes_is_found_by_one_question_per_interval() -> None:
    async def scenario(hub: DeploymentHub, source: Source) -> None:
        first = await hub.current("prod")
        clients = [asyncio.create_task(hub.after("prod", first.etag, 60, allowed)) for _ in range(100)]
        await waiting(hub, 100)
        asked = source.questions
        source.revision = 7
        answers = await asyncio.gather(*clients)
        assert {answer.revision for answer in answers if answer is not None} == {7}
        assert source.questions - asked < 20

    run(scenario, poll_s=0.01)


def test_a_change_heard_while_the_snapshot_is_read_is_not_missed() -> None:
    async def scenario(hub: DeploymentHub, source: Source) -> None:
        first = await hub.current("prod")

        def change_again() -> None:
            source.before_answer = lambda: None
            source.revision = 3
            hub.notify("prod", 3)

        source.before_answer = change_again
        source.revision = 2
        hub.notify("prod", 2)
        etag, seen = first.etag, [first.revision]
        while seen[-1] != 3:
            served = await hub.after("prod", etag, 10, allowed)
            assert served is not None
            etag = served.etag
            seen.append(served.revision)
        assert (await hub.current("prod")).revision == 3

    run(scenario)


def test_whoever_asks_after_a_change_of_this_process_sees_it() -> None:
    async def scenario(hub: DeploymentHub, source: Source) -> None:
        await hub.current("prod")
        source.revision = 2
        hub.notify("prod", 2)
        await asyncio.sleep(0)  # the loop has heard of it, its task has not looked yet
        assert (await hub.current("prod")).revision == 2

    run(scenario)


def test_a_registry_made_anew_is_served_though_its_revisions_are_lower() -> None:
    async def scenario(hub: DeploymentHub, source: Source) -> None:
        source.revision = 9
        first = await hub.current("prod")
        source.revision = 1
        served = await hub.after("prod", first.etag, 10, allowed)
        assert served is not None
        assert served.revision == 1

    run(scenario, poll_s=0.01)


def test_while_the_database_is_away_clients_keep_what_they_have_and_hear_of_changes_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("coalmine_server.api.hub.TROUBLE_S", 0.01)

    async def scenario(hub: DeploymentHub, source: Source) -> None:
        first = await hub.current("prod")
        source.away = True
        assert await hub.after("prod", first.etag, 0.05, allowed) is None
        assert await hub.current("prod") == first
        client = asyncio.create_task(hub.after("prod", first.etag, 30, allowed))
        source.revision = 2
        source.away = False
        served = await client
        assert served is not None
        assert served.revision == 2

    run(scenario, poll_s=0.01)


def test_environments_there_are_not_are_refused_with_those_there_are() -> None:
    async def scenario(hub: DeploymentHub, _source: Source) -> None:
        questions: list[Awaitable[object]] = [
            hub.current("production"),
            hub.after("production", None, 60, allowed),
        ]
        for question in questions:
            with pytest.raises(NotFound, match="'production': there are dev, staging, prod"):
                await question

    run(scenario)


def test_everybody_goes_when_the_server_stops() -> None:
    async def scenario(hub: DeploymentHub, _source: Source) -> None:
        first = await hub.current("prod")
        clients = [asyncio.create_task(hub.after("prod", first.etag, 60, allowed)) for _ in range(100)]
        await waiting(hub, 100)
        threading.Thread(target=hub.release).start()
        assert await asyncio.gather(*clients) == [None] * 100
        assert hub.stopping

    run(scenario)


def test_a_client_that_goes_away_waits_no_more() -> None:
    async def scenario(hub: DeploymentHub, _source: Source) -> None:
        first = await hub.current("prod")
        client = asyncio.create_task(hub.after("prod", first.etag, 60, allowed))
        await waiting(hub, 1)
        client.cancel()
        await asyncio.gather(client, return_exceptions=True)
        assert hub.waiting == 0

    run(scenario)


def test_a_revoked_token_ends_its_wait_whoever_revokes_it_and_the_others_go_on() -> None:
    class Gone(Exception):
        pass

    revoked = False

    async def mine() -> None:
        if revoked:
            raise Gone

    async def scenario(hub: DeploymentHub, source: Source) -> None:
        nonlocal revoked
        for tell in (hub.revoked, lambda: setattr(source, "revoked", source.revoked + 1)):
            revoked = False
            first = await hub.current("prod")
            client = asyncio.create_task(hub.after("prod", first.etag, 60, mine))
            other = asyncio.create_task(hub.after("prod", first.etag, 60, allowed))
            await waiting(hub, 2)
            await asyncio.sleep(0.1)  # the hub has counted once
            revoked = True
            tell()
            with pytest.raises(Gone):
                await client
            assert not other.done()
            other.cancel()
            await asyncio.gather(other, return_exceptions=True)

    run(scenario, poll_s=0.01)

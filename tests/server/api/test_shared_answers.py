"""Who asks what others ask gets one answer with them: no stale one after an action, nor another role's."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from coalmine_registry.roles import Actor, Role
from coalmine_server.api.app import openapi_document
from coalmine_server.api.shared_answers import (
    INTAKE_PATHS,
    KEPT_S,
    MOST_BYTES,
    OLDEST_S,
    SETTLED_PATHS,
    SETTLED_S,
    SHARED_PATHS,
    SharedAnswersMiddleware,
)
from tests.support.processes.coalmine_process import ServerProcess

FACETS = "/v1/facets"


@dataclass
class World:
    """An API that counts what it is asked, with a store and a clock that move when told."""

    found: int = 0
    changes: int | None = 0
    now_s: float = 100.0
    status: int = 200
    size_bytes: int = 0
    fails: bool = False
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    role: Role = Role.READER
    elsewhere: int = 0

    async def answer(self, request: Request) -> JSONResponse:
        self.found += 1
        number = self.found
        await self.may_answer.wait()
        if self.fails:
            raise RuntimeError("broken")
        body = {"number": number, "asked": str(request.url.query), "filler": "x" * self.size_bytes}
        return JSONResponse(body, self.status, headers={"X-Found": "yes"})

    async def act(self, _: Request) -> JSONResponse:
        return JSONResponse({}, 201)

    def web(self) -> httpx2.AsyncClient:
        asked = [Route(path, self.answer) for path in (*SHARED_PATHS, "/v1/ingest")]
        sent = [Route(path, self.act, methods=["POST"]) for path in (*INTAKE_PATHS, "/v1/freezes")]
        shared = SharedAnswersMiddleware(
            Starlette(routes=[*asked, *sent]),
            lambda: self.changes,
            lambda: self.now_s,
            acts_elsewhere=lambda: self.elsewhere,
        )
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(self._known(shared), raise_app_exceptions=False),
            base_url="http://here",
        )

    def _known(self, app: ASGIApp) -> ASGIApp:
        async def known(scope: Scope, receive: Receive, send: Send) -> None:
            actor = Actor("somebody", self.role, "token")
            await app({**scope, "coalmine.actor": actor}, receive, send)

        return known


async def number(web: httpx2.AsyncClient, path: str = FACETS, **headers: str) -> int:
    """Which of the answers found comes."""
    found: int = (await web.get(path, headers=headers)).json()["number"]
    return found


def in_world(story: Callable[[World, httpx2.AsyncClient], Awaitable[None]], *, waits: bool = False) -> None:
    async def main() -> None:
        world = World()
        if not waits:
            world.may_answer.set()
        async with world.web() as web:
            await story(world, web)

    asyncio.run(main())


def test_many_who_ask_at_once_wait_for_one_answer() -> None:
    async def story(world: World, web: httpx2.AsyncClient) -> None:
        asked = [asyncio.create_task(web.get(FACETS)) for _ in range(10)]
        while not world.found:
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        world.may_answer.set()
        answers = [await each for each in asked]
        assert {each.text for each in answers} == {answers[0].text}
        assert {each.headers["X-Found"] for each in answers} == {"yes"}
        assert world.found == 1

    in_world(story, waits=True)


def test_an_answer_is_given_again_for_moments_while_the_store_is_as_it_was() -> None:
    async def story(world: World, web: httpx2.AsyncClient) -> None:
        assert await number(web, "/v1/costs") == 1
        world.now_s += KEPT_S
        assert await number(web, "/v1/costs") == 1
        world.now_s += 0.01
        assert await number(web, "/v1/costs") == 2

    in_world(story)


@pytest.mark.parametrize(
    ("path", "kept_s"),
    [
        (FACETS, SETTLED_S),
        ("/v1/timeseries?since=2026-03-01T00:00:00Z&step=hour", SETTLED_S),
        ("/v1/timeseries?since=2026-03-01T00:00:00Z&until=now", KEPT_S),
        ("/v1/versions?since=6h", KEPT_S),
        ("/v1/versions?since=%36h", KEPT_S),
        ("/v1/versions?since=2026-03-01&since=1d", KEPT_S),
        ("/v1/versions?since=yesterday", KEPT_S),
        ("/v1/spending", KEPT_S),
    ],
)
def test_an_answer_that_the_time_has_no_part_in_is_given_again_for_longer(path: str, kept_s: float) -> None:
    async def story(world: World, web: httpx2.AsyncClient) -> None:
        assert await number(web, path) == 1
        world.now_s += kept_s
        await number(web, "/v1/drift")  # tidies
        assert await number(web, path) == 1
        world.now_s += 0.01
        assert await number(web, path) == 3
        world.changes = 1
        assert await number(web, path) == 4

    in_world(story)


def test_nobody_gets_an_answer_from_before_a_change_that_another_server_made() -> None:
    async def story(world: World, web: httpx2.AsyncClient) -> None:
        assert await number(web) == 1
        assert await number(web, **{"Cache-Control": "max-age=10"}) == 1
        world.elsewhere += 1
        assert await number(web, **{"Cache-Control": "max-age=10"}) == 2

    in_world(story)


def test_once_the_store_has_changed_only_who_accepts_an_older_answer_gets_it() -> None:
    async def story(world: World, web: httpx2.AsyncClient) -> None:
        assert await number(web) == 1
        world.changes = 1
        world.now_s += 1.9
        assert await number(web, **{"Cache-Control": "no-transform, Max-Age=2"}) == 1
        assert await number(web, **{"Cache-Control": "max-age=1"}) == 2
        world.changes = 2
        assert await number(web) == 3

    in_world(story)


@pytest.mark.parametrize("accepted", ["max-age=100000", "max-age=-1", "max-age=x", "no-cache"])
def test_nobody_gets_an_answer_that_is_much_older(accepted: str) -> None:
    async def story(world: World, web: httpx2.AsyncClient) -> None:
        assert await number(web) == 1
        world.changes = 1
        world.now_s += OLDEST_S + 0.1
        assert await number(web, **{"Cache-Control": accepted}) == 2

    in_world(story)


def test_who_acts_sees_what_came_of_it_and_so_does_everybody() -> None:
    async def story(world: World, web: httpx2.AsyncClient) -> None:
        assert await number(web) == 1
        assert (await web.post("/v1/freezes")).status_code == 201
        assert await number(web, **{"Cache-Control": "max-age=10"}) == 2
        assert await number(web) == 2

    in_world(story)


def test_an_answer_sought_before_an_action_is_for_nobody_who_asks_after_it() -> None:
    async def story(world: World, web: httpx2.AsyncClient) -> None:
        early = asyncio.create_task(number(web))
        while not world.found:
            await asyncio.sleep(0)
        await web.post("/v1/freezes")
        late = asyncio.create_task(number(web))
        while world.found < 2:
            await asyncio.sleep(0)
        world.may_answer.set()
        assert (await early, await late) == (1, 2)
        assert await number(web) == 2

    in_world(story, waits=True)


def test_what_services_send_is_nobodys_action() -> None:
    async def story(_: World, web: httpx2.AsyncClient) -> None:
        assert await number(web) == 1
        for path in INTAKE_PATHS:
            await web.post(path)
        assert await number(web) == 1

    in_world(story)


def test_another_role_question_or_representation_has_its_own_answer() -> None:
    async def story(world: World, web: httpx2.AsyncClient) -> None:
        assert await number(web) == 1
        assert await number(web, f"{FACETS}?a=1") == 2
        assert await number(web, "/v1/costs") == 3
        assert await number(web, Accept="text/csv") == 4
        world.role = Role.ADMIN
        assert await number(web) == 5
        world.role = Role.READER
        assert await number(web) == 1

    in_world(story)


@pytest.mark.parametrize("path", ["/v1/ingest"])
def test_what_may_not_wait_is_asked_every_time(path: str) -> None:
    async def story(_: World, web: httpx2.AsyncClient) -> None:
        assert [await number(web, path), await number(web, path)] == [1, 2]

    in_world(story)


def test_without_a_store_everybody_hears_so_now() -> None:
    async def story(world: World, web: httpx2.AsyncClient) -> None:
        world.changes = None
        assert [await number(web), await number(web)] == [1, 2]

    in_world(story)


def test_an_error_is_not_kept() -> None:
    async def story(world: World, web: httpx2.AsyncClient) -> None:
        world.status = 503
        assert (await web.get(FACETS)).status_code == 503
        world.status = 200
        assert await number(web) == 2

    in_world(story)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_who_is_refused_is_told_of_their_own_token_only(status: int) -> None:
    async def story(world: World, web: httpx2.AsyncClient) -> None:
        world.status = status
        asked = [asyncio.create_task(number(web)) for _ in range(3)]
        while not world.found:
            await asyncio.sleep(0)
        world.may_answer.set()
        assert sorted([await each for each in asked]) == [1, 2, 3]

    in_world(story, waits=True)


def test_a_fault_is_told_and_those_who_waited_ask_themselves() -> None:
    async def story(world: World, web: httpx2.AsyncClient) -> None:
        world.fails = True
        asked = [asyncio.create_task(web.get(FACETS)) for _ in range(3)]
        while not world.found:
            await asyncio.sleep(0)
        world.may_answer.set()
        assert [(await each).status_code for each in asked] == [500, 500, 500]
        world.fails = False
        assert await number(web) == 4

    in_world(story, waits=True)


def test_who_gives_up_leaves_others_an_answer() -> None:
    async def story(world: World, web: httpx2.AsyncClient) -> None:
        first = asyncio.create_task(number(web))
        while not world.found:
            await asyncio.sleep(0)
        second = asyncio.create_task(number(web))
        for _ in range(20):
            await asyncio.sleep(0)
        first.cancel()
        world.may_answer.set()
        assert await second == 2

    in_world(story, waits=True)


def test_what_is_kept_is_bounded() -> None:
    async def story(world: World, web: httpx2.AsyncClient) -> None:
        world.size_bytes = 3 * 2**20
        many = MOST_BYTES // world.size_bytes + 2
        for each in range(many):
            await number(web, f"{FACETS}?a={each}")
        assert await number(web, f"{FACETS}?a={many - 1}") == many
        assert await number(web, f"{FACETS}?a=0") == many + 1

    in_world(story)


def test_long_questions_count_as_well() -> None:
    async def story(world: World, web: httpx2.AsyncClient) -> None:
        long = "x" * 60_000
        many = MOST_BYTES // len(long) + 2
        for each in range(many):
            await number(web, f"{FACETS}?a={each}", Accept=long)
        assert await number(web, f"{FACETS}?a=0", Accept=long) == many + 1

    in_world(story)


def test_shared_questions_exist_and_change_nothing() -> None:
    assert SETTLED_PATHS < SHARED_PATHS
    paths = openapi_document()["paths"]
    assert {path for path in SHARED_PATHS if [*paths[path]] != ["get"]} == set()
    assert all("post" in paths[path] for path in INTAKE_PATHS)


def test_a_server_gives_one_answer_again(busy_server: ServerProcess) -> None:
    asked = [busy_server.get("/v1/versions") for _ in range(2)]
    assert asked[0].content == asked[1].content
    assert asked[0].headers["X-Request-Id"] != asked[1].headers["X-Request-Id"]

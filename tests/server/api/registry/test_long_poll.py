"""`GET /v1/deployments/{environment}` over real connections: waiting, waking, and letting go."""

import asyncio
import json
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.registry_client import GOODBYE, HELLO, Person
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine

CLIENTS = 1000


@pytest.fixture
def many_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * CLIENTS if before[1] == resource.RLIM_INFINITY else min(4 * CLIENTS, before[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], wanted), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Waiter:
    """A connection of its own with one question on it."""

    def __init__(self, port: int, request: bytes) -> None:
        self._port = port
        self._request = request

    async def ask(self, room: asyncio.Semaphore) -> None:
        async with room:  # the queue of a listening socket is short
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            self._writer.write(self._request)
            await self._writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(
            (int(line.split(":")[1]) for line in head.splitlines() if line.startswith("content-length")), 0
        )
        body = await self._reader.readexactly(length)
        self._writer.close()
        return int(head.split()[1]), body


def request(token: str, etag: str) -> bytes:
    return (
        "GET /v1/deployments/dev?wait=60 HTTP/1.1\r\nHost: coalmine\r\n"
        f"Authorization: Bearer {token}\r\nIf-None-Match: {etag}\r\n\r\n"
    ).encode()


def threads_of(server: ServerProcess) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/task").iterdir()))


def arrived(server: ServerProcess) -> int:
    """Connections that the server holds open: sockets among its files."""
    found = 0
    for file in Path(f"/proc/{server.process.pid}/fd").iterdir():
        try:
            found += str(file.readlink()).startswith("socket:")
        except FileNotFoundError:
            continue
    return found


@pytest.mark.usefixtures("many_files")
def test_a_thousand_clients_wait_on_one_server_and_all_wake_at_the_same_change(
    registry_server: ServerProcess,
) -> None:
    with Person.local(registry_server) as admin:
        admin.register("crowd", "1.0.0", HELLO)
        etag = admin.client.get("/v1/deployments/dev").headers["etag"]
        port = int(registry_server.url.rsplit(":", 1)[1])
        threads = threads_of(registry_server)

        async def crowd() -> list[tuple[int, bytes]]:
            waiters = [Waiter(port, request(admin.token, etag)) for _ in range(CLIENTS)]
            room = asyncio.Semaphore(100)
            await asyncio.gather(*(each.ask(room) for each in waiters))
            while arrived(registry_server) < CLIENTS:  # idle ones of others are closed meanwhile
                await asyncio.sleep(0.02)
            assert threads_of(registry_server) < threads + 30
            await asyncio.to_thread(admin.promote, "crowd", "1.0.0", "dev")
            return await asyncio.gather(*(each.answer() for each in waiters))

        answers = asyncio.run(crowd())
        assert {status for status, _ in answers} == {200}
        (body,) = {body for _, body in answers}
        assert json.loads(body)["prompts"]["crowd"]["default"] == {"version": "1.0.0"}


def test_an_answer_comes_at_once_when_there_is_something_else_and_304_when_not(
    registry_server: ServerProcess,
) -> None:
    with Person.local(registry_server) as admin:
        response = admin.client.get("/v1/deployments/staging", params={"wait": 60})
        assert response.status_code == 200
        etag = response.headers["etag"]
        for given in (etag, f"W/{etag}"):
            again = admin.client.get(
                "/v1/deployments/staging", params={"wait": 0.05}, headers={"If-None-Match": given}
            )
            assert (again.status_code, again.headers["etag"], again.content) == (304, etag, b"")
        other = admin.client.get("/v1/deployments/staging?wait=60", headers={"If-None-Match": '"0-else"'})
        assert other.status_code == 200


def test_environments_there_are_not_are_named_with_those_there_are(registry_server: ServerProcess) -> None:
    with Person.local(registry_server) as admin:
        detail = admin.get("/v1/deployments/production", expect=404)["detail"]
        assert "dev, staging, prod" in detail
        admin.get("/v1/deployments/prod", params={"wait": 61}, expect=422)


def test_what_another_process_changes_wakes_clients_too(registry_server: ServerProcess) -> None:
    with ServerProcess(registry_server.home, name="second", part="registry") as second:
        with Person.local(registry_server) as admin, Person(second.url, registry_server.token) as there:
            admin.register("twins", "1.0.0", HELLO)
            admin.promote("twins", "1.0.0", "dev")
            etag = admin.client.get("/v1/deployments/dev").headers["etag"]
            found: list[int] = []

            def wait() -> None:
                response = admin.client.get("/v1/deployments/dev?wait=60", headers={"If-None-Match": etag})
                found.append(response.json()["prompts"]["twins"]["revision"])

            thread = threading.Thread(target=wait)
            thread.start()
            there.register("twins", "1.0.1", GOODBYE)
            there.promote("twins", "1.0.1", "dev")
            thread.join(30)
            assert found == [2]
        assert second.stop() == 0


@pytest.mark.parametrize("by_command", [False, True])
def test_a_token_that_is_revoked_ends_its_wait(registry_server: ServerProcess, by_command: bool) -> None:
    with Person.local(registry_server) as admin, admin.make("leaver", "reader") as leaver:
        etag = leaver.client.get("/v1/deployments/dev").headers["etag"]
        found: list[int] = []

        def wait() -> None:
            headers = {"If-None-Match": etag}
            found.append(leaver.client.get("/v1/deployments/dev?wait=60", headers=headers).status_code)

        thread = threading.Thread(target=wait)
        before = arrived(registry_server)
        thread.start()
        eventually(lambda: arrived(registry_server) >= before, what="asked")
        if by_command:
            assert coalmine("token", "revoke", "leaver", home=registry_server.home).returncode == 0
        else:
            admin.post(f"/v1/tokens/{leaver.token_id}/revoke")
        thread.join(30)
        assert found == [401]


def test_a_server_that_stops_answers_everybody_and_ends_in_time(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "home", part="registry") as server:
        with Person.local(server) as admin:
            etag = admin.client.get("/v1/deployments/dev").headers["etag"]
            port = int(server.url.rsplit(":", 1)[1])
            before = arrived(server)

            async def crowd() -> list[tuple[int, bytes]]:
                waiters = [Waiter(port, request(admin.token, etag)) for _ in range(50)]
                room = asyncio.Semaphore(50)
                await asyncio.gather(*(each.ask(room) for each in waiters))
                await asyncio.to_thread(
                    eventually, lambda: arrived(server) >= before + 50, what="all connected"
                )
                # Whatever came before this question has been read once it is answered; a socket that is
                # closed with a question unread is reset instead of answered.
                await asyncio.to_thread(admin.client.get, "/v1/deployments/dev")
                server.process.terminate()
                return await asyncio.gather(*(each.answer() for each in waiters))

            # One whose question had not been read yet is told to come again.
            assert {status for status, _ in asyncio.run(crowd())} <= {304, 503}
        assert server.wait(15) == 0

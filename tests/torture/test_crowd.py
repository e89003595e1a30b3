"""Ten thousand clients wait on one server; the reduced form, with a thousand, is in test_long_poll.py."""

import asyncio
import json
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.server.api.registry.test_long_poll import Waiter, arrived, request, threads_of
from tests.server.conftest import TRUSTING
from tests.server.registry_client import HELLO, Person
from tests.support.processes.coalmine_process import ServerProcess

CLIENTS: Final = 10_000
FILES: Final = 20_000


class Client(Waiter):
    """Asks again where nothing changed for as long as a question may wait, as clients do."""

    async def change(self) -> bytes:
        """What a server says that changed."""
        while True:
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
            status = int(head.split()[1])
            lengths = [line for line in head.splitlines() if line.startswith("content-length")]
            body = await self._reader.readexactly(int(lengths[0].split(":")[1]) if lengths else 0)
            if status != 304:
                self._writer.close()
                assert status == 200, (status, body)
                return body
            self._writer.write(self._request)


@pytest.fixture
def few_files_of_many() -> Iterator[None]:
    """This process, and what it starts, has the usual limit of open files, and may raise it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < FILES:
        pytest.skip(f"a process here may open no more than {before[1]:,} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.campaign
@pytest.mark.usefixtures("few_files_of_many")
def test_ten_thousand_clients_wait_on_one_server_and_all_wake_at_the_same_change(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    settings = {**TRUSTING, "COALMINE_SERVER_MAX_CONNECTIONS": str(CLIENTS + 1_000)}
    with (
        ServerProcess(tmp_path / "home", settings, part="registry", cold=True) as server,
        Person.local(server) as admin,
    ):
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        admin.register("crowd", "1.0.0", HELLO)
        etag = admin.client.get("/v1/deployments/dev").headers["etag"]
        port = int(server.url.rsplit(":", 1)[1])
        threads = threads_of(server)

        async def crowd() -> list[bytes]:
            asked = request(admin.token, etag)
            clients = [Client(port, asked) for _ in range(CLIENTS)]
            room = asyncio.Semaphore(1)
            changes = []
            for each in clients:
                await each.ask(room)
                changes.append(asyncio.ensure_future(each.change()))
            while arrived(server) < CLIENTS:  # one or two are its own, and idle ones that it had are closed
                await asyncio.sleep(0.1)
            assert threads_of(server) < threads + 30
            await asyncio.to_thread(admin.promote, "crowd", "1.0.0", "dev")
            return await asyncio.gather(*changes)

        answers = asyncio.run(crowd())
        record_property("tried", f"{len(answers):,} answers with the change")
        (body,) = set(answers)
        assert json.loads(body)["prompts"]["crowd"]["default"] == {"version": "1.0.0"}
        assert "too many connections" not in server.log_text()
        assert server.stop() == 0

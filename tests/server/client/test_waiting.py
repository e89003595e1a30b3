"""A command waits as long as whoever keeps it from its answer is at work, and no longer."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest

from coalmine_consumers.errors import StoreLocked
from coalmine_consumers.store import Store
from coalmine_schemas.discovery import Endpoint, announce_server, announce_start, end_start
from coalmine_server.client import Client, connect, http, open_client, open_registry_client
from coalmine_server.errors import Unavailable
from coalmine_server.settings import Settings
from tests.support.eventually import eventually

LOOKS = 30


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No patience at all: whatever is waited for must be at work at each look."""
    monkeypatch.setattr(connect, "PATIENCE_S", 0.0)
    for module in (connect, http):
        monkeypatch.setattr(module, "RETRY_S", 0.0)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A store that another process holds for some looks."""
    looks: list[int] = []
    real = Store.open

    def opened(*arguments: object, **options: object) -> Store:
        looks.append(len(looks))
        if len(looks) <= LOOKS:
            raise StoreLocked(os.getpid())
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "open", opened)
    yield looks


def test_a_holder_at_work_is_waited_for_without_a_limit(
    held: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "_signs_of_work", lambda _pid, _folder: (len(held),))
    with open_client(Settings(home=tmp_path)) as client:
        assert client.items("/v1/versions") == []
    assert len(held) == LOOKS + 1


def test_a_holder_that_does_nothing_is_given_up(
    held: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "_signs_of_work", lambda _pid, _folder: ())
    with pytest.raises(Unavailable, match="does nothing"), open_client(Settings(home=tmp_path)):
        pass
    assert len(held) <= LOOKS


@pytest.fixture
def starting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[int]]:
    """A home whose server starts, which is looked at again and again, and listens after some looks."""
    announce_start(tmp_path)
    looks: list[int] = []

    def found(*_: object) -> Endpoint | None:
        looks.append(len(looks))
        return None if len(looks) <= LOOKS else Endpoint("http://127.0.0.1:1", None)

    monkeypatch.setattr(connect, "_endpoint", found)
    yield looks


def test_a_server_that_starts_is_waited_for_while_it_is_at_work(
    starting: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "_signs_of_work", lambda _pid, _folder: (len(starting),))
    with open_registry_client(Settings(home=tmp_path)) as client:
        assert client.url == "http://127.0.0.1:1"
    assert len(starting) == LOOKS + 1


def test_a_server_that_starts_and_does_nothing_is_given_up(
    starting: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "_signs_of_work", lambda _pid, _folder: ())
    with pytest.raises(Unavailable, match="no server runs"), open_registry_client(Settings(home=tmp_path)):
        pass
    assert len(starting) <= LOOKS


def test_a_server_that_runs_and_is_slow_to_answer_is_waited_for_while_it_is_at_work(
    starting: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_start(tmp_path)
    announce_server(tmp_path, "http://127.0.0.1:1", "registry", "secret")
    monkeypatch.setattr(connect, "MOMENT_S", 0.0)
    monkeypatch.setattr(connect, "_signs_of_work", lambda _pid, _folder: (len(starting),))
    with open_registry_client(Settings(home=tmp_path)) as client:
        assert client.url == "http://127.0.0.1:1"
    assert len(starting) == LOOKS + 1


def test_a_server_that_begins_to_listen_while_it_is_looked_for_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce_start(tmp_path)
    found = iter([None, Endpoint("http://127.0.0.1:1", None)])

    def looked(*_: object) -> Endpoint | None:
        end_start(tmp_path)
        return next(found)

    monkeypatch.setattr(connect, "MOMENT_S", 0.0)
    monkeypatch.setattr(connect, "PATIENCE_S", 60.0)
    monkeypatch.setattr(connect, "_endpoint", looked)
    with open_registry_client(Settings(home=tmp_path)) as client:
        assert client.url == "http://127.0.0.1:1"


def test_a_server_that_has_just_been_started_is_given_a_moment(
    starting: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_start(tmp_path)
    monkeypatch.setattr(connect, "MOMENT_S", 60.0)
    with open_registry_client(Settings(home=tmp_path)) as client:
        assert client.url
    assert len(starting) == LOOKS + 1


def differs(sign: Callable[[], object], before: object) -> bool:
    return sign() != before


def test_a_process_that_works_shows_signs_of_it_and_one_that_sleeps_shows_none(tmp_path: Path) -> None:
    working = "print(1, flush=True)\nwhile True:\n    pass"
    sleeping = "import time\nprint(1, flush=True)\nwhile True:\n    time.sleep(3600)"
    for program, changes in ((working, True), (sleeping, False)):
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                before = connect._signs_of_work(process.pid, tmp_path)
                if changes:
                    sign = partial(connect._signs_of_work, process.pid, tmp_path)
                    eventually(partial(differs, sign, before), what="processor time")
            finally:
                process.kill()
    before = connect._signs_of_work(None, tmp_path)
    (tmp_path / "coalmine.duckdb.wal").write_bytes(b"1")
    assert connect._signs_of_work(None, tmp_path) != before


def problem(kind: str, **more: object) -> httpx2.Response:
    return httpx2.Response(503, json={"type": f"urn:coalmine:{kind}", "detail": "because", **more})


def asked(*answers: httpx2.Response) -> object:
    """What a client with next to no patience makes of these answers."""
    rest = list(answers)
    transport = httpx2.MockTransport(lambda _request: rest.pop(0))
    client = Client("http://server", None, patience_s=1e-9, transport=transport)
    try:
        return client.get("/v1/versions")
    finally:
        client.close()


def test_a_server_at_work_to_start_is_waited_for_without_a_limit() -> None:
    at_work = [problem("starting", at_work=True) for _ in range(LOOKS)]
    assert asked(*at_work, httpx2.Response(200, json=[1])) == [1]


@pytest.mark.parametrize("kind", ["starting", "standby", "failed"])
def test_a_server_that_waits_itself_is_given_up(kind: str) -> None:
    with pytest.raises(Unavailable, match="because"):
        asked(*(problem(kind) for _ in range(2)), httpx2.Response(200, json=[]))

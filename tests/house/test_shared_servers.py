"""Processes that share the tests share the servers, too."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.support.servers.server_choice import ServerUnavailable
from tests.support.servers.shared import SharedServers, name_shared_server

VARIABLE = "COALMINE_TEST_EXAMPLE"
_log: list[str] = []


def _start(servers: ExitStack) -> str:
    _log.append("started")
    servers.callback(_log.append, "ended")
    return "127.0.0.1:1"


def _fail(servers: ExitStack) -> str:
    raise ServerUnavailable("no way to run it")


@pytest.fixture(autouse=True)
def not_named(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    _log.clear()
    monkeypatch.setenv(VARIABLE, "")
    yield


def test_one_server_is_started_for_all_and_ended_at_the_end() -> None:
    shared = SharedServers({VARIABLE: _start})
    assert _log == []
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: name_shared_server(shared.socket, VARIABLE), range(8)))
    assert os.environ[VARIABLE] == "127.0.0.1:1"
    assert _log == ["started"]
    shared.close()
    assert _log == ["started", "ended"]


def test_who_wants_another_server_does_not_wait_for_one_that_is_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_start, other = threading.Event(), "COALMINE_TEST_OTHER_EXAMPLE"
    monkeypatch.setenv(other, "")

    def start_slowly(_: ExitStack) -> str:
        assert may_start.wait(60)
        return "127.0.0.1:3"

    shared = SharedServers({VARIABLE: start_slowly, other: _start})
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(name_shared_server, shared.socket, VARIABLE)
        name_shared_server(shared.socket, other)
        assert os.environ[other] == "127.0.0.1:1"
        may_start.set()
        slow.result(60)
    assert os.environ[VARIABLE] == "127.0.0.1:3"
    shared.close()


def test_a_server_that_somebody_named_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "127.0.0.1:2")
    shared = SharedServers({VARIABLE: _start})
    name_shared_server(shared.socket, VARIABLE)
    shared.close()
    assert (os.environ[VARIABLE], _log) == ("127.0.0.1:2", [])


def test_none_is_named_where_none_can_be_had() -> None:
    shared = SharedServers({VARIABLE: _fail})
    name_shared_server(shared.socket, VARIABLE)
    shared.close()
    assert os.environ[VARIABLE] == ""

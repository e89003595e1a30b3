"""Strangers on real sockets: half requests, unread answers and too many connections stop nobody else."""

import http.client
import resource
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from coalmine import Coalmine
from coalmine_server.api.connections import Connections, GuardedProtocol, Wait, connection_limit
from coalmine_server.api.http_server import KEEP_ALIVE_S
from coalmine_server.sockets import allow_many_connections
from tests.support.campaign import size
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import COMMAND, ServerProcess, environment

HALF = (
    b"",
    b"G",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n",
    b"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
    b"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
)
"""Requests that a stranger begins and does not end."""
KEPT_BY_CLIENTS_S = 5.0
"""For so long httpx keeps a connection that nobody uses."""


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers "/large" with many bytes and everything else with few, without reading the body."""
    body = b"x" * (50_000_000 if scope.get("path") == "/large" else 2)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(most: int, timeout_s: float) -> Iterator[int]:
    """The port of a server in this process with these limits."""
    waits: tuple[Wait, ...] = ("head", "body", "reader")
    guard = Connections(most, dict.fromkeys(waits, timeout_s))
    protocol = partial(GuardedProtocol, guard=guard)
    config = uvicorn.Config(answer, http=protocol, lifespan="off", ws="none", log_config=None)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    # As ours has its protocol: on no other does asyncio send small pieces at once.
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(100)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


def connect(port: int, data: bytes = b"") -> socket.socket:
    found = socket.create_connection(("127.0.0.1", port), timeout=60)
    found.sendall(data)
    return found


def is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def test_a_connection_stays_open_for_longer_than_clients_keep_it(server: ServerProcess) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rsplit(":", 1)[1]), timeout=60)
    assert KEEP_ALIVE_S > KEPT_BY_CLIENTS_S + 1
    for pause_s in (0, size(1, int(KEPT_BY_CLIENTS_S) + 1)):
        time.sleep(pause_s)
        connection.request("GET", "/healthz")
        with connection.getresponse() as response:
            assert (response.status, response.read() != b"") == (200, True)
    connection.close()


def until_closed(connection: socket.socket) -> bytes:
    """What came until the other side closed it."""
    received = b""
    try:
        while data := connection.recv(65_536):
            received += data
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize("half", HALF)
def test_half_a_request_is_cut_off(half: bytes) -> None:
    with serving(100, 0.2) as port, connect(port, half) as connection:
        until_closed(connection)  # or the socket's timeout fails the test


def test_a_request_that_trickles_in_is_cut_off() -> None:
    with serving(100, 0.5) as port, connect(port) as connection, pytest.raises(OSError, match=r"."):
        for _ in range(3_000):  # more than a minute
            connection.sendall(b"G")
            time.sleep(0.02)


def test_a_head_that_does_not_end_is_cut_off() -> None:
    with serving(100, 60) as port, connect(port, b"GET / HTTP/1.1\r\nX: ") as connection:
        with suppress(OSError):
            connection.sendall(b"a" * 10 * 32_768)
        assert b"HTTP/1.1 200" not in until_closed(connection)


def test_an_answer_that_nobody_reads_is_given_up() -> None:
    ask = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
    with serving(100, 0.2) as port, connect(port, ask) as connection:
        time.sleep(1)
        assert len(until_closed(connection)) < 50_000_000


def test_requests_on_a_kept_connection_are_answered_one_after_the_other() -> None:
    with serving(100, 0.5) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(200):
            connection.request("POST", "/", body=b"x" * 1000)
            assert connection.getresponse().read() == b"xx"
        connection.close()


def test_those_who_keep_us_waiting_longest_make_room() -> None:
    with serving(10, 60) as port, ExitStack() as stack:
        held = [stack.enter_context(connect(port, HALF[2])) for _ in range(100)]
        assert all(is_healthy(port) for _ in range(5))
        until_closed(held[0])


@pytest.mark.parametrize(("files", "connections"), [(300, 150), (8_192, 4_096), (16_384, 12_000)])
def test_files_are_kept_from_connections(files: int, connections: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, before[1]))
    try:
        assert connection_limit(5) == 5
        assert connection_limit(12_000) == connections
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_limit_of_open_files_is_raised_for_as_many_connections_as_there_may_be() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = before[1] - 5_000
    if most < 12_288:
        pytest.skip(f"a process here may open no more than {before[1]:,} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, before[1]))
    try:
        allow_many_connections(most)
        assert connection_limit(most) == most
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


FEW_FILES = (
    "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300));"
    "from coalmine_server.cli.main import main; main()"
)


def test_three_hundred_half_requests_on_as_many_files_stop_neither_api_nor_ingest(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    log = (tmp_path / "log").open("wb")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [*COMMAND[:-1], FEW_FILES, "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=environment(home), cwd=home, stdout=log, stderr=log)
    try:
        eventually((home / "server.json").exists, what="listening")
        with ExitStack() as stack:
            for number in range(300):
                stack.enter_context(connect(port, HALF[number % len(HALF)]))
            with Coalmine("app", spool_dir=home / "spool") as client, client.call("p", version="1.0.0"):
                pass
            assert is_healthy(port)
            token = (home / "credentials").read_text().strip()

            def stored() -> bool:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                connection.request("GET", "/v1/versions", headers={"Authorization": f"Bearer {token}"})
                body = connection.getresponse().read()
                connection.close()
                return b'"requests":1' in body

            eventually(stored, what="stored")
        text = (tmp_path / "log").read_text()
        assert "Too many open files" not in text
        assert "Traceback" not in text
    finally:
        process.terminate()
        assert process.wait(60) == 0
        log.close()

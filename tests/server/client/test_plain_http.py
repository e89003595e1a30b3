"""The transport that asks a server over plain HTTP answers as httpx2's own does."""

import gzip
import socket
import threading
from collections.abc import Iterator

import httpx2
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from coalmine_server.client.plain_http import PlainTransport
from tests.support.servers.ports import free_port


@pytest.fixture(params=["ours", "theirs"])
def client(request: pytest.FixtureRequest) -> Iterator[httpx2.Client]:
    transport = PlainTransport() if request.param == "ours" else None
    with httpx2.Client(transport=transport, trust_env=False, timeout=0.5) as made:
        yield made


def test_what_is_asked_arrives_and_what_is_answered_comes_back(
    client: httpx2.Client, httpserver: HTTPServer
) -> None:
    def answer(asked: Request) -> Response:
        assert asked.headers["Authorization"] == "Bearer t"
        assert asked.headers["Host"] == f"{httpserver.host}:{httpserver.port}"
        assert asked.args.to_dict(flat=False) == {"by": ["a b", "ü"], "slow": ["true"]}
        assert asked.get_json() == {"name": "ü"}
        body = gzip.compress(b'{"n": 1}')
        return Response(body, 201, {"Content-Encoding": "gzip", "X-A": "b"}, "application/json")

    httpserver.expect_request("/v1/a/b", method="POST").respond_with_handler(answer)
    for _ in range(2):
        answered = client.post(
            httpserver.url_for("/v1/a%2Fb"),
            params={"by": ["a b", "ü"], "slow": True},
            json={"name": "ü"},
            headers={"Authorization": "Bearer t"},
        )
        assert (answered.status_code, answered.json(), answered.headers["X-A"]) == (201, {"n": 1}, "b")


def test_nobody_there(client: httpx2.Client) -> None:
    with pytest.raises(httpx2.ConnectError, match="refused"):
        client.get(f"http://127.0.0.1:{free_port()}/")


def test_no_answer_in_time(client: httpx2.Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(httpx2.TimeoutException):
        client.get(f"http://127.0.0.1:{silent.getsockname()[1]}/")


def test_no_http(client: httpx2.Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_greet, args=(server,))
        thread.start()
        with pytest.raises(httpx2.RemoteProtocolError):
            client.get(f"http://127.0.0.1:{server.getsockname()[1]}/")
        thread.join()


def _greet(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(b"SSH-2.0\r\n\r\n")

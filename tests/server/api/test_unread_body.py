"""An answer reaches who sends all of a body before reading, and wants the connection closed afterwards."""

import json
import socket

import pytest

from coalmine_server.api.middleware import MAX_BODY_BYTES
from tests.support.processes.coalmine_process import ServerProcess

ENOUGH = 2 * MAX_BODY_BYTES
"""More than a socket keeps for somebody who does not read."""


def answer(server: ServerProcess, head: str, body: bytes) -> tuple[int, str]:
    """Status and kind of problem, read once everything was sent and the server has closed."""
    with socket.create_connection(("127.0.0.1", server.web.base_url.port or 0), timeout=30) as connection:
        connection.sendall(head.encode() + b"\r\n" + body)
        with connection.makefile("rb") as stream:
            _, status, _ = stream.readline().split(maxsplit=2)
            _, _, document = stream.read().partition(b"\r\n\r\n")
    return int(status), json.loads(document)["type"].removeprefix("urn:coalmine:")


@pytest.mark.parametrize(
    ("path", "known", "expected"),
    [
        ("/v1/events", True, (413, "too-large")),
        ("/v1/events", False, (401, "unauthenticated")),
        ("/v1/ingest", True, (413, "too-large")),
    ],
)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_refusal_reaches_who_sends_everything_first(
    server: ServerProcess, version: str, path: str, *, known: bool, expected: tuple[int, str]
) -> None:
    head = (
        f"POST {path} HTTP/{version}\r\nHost: here\r\nConnection: close\r\n"
        f"Authorization: Bearer {server.token if known else 'nobody'}\r\nContent-Length: {ENOUGH}\r\n"
    )
    assert answer(server, head, b" " * ENOUGH) == expected


def test_who_waits_to_be_asked_for_a_body_is_not_waited_for(server: ServerProcess) -> None:
    head = (
        "POST /v1/events HTTP/1.1\r\nHost: here\r\nConnection: close\r\nExpect: 100-continue\r\n"
        f"Authorization: Bearer {server.token}\r\nContent-Length: {ENOUGH}\r\n"
    )
    assert answer(server, head, b"") == (413, "too-large")

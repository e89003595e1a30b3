"""A body that is too large is refused before it takes memory."""

from collections.abc import Iterator

import httpx2

from coalmine_server.api.middleware import MAX_BODY_BYTES
from tests.support.processes.coalmine_process import ServerProcess

CHUNK = b" " * 65_536


def chunks(total: int) -> Iterator[bytes]:
    for _ in range(0, total, len(CHUNK)):
        yield CHUNK


def post(server: ServerProcess, content: bytes | Iterator[bytes]) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    return server.web.post("/v1/prompts/greeting/versions", content=content, headers=headers)


def test_a_body_that_says_it_is_too_large_is_refused(registry_server: ServerProcess) -> None:
    response = post(registry_server, b"[" * (10 * MAX_BODY_BYTES))
    assert response.status_code == 413
    assert response.json()["type"] == "urn:coalmine:too-large"
    assert "8,388,608 bytes" in response.json()["detail"]


def test_a_body_that_does_not_say_so_is_refused_as_well(registry_server: ServerProcess) -> None:
    response = post(registry_server, chunks(10 * MAX_BODY_BYTES))
    assert response.status_code == 413
    assert response.json()["type"] == "urn:coalmine:too-large"


def test_one_that_is_just_not_too_large_is_read(registry_server: ServerProcess) -> None:
    assert post(registry_server, chunks(MAX_BODY_BYTES)).status_code == 422

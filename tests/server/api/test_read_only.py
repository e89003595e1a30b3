"""What a replica puts around the API, and how long it keeps what a request may read."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from coalmine_server.api.read_only import QUESTIONS, ReadOnlyMiddleware


class Snapshot:
    """One that is as old as it is told, and counts who reads it."""

    moment: datetime | None = None

    def __init__(self) -> None:
        self.open: set[object] = set()
        self.most = 0

    def as_of(self) -> datetime | None:
        return self.moment

    def begin(self) -> object:
        request = object()
        self.open.add(request)
        self.most = max(self.most, len(self.open))
        return request

    def end(self, request: object) -> None:
        self.open.remove(request)


async def answer(request: Request) -> JSONResponse:
    if request.url.path == "/v1/broken":
        raise RuntimeError("broken")
    return JSONResponse({"asked": request.url.path})


def ask(snapshot: Snapshot, method: str, path: str, writer: str | None = "http://writer") -> httpx2.Response:
    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    guarded = ReadOnlyMiddleware(app, snapshot, lambda: writer)

    async def main() -> httpx2.Response:
        transport = httpx2.ASGITransport(guarded, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://replica") as web:
            return await web.request(method, path)

    return asyncio.run(main())


def test_every_answer_says_until_when_it_has_everything() -> None:
    snapshot = Snapshot()
    assert "age" not in ask(snapshot, "GET", "/v1/versions").headers
    snapshot.moment = datetime.now(UTC) - timedelta(minutes=2)
    for method, path in (("GET", "/v1/versions"), *(("POST", each) for each in sorted(QUESTIONS))):
        headers = ask(snapshot, method, path).headers
        assert datetime.fromisoformat(headers["coalmine-as-of"]) == snapshot.moment
        assert int(headers["age"]) >= 120


def test_changes_are_refused_with_the_server_that_takes_them() -> None:
    refused = ask(Snapshot(), "POST", "/v1/promotions")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    assert (refused.json()["type"], refused.json()["writer"]) == ("urn:coalmine:read-only", "http://writer")
    nobody = ask(Snapshot(), "PUT", "/v1/suites/greet", writer=None).json()
    assert "does not run now" in nobody["detail"]
    assert "writer" not in nobody


def test_a_snapshot_is_read_as_long_as_a_request_lasts_and_not_by_who_waits_for_deployments() -> None:
    snapshot = Snapshot()
    ask(snapshot, "GET", "/v1/deployments/prod")
    assert snapshot.most == 0
    for path in ("/v1/versions", "/v1/broken"):
        ask(snapshot, "GET", path)
    assert (snapshot.most, snapshot.open) == (1, set())

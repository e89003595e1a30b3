"""What a replica puts around the API: it refuses changes, and says on every answer how old that is."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Protocol

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coalmine_server.api.problems import READ_ONLY, problem_response

QUESTIONS: Final = frozenset({"/v1/plan-check", "/v1/rollouts/check", "/v1/sql", "/v1/alerts/test"})
"""Questions whose words are in a body: they change nothing."""
WAITING: Final = "/v1/deployments/"
"""Who waits for a change there, for a minute perhaps, reads no snapshot."""
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
AS_OF_HEADER: Final = "Coalmine-As-Of"
"""Until when everything committed is in the answer, UTC; beside `Age` (RFC 9111, 5.1), in seconds."""


class Answering(Protocol):
    """What is known of the snapshot that answers come from."""

    def as_of(self) -> datetime | None:
        """Until when everything committed is in it; None before the first."""
        ...

    def begin(self) -> object:
        """Notes that a request begins, which may use the snapshot there is and any later one."""
        ...

    def end(self, request: object) -> None:
        """Notes that it has ended."""
        ...


class ReadOnlyMiddleware:
    """Answers questions, and refuses everything else, naming the server to send it to."""

    def __init__(self, app: ASGIApp, snapshot: Answering, writer: Callable[[], str | None]) -> None:
        """Prepares.

        Args:
            app: Answers; callers are known to it already.
            snapshot: What it answers from.
            writer: URL of the server that takes changes; None while nobody knows it.
        """
        self._app = app
        self._snapshot = snapshot
        self._writer = writer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection as ASGI says."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] not in READING and scope["path"] not in QUESTIONS:
            url = self._writer()
            where = "the server that owns the store, which does not run now" if url is None else url
            detail = f"this server is a replica that only answers questions: send changes to {where}"
            more = None if url is None else {"writer": url}
            response = problem_response(READ_ONLY, detail, headers={"Allow": "GET, HEAD"}, more=more)
            await response(scope, receive, send)
            return

        # As it begins: a newer snapshot, which it may use, has all of this one.
        as_of = self._snapshot.as_of()

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start" and as_of is not None:
                headers = MutableHeaders(scope=message)
                headers[AS_OF_HEADER] = as_of.isoformat()
                headers["Age"] = str(max(0, int((datetime.now(UTC) - as_of).total_seconds())))
            await send(message)

        if scope["path"].startswith(WAITING):
            await self._app(scope, receive, dated)
            return
        request = self._snapshot.begin()
        try:
            await self._app(scope, receive, dated)
        finally:
            self._snapshot.end(request)

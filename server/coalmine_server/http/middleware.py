"""What surrounds every request: an id, a log line, metrics, an answer to faults, the bearer token."""

import time
import uuid

import structlog
from coalmine_server.http.http_metrics import HttpMetrics
from coalmine_server.http.problems import UNAUTHENTICATED, problem_response
from coalmine_server.tokens import TokenBook
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PUBLIC_PATHS = frozenset({"/healthz", "/readyz"})
"""What load balancers ask, without a token."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_log = structlog.stdlib.get_logger("coalmine.http")


class Observed:
    """Gives each request an id, a log line without its query and a count; answers for faults."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection as ASGI says."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = uuid.uuid4().hex
        status, complete = 0, False
        scope["coalmine.request_id"] = request_id

        async def observed_send(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            elif message["type"] == "http.response.body":
                complete = not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, observed_send)
        except Exception:
            # Starlette has answered (see `install_problem_handlers`) and raises on, for the log.
            _log.exception("fault while answering", request_id=request_id, path=scope["path"])
            if not complete:
                raise
        finally:
            duration_s = time.perf_counter() - started
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.observe(method, _route(scope), status, duration_s)
            level = _log.debug if scope["path"] in PUBLIC_PATHS else _log.info
            level(
                "request",
                request_id=request_id,
                method=scope["method"],
                path=scope["path"],
                status=status,
                duration_ms=round(duration_s * 1000, 2),
                client=scope["client"][0] if scope.get("client") else None,
                caller=scope.get("coalmine.caller"),
            )


def _route(scope: Scope) -> str:
    """The template of the route that answered, "/v1/dead-letters/{dead_letter_id}"."""
    return getattr(scope.get("route"), "path", "none")


class Authenticated:
    """Lets nobody through without a bearer token, whether the path exists or not; health is open to all."""

    def __init__(self, app: ASGIApp, tokens: TokenBook) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection as ASGI says."""
        if scope["type"] != "http" or scope["path"] in PUBLIC_PATHS:
            await self._app(scope, receive, send)
            return
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        caller = self._tokens.verify(token.strip()) if scheme.lower() == "bearer" and token.strip() else None
        if caller is None:
            detail = (
                "the token is unknown or was revoked"
                if token
                else "send `Authorization: Bearer TOKEN`; `coalmine token create NAME` makes one"
            )
            headers = {"WWW-Authenticate": 'Bearer realm="coalmine"'}
            response = problem_response(UNAUTHENTICATED, detail, headers=headers)
            await response(scope, receive, send)
            return
        scope["coalmine.caller"] = caller
        await self._app(scope, receive, send)

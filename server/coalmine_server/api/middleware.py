"""What surrounds every request: an id, a log line, metrics, a limit on the body, the bearer token."""

import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import structlog
from anyio import CapacityLimiter, to_thread
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coalmine_registry.roles import Actor
from coalmine_schemas.errors import Transient
from coalmine_server.api.problems import (
    FORBIDDEN,
    ISSUER_UNAVAILABLE,
    REGISTRY_UNAVAILABLE,
    TOO_LARGE,
    TOO_MANY_FAILURES,
    UNAUTHENTICATED,
    ProblemError,
    problem_response,
)
from coalmine_server.api.verifier import FailedLogins, Verifier
from coalmine_server.errors import is_of_full_disk
from coalmine_server.services.sign_on import (
    OIDC,
    BadToken,
    Expired,
    IssuerAway,
    NotAllowed,
    SignOn,
    looks_signed,
)

Answer = TypeVar("Answer")


class HttpMetrics:
    """Requests answered and their time, by route and not by path: the number of series is bounded."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "coalmine_http_requests",
            "HTTP requests answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._duration = Histogram(
            "coalmine_http_request_duration_seconds",
            "Time from the request's head to the end of its answer.",
            ["route"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )

    def observe(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Counts one request."""
        self._requests.labels(method, route, str(status)).inc()
        self._duration.labels(route).observe(duration_s)


MAX_BODY_BYTES = 8 * 1024 * 1024
"""The largest we take are prompts: templates of 262,144 characters, which JSON may escape."""


class BodyLimitMiddleware:
    """Answers 413 once a body exceeds the limit, whether it says its length or not; nothing is kept of it."""

    def __init__(self, app: ASGIApp, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._detail = f"a body has at most {max_bytes:,} bytes"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection as ASGI says."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > self._max_bytes:
            await problem_response(TOO_LARGE, self._detail)(scope, receive, send)
            return
        read = 0

        async def limited_receive() -> Message:
            nonlocal read
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > self._max_bytes:
                    raise HTTPException(TOO_LARGE.status, self._detail)
            return message

        await self._app(scope, limited_receive, send)


PUBLIC_PATHS = frozenset({"/healthz", "/readyz"})
"""What load balancers ask, without a token."""

SAFE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""On every answer: kept by no cache, shown as no page, framed by none."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_log = structlog.stdlib.get_logger("coalmine.http")


class ObservabilityMiddleware:
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
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers.update(SAFE_HEADERS)
            elif message["type"] == "http.response.body":
                complete = not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, observed_send)
        except Exception as error:
            # Starlette has answered (see `install_problem_handlers`) and raises on, for the log.
            # Where the disk is full there is nothing to look for in our code.
            traced = not is_of_full_disk(error)
            told = {"request_id": request_id, "path": _shown_path(scope), "reason": str(error)}
            _log.error("fault while answering", exc_info=traced, **told)
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
                method=method,
                path=_shown_path(scope),
                status=status,
                duration_ms=round(duration_s * 1000, 2),
                client=scope["client"][0] if scope.get("client") else None,
                caller=scope.get("coalmine.caller"),
            )


LONGEST_PATH_SHOWN = 500
"""Characters of a path in the log: whoever asks chooses them, also without a token."""


def _shown_path(scope: Scope) -> str:
    path: str = scope["path"]
    return path if len(path) <= LONGEST_PATH_SHOWN else f"{path[:LONGEST_PATH_SHOWN]}..."


def _route(scope: Scope) -> str:
    """The template of the route that answered, "/v1/dead-letters/{dead_letter_id}"."""
    return getattr(scope.get("route"), "path", "none")


class AuthMiddleware:
    """Lets nobody through without a bearer token, whether the path exists or not; health is open to all.

    Args:
        app: What answers.
        verifier: Knows tokens.
        failed_logins: Counts wrong ones.
        open_paths: Paths whose requests carry another proof, which their routes check.
        sign_on: Knows tokens of an identity provider; None if none is configured.
    """

    def __init__(
        self,
        app: ASGIApp,
        verifier: Verifier,
        failed_logins: FailedLogins,
        open_paths: frozenset[str] = frozenset(),
        sign_on: SignOn | None = None,
    ) -> None:
        self._app = app
        self._open = PUBLIC_PATHS | open_paths
        self._verifier = verifier
        self._failed_logins = failed_logins
        # Threads of its own: long queries must not keep anybody from being known.
        self._threads = CapacityLimiter(4)
        self._sign_on = sign_on
        # And others for an identity provider that keeps us waiting.
        self._sign_on_threads = CapacityLimiter(8)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection as ASGI says."""
        if scope["type"] != "http" or scope["path"] in self._open:
            await self._app(scope, receive, send)
            return
        generation = self._verifier.generation
        try:
            actor = await self._actor(scope)
        except ProblemError as error:
            response = problem_response(error.kind, error.detail, headers=_headers(error))
            await response(scope, receive, send)
            return
        scope["coalmine.actor"] = actor
        scope["coalmine.caller"] = actor.subject

        async def still_allowed() -> None:
            nonlocal generation
            if generation != self._verifier.generation or actor.token_id.startswith(OIDC):
                generation = self._verifier.generation
                await self._actor(scope)

        scope["coalmine.still_allowed"] = still_allowed
        await self._app(scope, receive, send)

    async def _actor(self, scope: Scope) -> Actor:
        """Who asks.

        Raises:
            ProblemError: Nobody we know, or nobody we look at now.
        """
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            detail = "send `Authorization: Bearer TOKEN`; `coalmine token create NAME` makes one"
            raise ProblemError(UNAUTHENTICATED, detail)
        if self._sign_on is not None and looks_signed(token):
            return await self._signed_on(self._sign_on, token, scope)
        digest = self._verifier.digest(token)
        known = self._verifier.remembered(digest)
        if known is not None:
            return known
        address = scope["client"][0] if scope.get("client") else "unknown"
        retry_after_s = self._failed_logins.retry_after_s(address)
        try:
            if retry_after_s is not None and not await self._in_a_thread(self._verifier.may_be_valid, token):
                detail = f"too many wrong tokens came from {address}: try again in {retry_after_s} s"
                raise ProblemError(TOO_MANY_FAILURES, detail, retry_after_s=retry_after_s)
            actor = await self._in_a_thread(self._verifier.verify, token)
        except Transient as error:
            raise ProblemError(REGISTRY_UNAVAILABLE, str(error), retry_after_s=1) from error
        if actor is None:
            self._failed_logins.failed(address)
            raise ProblemError(UNAUTHENTICATED, "the token is unknown or was revoked")
        return actor

    async def _signed_on(self, sign_on: SignOn, token: str, scope: Scope) -> Actor:
        """Who has a token of the identity provider.

        Raises:
            ProblemError: Nobody we know (401), nobody who may do anything (403), or we cannot know now (503).
        """
        address = scope["client"][0] if scope.get("client") else "unknown"
        retry_after_s = self._failed_logins.retry_after_s(address)
        check = partial(sign_on.verify, token, may_ask=retry_after_s is None)
        try:
            return await to_thread.run_sync(check, limiter=self._sign_on_threads)
        except BadToken as error:
            if retry_after_s is not None:
                detail = f"too many wrong tokens came from {address}: try again in {retry_after_s} s"
                raise ProblemError(TOO_MANY_FAILURES, detail, retry_after_s=retry_after_s) from error
            # Behind one address may be many people, of whom one left a page open.
            if not isinstance(error, Expired):
                self._failed_logins.failed(address)
            raise ProblemError(UNAUTHENTICATED, str(error)) from error
        except NotAllowed as error:
            raise ProblemError(FORBIDDEN, str(error)) from error
        except IssuerAway as error:
            detail = f"the identity provider's keys are not here: {error}; tokens of the server itself work"
            raise ProblemError(ISSUER_UNAVAILABLE, detail, retry_after_s=10) from error

    async def _in_a_thread(self, question: Callable[[str], Answer], token: str) -> Answer:
        return await to_thread.run_sync(question, token, limiter=self._threads)


def _headers(error: ProblemError) -> dict[str, str]:
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    if error.kind == UNAUTHENTICATED:
        headers["WWW-Authenticate"] = 'Bearer realm="coalmine"'
    return headers

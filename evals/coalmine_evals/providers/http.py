"""Models behind an API: limits, patience, retries, and errors that say what happened."""

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from time import monotonic
from typing import Final

import httpx2
import stamina

from coalmine.replies import ReplyFacts
from coalmine_evals.providers.api import Api
from coalmine_evals.providers.limiter import Halted, Limiter
from coalmine_evals.providers.provider import ProviderRefused, Request
from coalmine_evals.providers.rate_headers import exhausted_for_s, retry_after_s
from coalmine_evals.providers.reply import (
    output_of,
    priced_provider,
    read_embedding,
    read_stream,
    read_whole,
    said_error,
)
from coalmine_evals.records import Output
from coalmine_schemas.errors import InvalidParameter, Transient
from coalmine_schemas.prices import PriceTable
from coalmine_schemas.retry import RetryPolicy
from coalmine_schemas.safe_text import MASK, masked, printable

_LARGEST_BYTES: Final = 16 * 1024 * 1024
_LONGEST_MESSAGE: Final = 300
_LONGEST_TOLD_S: Final = 600.0
"""Who is told to wait longer comes back another time: the run can be resumed."""
_LONGEST_PAUSE_S: Final = 30.0
"""Between attempts at a server that fails."""
_QUOTA: Final = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_REFUSES_ALL: Final = {
    401: "it does not take the key: check {key}",
    402: "nothing is left to pay with: top up the account",
    404: "it knows no such model or address: check both",
}
_TOO_MANY: Final = (429, 529)
_PASSING: Final = (408, 409, 425)


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How an API is asked."""

    concurrency: int = 32
    """Requests under way at once, at most, to one model."""
    timeout_s: float = 60.0
    """How long an answer may take."""
    attempts: int = 3
    """How often a request is sent when connections break, answers take too long, or the server fails."""
    patience_s: float = 600.0
    """How long one request may be told that there are too many."""
    back_off: RetryPolicy = field(default_factory=lambda: RetryPolicy(first_s=1.0, max_s=30.0))
    """How long to wait after that, where the provider does not say."""


class _Failed(Transient):
    """It may work when tried again; the message is what the output's error says."""

    def __init__(self, message: str, pause_s: float | None = None) -> None:
        super().__init__(message)
        self.pause_s = pause_s


class _TooMany(Exception):
    """There are too many requests."""

    def __init__(self, message: str, pause_s: float | None) -> None:
        super().__init__(message)
        self.pause_s = pause_s


class HttpProvider:
    """Answers requests over HTTP. For one event loop.

    Args:
        api: Which API.
        base_url: Where; `{model}` in it stands for the model, as Azure's deployments want it.
        key: Its key; None for servers that want none.
        prices: What answers cost.
        settings: How it is asked.

    Raises:
        InvalidParameter: The environment names proxies or certificates that cannot be used.
    """

    def __init__(
        self,
        api: Api,
        base_url: str,
        key: str | None,
        *,
        prices: PriceTable,
        settings: HttpSettings,
    ) -> None:
        self._api, self._key, self._prices, self._settings = api, key, prices, settings
        self._url = httpx2.URL(base_url)
        self._priced = priced_provider(base_url)
        self._limiters: defaultdict[str, Limiter] = defaultdict(lambda: Limiter(settings.concurrency))
        self._halted = False
        self._rng = Random()  # noqa: S311 - spreads, hides nothing
        headers = {"user-agent": "coalmine-evals", **({} if key is None else api.headers(key))}
        try:
            self._http = httpx2.AsyncClient(
                headers=headers,
                timeout=httpx2.Timeout(settings.timeout_s, connect=min(10.0, settings.timeout_s), pool=None),
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=settings.concurrency),
            )
        except (httpx2.InvalidURL, ValueError, ImportError, OSError) as error:
            # Not the message, which may quote a password.
            raise InvalidParameter(
                f"{api.name} cannot be asked ({type(error).__name__}): look at the proxies and certificates "
                "that the environment names"
            ) from error

    @property
    def name(self) -> str:
        """Name of the API."""
        return self._api.name

    @property
    def address(self) -> str:
        """Where it is, without credentials."""
        return str(self._url.copy_with(username=None, password=None))

    def halt(self) -> None:
        """Sends no request any more; those under way are answered."""
        self._halted = True
        for limiter in self._limiters.values():
            limiter.halt()

    async def close(self) -> None:
        """Closes all connections."""
        await self._http.aclose()

    async def answer(self, request: Request, *, repeat: int = 0) -> Output:
        """Answers a request; see `Provider`."""
        limiter = self._limiters[request.model]
        if self._halted:
            limiter.halt()
        began, told = monotonic(), 0
        while True:
            try:
                return await self._tried(request, limiter)
            except _TooMany as error:
                pause_s = error.pause_s
                if pause_s is not None and pause_s > _LONGEST_TOLD_S:
                    raise self._refusal(
                        f"it says to wait for {pause_s:.0f} s: go on later, or raise the limit there",
                        str(error),
                    ) from None
                if pause_s is None:
                    pause_s = self._settings.back_off.pause_s(told, self._rng)
                told += 1
                if monotonic() - began + pause_s > self._settings.patience_s:
                    waited = f"too many requests for {self._settings.patience_s:.0f} s"
                    return Output(None, f"rate_limit: {waited}: {error}")
                await limiter.rest(pause_s)
            except Halted:
                raise ProviderRefused("it was stopped") from None
            except _Failed as error:
                return Output(None, str(error))

    async def _tried(self, request: Request, limiter: Limiter) -> Output:
        def again(error: Exception) -> bool | float:
            if not isinstance(error, _Failed):
                return False
            return True if error.pause_s is None else min(error.pause_s, _LONGEST_PAUSE_S)

        tries = stamina.retry_context(on=again, attempts=self._settings.attempts, timeout=None)
        async for attempt in tries:
            with attempt:
                return await self._once(request, limiter)
        raise AssertionError("the last attempt raises")

    async def _once(self, request: Request, limiter: Limiter) -> Output:
        turn = await limiter.begin()
        succeeded: bool | None = None
        pause_s = 0.0
        began = monotonic()
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                status, headers, body = await self._sent(request)
            now = datetime.now(UTC)
            pause_s = exhausted_for_s(headers, now)
            if status != httpx2.codes.OK:
                try:
                    return self._failed(status, body, retry_after_s(headers, now))
                except _TooMany as error:
                    succeeded, pause_s = False, max(pause_s, min(error.pause_s or 0.0, _LONGEST_TOLD_S))
                    raise
            succeeded = True
            facts = read_embedding(body) if request.embed else _facts(headers, body)
            if facts is None or facts.error_type is not None:
                said = self._readable(body[:_LONGEST_MESSAGE].decode("utf-8", "replace"))
                return Output(None, f"malformed: not an answer of this API: {said}")
            latency_ms = (monotonic() - began) * 1000
            return output_of(facts, request, self._prices, self._priced, latency_ms)
        except (TimeoutError, httpx2.TimeoutException):
            raise _Failed(f"timeout: no answer within {self._settings.timeout_s:g} s") from None
        except httpx2.HTTPError as error:
            raise _Failed(f"connection: {self._readable(str(error) or type(error).__name__)}") from None
        finally:
            limiter.end(turn, succeeded=succeeded, pause_s=pause_s)

    async def _sent(self, request: Request) -> tuple[int, httpx2.Headers, bytes]:
        # In the order of the schema: models write properties in it, the reasoning before the verdict.
        content = json.dumps(self._api.body(request), ensure_ascii=False, default=dict).encode()
        url = self._url_for(request)
        async with self._http.stream(
            "POST", url, content=content, headers={"content-type": "application/json"}
        ) as response:
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > _LARGEST_BYTES:
                    return httpx2.codes.OK, httpx2.Headers(), b"(more than 16 MiB)"
            return response.status_code, response.headers, bytes(body)

    def _url_for(self, request: Request) -> httpx2.URL:
        path = self._url.path.replace("{model}", request.model).rstrip("/")
        below = self._api.embeddings_path if request.embed else self._api.path
        if below is None:
            raise ProviderRefused(f"{self.name} has no embeddings, which {request.model} is asked for")
        return self._url.copy_with(path=f"{path}/{below}")

    def _failed(self, status: int, body: bytes, pause_s: float | None) -> Output:
        """Raises for what may pass or stops all; returns what is wrong with this request alone."""
        code, message = said_error(body)
        said = f"HTTP {status}: {self._readable(message)}"
        if status in _REFUSES_ALL:
            raise self._refusal(_REFUSES_ALL[status].format(key=self._api.key_variable), said)
        if code in _QUOTA:
            raise self._refusal("the quota is used up: raise it there", said)
        if status in _TOO_MANY:
            raise _TooMany(said, pause_s)
        if status >= httpx2.codes.INTERNAL_SERVER_ERROR or status in _PASSING:
            raise _Failed(f"server: {said}", pause_s)
        return Output(None, f"refused: {said}")

    def _refusal(self, remedy: str, said: str) -> ProviderRefused:
        return ProviderRefused(f"{self.name} at {self.address} refuses: {remedy} ({said})")

    def _readable(self, text: str) -> str:
        """What a stranger said, on one short line, and without our key."""
        text = text if self._key is None else text.replace(self._key, MASK)
        return printable(masked(" ".join(text.split()))[:_LONGEST_MESSAGE], lines=False)


def _facts(headers: httpx2.Headers, body: bytes) -> ReplyFacts | None:
    if headers.get("content-type", "").startswith("text/event-stream"):
        return read_stream(body.decode("utf-8", "replace").splitlines())
    return read_whole(body)

"""Posts to a channel, and says of each failure whether the message may have been taken.

On httpcore2, which httpx2 is made of: there the address that is connected to can be checked, no redirect is
followed, and no URL is logged: that of a webhook is a secret.
"""

import json
import math
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from ipaddress import ip_address
from typing import Any, Final, NoReturn
from urllib.parse import unquote_to_bytes, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore2

from coalmine_alerts.errors import Ambiguous, Later, Refused, Unusable
from coalmine_schemas.safe_text import printable

TIMEOUT_S: Final = 10.0
"""For a connection, for each part that is read or written, and for an answer as a whole."""
_LARGEST_ANSWER: Final = 4 * 2**20
_LOOKED_AT: Final = 20_000
_LONGEST_REASON: Final = 200
_LONGEST_S: Final = 86_400.0
"""No channel is left alone for longer, whatever it asks for."""
_AGAIN: Final = frozenset({408, 425})
_OF_THE_CHANNEL: Final = frozenset({401, 402, 403, 404, 405, 407, 410})
"""Statuses about the sender or the address, not about the message."""
_NOT_TAKEN: Final = (
    httpcore2.ConnectError,
    httpcore2.ConnectTimeout,
    httpcore2.PoolTimeout,
    httpcore2.ProxyError,
)
"""Nothing was sent."""
_UNKNOWN: Final = (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError)


Exchanged = tuple[int, list[tuple[bytes, bytes]], bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a channel responded with status 200 to 299."""

    body: bytes

    def json(self) -> dict[str, Any]:
        """Returns the body as a JSON object.

        Raises:
            Ambiguous: It is none; what was sent may have been taken all the same.
        """
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Ambiguous("the answer is not JSON") from error
        if not isinstance(found, dict):
            raise Ambiguous("the answer is no JSON object")
        return found


class Rejected(Refused):
    """The channel responded with a status that no repetition changes.

    Args:
        reason: What it said, in words.
        status: Of the answer.
        body: Of the answer, the beginning.
    """

    def __init__(self, reason: str, status: int, body: str) -> None:
        super().__init__(reason, status, body)
        self.status, self.body = status, body

    def __str__(self) -> str:
        return str(self.args[0])


class Poster:
    """Posts to one channel."""

    def __init__(
        self,
        *,
        secrets: Sequence[str],
        backend: httpcore2.NetworkBackend | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Prepares; nothing is connected to.

        Args:
            secrets: What no error may hold, not even where an answer repeats it.
            backend: Decides which addresses may be connected to, never through a proxy; None: any.
            timeout_s: As `TIMEOUT_S`.
        """
        self._secrets = sorted(secrets, key=len, reverse=True)
        self._takes_proxies = backend is None
        self._backend = _InTime(backend or httpcore2.SyncBackend(), timeout_s)
        self._timeout_s = timeout_s

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Posts.

        Raises:
            Later: It was certainly not taken; `Unusable` if nothing will be until somebody mends that.
            Ambiguous: It may have been taken.
            Rejected: It never will be.
        """
        try:
            status, answered, received = self._exchange(url, body, headers)
        except _NOT_TAKEN as error:
            raise Later(f"cannot be reached ({_words(error)})") from error
        except _UNKNOWN as error:
            raise Ambiguous(f"did not answer ({_words(error)})") from error
        except (httpcore2.UnsupportedProtocol, ValueError, TypeError) as error:
            # Not the URL itself: it may be a secret.
            raise Unusable("has no usable URL: it begins with https://") from error
        if 200 <= status < 300:
            return Answer(received)
        said = received[:_LOOKED_AT].decode("utf-8", "replace")
        for secret in self._secrets:
            said = said.replace(secret, "***")
        _raise(status, answered, printable(said.strip(), lines=False)[:_LONGEST_REASON])

    def _exchange(self, url: str, body: bytes, headers: Mapping[str, str]) -> Exchanged:
        """Posts, and returns status, headers and body of the answer."""
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), self._timeout_s)
        # A connection that was kept may be closed just then, and nobody could say what was taken.
        with (
            httpcore2.ConnectionPool(
                ssl_context=_ssl_context(),
                network_backend=self._backend,
                proxy=_proxy_for(url) if self._takes_proxies else None,
            ) as pool,
            pool.stream(
                "POST", url, headers=list(headers.items()), content=body, extensions={"timeout": timeout}
            ) as response,
        ):
            received = bytearray()
            # The status is known: of a body that takes too long, or breaks off, what there is.
            with suppress(httpcore2.ReadTimeout, httpcore2.NetworkError, httpcore2.ProtocolError):
                for part in response.iter_stream():
                    received += part
                    if len(received) > _LARGEST_ANSWER:
                        break
            return response.status, response.headers, bytes(received)


class _InTime(httpcore2.NetworkBackend):
    """Connections that end when an exchange should have: a byte now and then does not keep one open."""

    def __init__(self, plain: httpcore2.NetworkBackend, timeout_s: float) -> None:
        self._plain, self._timeout_s = plain, timeout_s

    def connect_tcp(self, *args: Any, **named: Any) -> httpcore2.NetworkStream:  # noqa: ANN401
        stream = self._plain.connect_tcp(*args, **named)
        return _StreamInTime(stream, time.monotonic() + self._timeout_s)


class _StreamInTime(httpcore2.NetworkStream):
    def __init__(self, plain: httpcore2.NetworkStream, ends_at: float) -> None:
        self._plain, self._ends_at = plain, ends_at

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._plain.read(max_bytes, self._left_s(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._plain.write(buffer, timeout)

    def close(self) -> None:
        self._plain.close()

    def start_tls(self, *args: Any, **named: Any) -> httpcore2.NetworkStream:  # noqa: ANN401
        return _StreamInTime(self._plain.start_tls(*args, **named), self._ends_at)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401
        return self._plain.get_extra_info(info)

    def _left_s(self, timeout: float | None) -> float:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("the answer takes too long")
        return left if timeout is None else min(left, timeout)


def _proxy_for(url: str) -> httpcore2.Proxy | None:
    """Returns the proxy that HTTPS_PROXY and NO_PROXY name for a URL; None for loopback, or if there is none.

    Raises:
        Unusable: It is no HTTP proxy.
    """
    asked = urlsplit(url)
    host = asked.hostname or ""
    found = getproxies().get(asked.scheme)
    if not found or _is_loopback(host) or proxy_bypass(host):
        return None
    with suppress(ValueError, TypeError):
        proxy = urlsplit(found if "://" in found else f"http://{found}")
        if proxy.scheme in ("http", "https") and proxy.hostname:
            user, password = unquote_to_bytes(proxy.username or ""), unquote_to_bytes(proxy.password or "")
            address = f"{proxy.scheme}://{proxy.netloc.rpartition('@')[2]}"
            return httpcore2.Proxy(address, auth=(user, password) if user else None)
    raise Unusable(f"{asked.scheme.upper()}_PROXY is no usable address, such as http://HOST:PORT")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _raise(status: int, headers: list[tuple[bytes, bytes]], said: str) -> NoReturn:
    reason = f"answered {status}" + (f": {said}" if said else "")
    if status == 429:
        values = [value.decode("latin-1") for name, value in headers if name.lower() == b"retry-after"]
        raise Later(reason, _seconds(values[0]) if values else None)
    if 300 <= status < 400:
        raise Unusable(f"answered {status}, a redirect, which is not followed")
    if status in _OF_THE_CHANNEL:
        raise Unusable(reason)
    if status >= 500 or status < 200 or status in _AGAIN:
        raise Ambiguous(reason)
    raise Rejected(reason, status, said)


def _seconds(value: str) -> float | None:
    """Reads `Retry-After`: seconds, or a date."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_S) if math.isfinite(seconds) else None


def _words(error: Exception) -> str:
    said = str(error)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


@cache
def _ssl_context() -> ssl.SSLContext:
    return httpcore2.default_ssl_context()

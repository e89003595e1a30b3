"""Asks the registry over HTTP. Blocks, so only the background thread uses it; `interrupt` ends a wait.

On `http.client` instead of httpx2, which offers neither of two things needed here: to shut the socket of a
waiting request from another thread, so that closing a client never waits for a long poll, and to forget a
parent's connection in a forked child without touching it.
"""

import json
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from coalmine.forks import never_free
from coalmine.prompts.poll_policy import PollPolicy
from coalmine_schemas.discovery import Endpoint
from coalmine_schemas.errors import Transient
from coalmine_schemas.prompts import InvalidSnapshot, Snapshot

_LARGEST_BYTES: Final = 64 * 1024 * 1024
_CHUNK_BYTES: Final = 64 * 1024
_REASON_CHARS: Final = 200


class RegistryProblem(Transient):
    """The registry gave no usable answer; the message says what it answered."""


class NoRegistry(RegistryProblem):
    """No registry is known; a service that ships its prompts needs none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The registry's answer: a snapshot, or that nothing changed."""

    snapshot: Snapshot | None
    text: bytes | None
    """The snapshot as it came."""
    etag: str | None


class RegistryConnection:
    """One connection, kept open between questions. For one thread; `interrupt` for any.

    Args:
        find: Finds the registry, once for each connection; returns None if none is known.
        policy: Its waits.
    """

    def __init__(self, find: Callable[[], Endpoint | None], policy: PollPolicy) -> None:
        self._find = find
        self._policy = policy
        self._connection: HTTPConnection | None = None
        self._endpoint: Endpoint | None = None

    def ask(self, environment: str, etag: str | None) -> Answer:
        """What an environment serves, as soon as it differs from `etag`; at once without one.

        Raises:
            RegistryProblem: No usable answer came.
        """
        try:
            answer = self._ask(environment, etag)
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            raise RegistryProblem(_words(error)) from error
        except RegistryProblem:
            self.close()
            raise
        return answer

    def _ask(self, environment: str, etag: str | None) -> Answer:
        policy = self._policy
        connection, endpoint = self._connect()
        headers = {"Accept": "application/json"}
        if endpoint.token:
            headers["Authorization"] = f"Bearer {endpoint.token}"
        query = ""
        if etag is not None:
            headers["If-None-Match"] = etag
            query = "?" + urlencode({"wait": f"{policy.wait_s:g}"})
        give_up_at = time.monotonic() + policy.wait_s + policy.timeout_s
        base = urlsplit(endpoint.url).path.rstrip("/")
        path = f"{base}/v1/deployments/{quote(environment, safe='')}{query}"
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        text = _read(response, give_up_at)
        response.close()  # or the connection takes no further question
        if response.will_close:
            self.close()
        if response.status == 304 and etag is not None:
            return Answer(None, None, etag)
        if response.status != 200:
            raise RegistryProblem(f"{endpoint.url} answers {response.status} {_detail(text)}".rstrip())
        try:
            snapshot = Snapshot.from_json(json.loads(text))
        except (InvalidSnapshot, ValueError, RecursionError) as error:
            raise RegistryProblem(
                f"{endpoint.url} gave an invalid answer: {str(error)[:_REASON_CHARS]}"
            ) from error
        if snapshot.environment != environment:
            raise RegistryProblem(f"{endpoint.url} answers for environment {snapshot.environment}")
        return Answer(snapshot, text, response.headers.get("ETag"))

    def _connect(self) -> tuple[HTTPConnection, Endpoint]:
        if self._connection is not None and self._endpoint is not None:
            return self._connection, self._endpoint
        endpoint = self._find()
        if endpoint is None:
            raise NoRegistry("no registry is known")
        parts = urlsplit(endpoint.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RegistryProblem(f"{endpoint.url} is not a usable registry URL: give http://HOST:PORT")
        connection: HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection = HTTPSConnection(
                parts.hostname, parts.port, timeout=self._policy.timeout_s, context=context
            )
        else:
            connection = HTTPConnection(parts.hostname, parts.port, timeout=self._policy.timeout_s)
        connection.connect()
        connection.auto_open = 0  # who answers elsewhere, or next, has not proved anything
        connection.sock.settimeout(self._policy.wait_s + self._policy.timeout_s)
        self._connection, self._endpoint = connection, endpoint
        return connection, endpoint

    def interrupt(self) -> None:
        """Ends a question that waits; it fails then."""
        connection = self._connection
        sock = connection.sock if connection is not None else None
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes the connection; the next question opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError):
                connection.close()

    def abandon(self) -> None:
        """In a forked child: forgets the connection, which belongs to the parent, without touching it."""
        if self._connection is not None:
            never_free(self._connection)
        self._connection = None


def _read(response: HTTPResponse, give_up_at: float) -> bytes:
    """The whole body, if it is not huge and does not trickle in for ever."""
    chunks = []
    size = 0
    while chunk := response.read1(_CHUNK_BYTES):
        chunks.append(chunk)
        size += len(chunk)
        if size > _LARGEST_BYTES:
            raise RegistryProblem(f"the registry's answer is larger than {_LARGEST_BYTES} bytes")
        if time.monotonic() > give_up_at:
            raise RegistryProblem("the registry's answer takes too long")
    return b"".join(chunks)


def _detail(text: bytes) -> str:
    """The detail or title of a problem+json."""
    with suppress(ValueError, AttributeError, RecursionError):
        problem = json.loads(text)
        return str(problem.get("detail") or problem.get("title") or "")[:_REASON_CHARS]
    return ""


def _words(error: BaseException) -> str:
    return f"it cannot be reached ({type(error).__name__}: {str(error)[:_REASON_CHARS]})"

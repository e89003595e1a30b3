"""A client of the HTTP API, whatever carries its requests."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx2

from coalmine_server.client.plain_http import PlainTransport
from coalmine_server.errors import (
    CheckFailed,
    ConfigurationError,
    NotFound,
    ServerError,
    Unavailable,
    Unreachable,
)

_log = logging.getLogger("coalmine.client")

Parameters = Mapping[str, str | int | float | bool | Sequence[str] | Sequence[float] | None]
Answer = TypeVar("Answer")

RETRY_S = 0.1
SAY_AFTER_S = 2.0
"""After this much waiting a line says for what."""
ANSWER_TIMEOUT_S = 60.0
SLOW_TIMEOUT_S = 3600.0
"""For answers that read every raw row: deep audits, explanations."""


class Client:
    """Asks the HTTP API. Its errors are those of the command: one line and an exit code."""

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        patience_s: float = 0.0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Prepares to ask.

        Args:
            url: Where the server listens.
            token: The bearer token, if there is one.
            patience_s: How long to go on asking a server that waits for something or takes over. One that is
                at work to start is asked without a limit.
            transport: What carries requests; HTTP if None.

        Raises:
            ConfigurationError: The token cannot be sent.
        """
        if token is not None and not (token.isascii() and token.isprintable()):
            raise ConfigurationError("the token has characters that no token has", "check COALMINE_TOKEN")
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.url = url.rstrip("/")
        self._has_token = token is not None
        self._patience_s = patience_s
        # No proxy from the environment: it would get to see the token of a server on this machine.
        # Certificates take as long to load as many a command takes, so only where a server shows one.
        self._http = httpx2.Client(
            base_url=self.url,
            headers=headers,
            trust_env=False,
            transport=PlainTransport() if transport is None and self.url.startswith("http:") else transport,
            verify=self.url.startswith("https:"),
        )

    def get(self, path: str, parameters: Parameters | None = None, *, slow: bool = False) -> Any:  # noqa: ANN401 - JSON
        """Returns the answer to a GET, as parsed JSON.

        Args:
            path: Path of the resource.
            parameters: Query parameters; those that are None are left out.
            slow: True for answers that may take minutes.
        """
        return self._ask("GET", path, parameters, slow=slow)

    def pages(
        self, path: str, parameters: Parameters | None = None, *, slow: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Yields every page of a list, as parsed JSON; `slow` where each may take minutes."""
        cursor: str | None = None
        while True:
            page = self.get(path, {**(parameters or {}), "cursor": cursor}, slow=slow)
            if not (isinstance(page, dict) and page.keys() >= {"items", "next_cursor"}):
                raise self._stranger(path)
            yield page
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def items(
        self, path: str, parameters: Parameters | None = None, *, most: int | None = None, slow: bool = False
    ) -> list[Any]:
        """Returns the items of a list, however many pages it takes.

        Args:
            path: Path of the list.
            parameters: Query parameters.
            most: Maximum number of items; None for all.
            slow: True for pages that may take minutes.
        """
        found: list[Any] = []
        limit: Parameters = {} if most is None else {"limit": most}
        for page in self.pages(path, {**(parameters or {}), **limit}, slow=slow):
            found += page["items"]
            if most is not None and len(found) >= most:
                return found[:most]
        return found

    def post(
        self, path: str, body: object, parameters: Parameters | None = None, *, slow: bool = False
    ) -> Any:  # noqa: ANN401 - JSON
        """Returns the answer to a POST, as parsed JSON.

        Args:
            path: Path of the resource.
            body: As JSON.
            parameters: Query parameters; those that are None are left out.
            slow: True for answers that may take minutes.
        """
        return self._ask("POST", path, parameters, body=body, slow=slow)

    def put(self, path: str, body: object) -> Any:  # noqa: ANN401 - JSON
        """Returns the answer to a PUT, as parsed JSON."""
        return self._ask("PUT", path, body=body)

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()

    def _ask(
        self,
        method: str,
        path: str,
        parameters: Parameters | None = None,
        *,
        body: object = None,
        slow: bool = False,
    ) -> Any:  # noqa: ANN401 - JSON
        if "//" in path or path.endswith("/"):
            raise ConfigurationError("a name is empty", "name what is meant")
        given: Any = {name: value for name, value in (parameters or {}).items() if value is not None}
        began, said = time.monotonic(), False
        deadline = began + self._patience_s
        timeout_s = SLOW_TIMEOUT_S if slow else ANSWER_TIMEOUT_S
        while True:
            with _reachable(self.url):
                response = self._http.request(method, path, params=given, json=body, timeout=timeout_s)
            if response.is_success:
                try:
                    return response.json()
                except ValueError as error:
                    raise self._stranger(path) from error
            if response.status_code != httpx2.codes.SERVICE_UNAVAILABLE or not self._patience_s:
                raise self._error(response)
            problem = _problem(response)
            if problem.get("at_work"):  # however long a large store takes
                deadline = time.monotonic() + self._patience_s
            elif time.monotonic() > deadline or problem.get("type") == "urn:coalmine:failed":
                raise self._error(response)
            if not said and time.monotonic() - began > SAY_AFTER_S:
                said = True
                _log.warning("waiting for the server", extra={"url": self.url, "reason": _detail(response)})
            time.sleep(RETRY_S)

    def _stranger(self, path: str) -> ServerError:
        return CheckFailed(
            f"{self.url} answers {path} as no Coalmine server does",
            "check COALMINE_SERVER_URL",
        )

    def _error(self, response: httpx2.Response) -> ServerError:  # noqa: PLR0911 - one line for each kind
        detail = _detail(response)
        match response.status_code:
            case 401 if self._has_token:
                return ConfigurationError(f"{self.url} does not accept the token", "check COALMINE_TOKEN")
            case 401:
                return ConfigurationError(
                    f"{self.url} requires a token",
                    "create one there with `coalmine token create`, and set COALMINE_TOKEN",
                )
            case 404:
                return NotFound(*detail.split("\n", maxsplit=1))
            case 406 | 422:
                return ConfigurationError(detail)
            case 409 if _problem(response).get("type") == "urn:coalmine:name-taken":
                return ConfigurationError(detail)
            case 403 | 409 | 412 | 413 | 429:
                return CheckFailed(detail)
            case 503 | 507:
                return Unavailable(f"{self.url}: {detail}")
            case _:
                return CheckFailed(f"{self.url}: {detail}")


def read_as(answer: type[Answer], document: object) -> Answer:
    """Reads a parsed JSON document as the dataclass that the server made.

    Raises:
        CheckFailed: It is none.
    """
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - only answers for people are read

    try:
        return TypeAdapter(answer).validate_python(document)
    except ValidationError as error:
        raise CheckFailed(
            "the server's answer is none that this version knows", "upgrade both together"
        ) from error


@contextmanager
def _reachable(url: str) -> Iterator[None]:
    try:
        yield
    except httpx2.TimeoutException as error:
        raise Unreachable(url, "no answer in time") from error
    except httpx2.HTTPError as error:
        raise Unreachable(url, str(error)) from error
    except httpx2.InvalidURL as error:
        raise _not_a_url(url, error) from error


def _not_a_url(url: str, error: httpx2.InvalidURL) -> ConfigurationError:
    try:
        httpx2.URL(url)
    except httpx2.InvalidURL:
        return ConfigurationError(f"{url} is not a URL: {error}")
    return ConfigurationError(f"what is asked of {url} fits no URL ({error})", "give shorter names")


def _problem(response: httpx2.Response) -> dict[str, Any]:
    """The members of a problem document; none of what is no such document."""
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _detail(response: httpx2.Response) -> str:
    detail = _problem(response).get("detail")
    if detail is None:
        return f"answered {response.status_code} without a problem document; is it a Coalmine server?"
    return str(detail)

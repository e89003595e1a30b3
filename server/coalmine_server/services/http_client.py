"""Asks a running server over HTTP, for commands."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from coalmine_server.errors import CheckFailed, ConfigurationError, ServerError, Unavailable, Unreachable

Parameters = Mapping[str, str | int | float | list[float] | list[str] | None]

RETRY_S = 0.1


class NothingThere(ConfigurationError):
    """What was asked for does not exist."""


class ServerClient:
    """A server's API with a token. Its errors are those of the command: one line and an exit code."""

    def __init__(
        self, url: str, token: str | None, *, timeout_s: float = 60.0, patience_s: float = 0.0
    ) -> None:
        """Prepares to ask.

        Args:
            url: Where the server listens.
            token: The bearer token, if there is one.
            timeout_s: How long one answer may take.
            patience_s: How long to go on asking a server that starts or takes over.
        """
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.url = url.rstrip("/")
        self._has_token = token is not None
        self._patience_s = patience_s
        self._timeout_s = timeout_s
        # No proxy from the environment: it would get to see the token of a server on this machine.
        self._client = httpx.Client(base_url=self.url, headers=headers, trust_env=False)

    def get(self, path: str, parameters: Parameters | None = None, *, timeout_s: float | None = None) -> Any:  # noqa: ANN401 - JSON
        """The answer to a GET, as parsed JSON."""
        return self._ask("GET", path, parameters, timeout_s=timeout_s)

    def find(self, path: str, parameters: Parameters | None = None) -> Any | None:  # noqa: ANN401 - JSON
        """The answer to a GET, or None where there is nothing."""
        try:
            return self.get(path, parameters)
        except NothingThere:
            return None

    def post(self, path: str, body: object, parameters: Parameters | None = None) -> Any:  # noqa: ANN401 - JSON
        """The answer to a POST, as parsed JSON."""
        return self._ask("POST", path, parameters, body=body)

    def put(self, path: str, body: object) -> Any:  # noqa: ANN401 - JSON
        """The answer to a PUT, as parsed JSON."""
        return self._ask("PUT", path, body=body)

    def close(self) -> None:
        """Lets the connection go."""
        self._client.close()

    def _ask(
        self,
        method: str,
        path: str,
        parameters: Parameters | None = None,
        *,
        body: object = None,
        timeout_s: float | None = None,
    ) -> Any:  # noqa: ANN401
        given = {name: value for name, value in (parameters or {}).items() if value is not None}
        deadline = time.monotonic() + self._patience_s
        while True:
            with _reachable(self.url):
                response = self._client.request(
                    method, path, params=given, json=body, timeout=timeout_s or self._timeout_s
                )
            if response.is_success:
                return response.json()
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                raise self._error(response)
            time.sleep(RETRY_S)

    def _error(self, response: httpx.Response) -> ServerError:
        detail = _detail(response)
        match response.status_code:
            case 401 if self._has_token:
                return ConfigurationError(f"{self.url} does not accept the token", "check COALMINE_TOKEN")
            case 401:
                return ConfigurationError(
                    f"{self.url} wants a token",
                    "make one there with `coalmine token create`, set COALMINE_TOKEN",
                )
            case 404:
                return NothingThere(detail)
            case 406 | 422:
                return ConfigurationError(detail)
            case 503:
                return Unavailable(f"{self.url}: {detail}")
            case _:
                return CheckFailed(f"{self.url}: {detail}")


@contextmanager
def _reachable(url: str) -> Iterator[None]:
    try:
        yield
    except httpx.TimeoutException as error:
        raise Unreachable(url, "no answer in time") from error
    except httpx.HTTPError as error:
        raise Unreachable(url, str(error)) from error
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"{url} is no URL: {error}") from error


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"answered {response.status_code} and no problem document; is it a Coalmine server?"

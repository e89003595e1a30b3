"""A client for the Confluent schema registry API: register a schema, look one up by id."""

import os
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx2

from coalmine_schemas.errors import InvalidParameter, RegistryRefused, RegistryUnavailable, UnknownSchema

_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
_MAX_SCHEMA_ID = (1 << 31) - 1
"""Registries keep ids as signed 32-bit numbers; what is beyond was never given out by one."""
_BUSY = frozenset({408, 425, 429})
"""Statuses below 500 that ask to come again later."""
_MAX_REMEMBERED = 10_000
MOST_UNKNOWN = 100
"""Unknown ids that are asked for in `unknown_for_s`; further ids that are not known here are refused."""


class SchemaRegistryClient:
    """Registers and looks up schemas; remembers every answer, and for a while that an id is unknown.

    Safe to share between threads and across `fork`. Each method may block for `timeout_s`.

    Args:
        url: Address of the API, for example `http://localhost:8081`; a path is kept.
        auth: User name and password for HTTP basic authentication.
        ca_location: File with the certificate of the authority that signed the registry's; the system's
            authorities unless given.
        timeout_s: For connecting, and for each wait on the socket.
        unknown_for_s: How long an id the registry did not know is not asked for again.
        clock: Seconds that only go forward.

    Raises:
        InvalidParameter: `url` is not an HTTP address, or `ca_location` holds no certificate.
    """

    def __init__(
        self,
        url: str,
        auth: tuple[str, str] | None = None,
        timeout_s: float = 5.0,
        *,
        ca_location: Path | None = None,
        unknown_for_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url.rstrip("/")
        self._auth = auth
        self._verify = True if ca_location is None else _trusting(ca_location)
        self._timeout_s = timeout_s
        self._unknown_for_s = unknown_for_s
        self._clock = clock
        self._shown = _without_credentials(url)
        self._http: tuple[int, httpx2.Client] | None = None
        self._schemas: OrderedDict[int, str] = OrderedDict()
        self._unknown: OrderedDict[int, tuple[float, str]] = OrderedDict()
        self._ids: dict[tuple[str, str], int] = {}

    @classmethod
    def configured(
        cls, url: str | None, username: str | None, password: str | None, ca_location: Path | None
    ) -> Self | None:
        """The client that settings ask for; None without an address.

        Raises:
            InvalidParameter: The address or the CA file cannot be used.
        """
        if url is None:
            return None
        auth = None if username is None else (username, password or "")
        return cls(url, auth, ca_location=ca_location)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"SchemaRegistryClient({self._shown!r})"  # the address without credentials

    def register(self, subject: str, schema_json: str) -> int:
        """The id of a schema under a subject (topic + `-value`), registered now if it is new.

        Raises:
            RegistryUnavailable: No answer, or not now.
            RegistryRefused: The registry will not have this schema, or not from us.
        """
        known = self._ids.get((subject, schema_json))
        if known is not None:
            return known
        path = f"/subjects/{quote(subject, safe='')}/versions"
        answer = self._answer(self._request("POST", path, {"schema": schema_json, "schemaType": "AVRO"}))
        schema_id = answer.get("id")
        if not isinstance(schema_id, int):
            raise RegistryUnavailable(f"schema registry {self._shown} answered without an id")
        self._ids[subject, schema_json] = schema_id
        return schema_id

    def schema_by_id(self, schema_id: int) -> str:
        """The schema with this id, as JSON.

        Raises:
            RegistryUnavailable: No answer, or not now.
            RegistryRefused: The registry refuses to answer, or this is not a schema registry.
            UnknownSchema: The id is unknown, or its schema is not one we can use.
        """
        known = self._schemas.get(schema_id)
        if known is not None:
            return known
        ref = f"id:{schema_id}"
        if not 0 <= schema_id <= _MAX_SCHEMA_ID:
            raise UnknownSchema(f"schema id {schema_id} is beyond what registries give out", ref)
        self._raise_if_known_unknown(schema_id)
        response = self._request("GET", f"/schemas/ids/{schema_id}")
        if response.status_code == httpx2.codes.NOT_FOUND and _is_unknown(_error_code(response)):
            raise self._remember_unknown(schema_id, f"the schema registry has no schema {schema_id}")
        answer = self._answer(response)
        schema, kind = answer.get("schema"), answer.get("schemaType", "AVRO")
        if kind != "AVRO":
            raise self._remember_unknown(schema_id, f"schema {schema_id} is {kind}, not Avro")
        if answer.get("references"):
            raise self._remember_unknown(schema_id, f"schema {schema_id} refers to other subjects")
        if not isinstance(schema, str):
            raise RegistryUnavailable(f"schema registry {self._shown} answered without a schema")
        self._schemas[schema_id] = schema
        _forget_oldest(self._schemas)
        return schema

    def close(self) -> None:
        """Close the connections."""
        if self._http is not None and self._http[0] == os.getpid():
            self._http[1].close()
        self._http = None

    def _raise_if_known_unknown(self, schema_id: int) -> None:
        now = self._clock()
        unknown = self._unknown.get(schema_id)
        if unknown is not None and now < unknown[0]:
            raise UnknownSchema(unknown[1], f"id:{schema_id}")
        while self._unknown and next(iter(self._unknown.values()))[0] <= now:
            self._unknown.popitem(last=False)
        if len(self._unknown) >= MOST_UNKNOWN:
            # Each answer takes a request, and whoever writes messages may name any number of ids.
            raise UnknownSchema(
                f"schema {schema_id} was not asked for: the schema registry did not know {MOST_UNKNOWN} "
                f"others in the last {self._unknown_for_s:g} s; replay the message later",
                f"id:{schema_id}",
            )

    def _remember_unknown(self, schema_id: int, reason: str) -> UnknownSchema:
        # Without this, a batch of poison asks the registry once per message.
        self._unknown[schema_id] = (self._clock() + self._unknown_for_s, reason)
        self._unknown.move_to_end(schema_id)
        _forget_oldest(self._unknown)
        return UnknownSchema(reason, f"id:{schema_id}")

    def _client(self) -> httpx2.Client:
        process = os.getpid()
        if self._http is None or self._http[0] != process:
            # A forked child must not talk on its parent's sockets.
            client = httpx2.Client(
                auth=self._auth,
                verify=self._verify,
                timeout=self._timeout_s,
                headers={"Accept": f"{_MEDIA_TYPE}, application/json"},
            )
            self._http = process, client
        return self._http[1]

    def _request(self, method: str, path: str, body: dict[str, str] | None = None) -> httpx2.Response:
        headers = {"Content-Type": _MEDIA_TYPE} if body is not None else None
        try:
            return self._client().request(method, self._url + path, json=body, headers=headers)
        except (httpx2.InvalidURL, ValueError) as error:
            # Not the message, which may quote a password.
            raise RegistryUnavailable(
                f"schema registry {self._shown} cannot be asked: {type(error).__name__}; look at the proxies "
                "that the environment names"
            ) from error
        except (httpx2.HTTPError, ImportError, OSError) as error:
            # The environment may name a proxy of a kind that is not installed, and certificates.
            problem = str(error) or type(error).__name__
            raise RegistryUnavailable(f"schema registry {self._shown} did not answer: {problem}") from error

    def _answer(self, response: httpx2.Response) -> dict[str, Any]:
        status = response.status_code
        if response.is_success:
            answer = _json_object(response)
            if answer is None:
                # A proxy's page, perhaps; worth another try.
                raise RegistryUnavailable(f"schema registry {self._shown} answered {status} without JSON")
            return answer
        said = (_json_object(response) or {}).get("message", response.reason_phrase)
        text = f"schema registry {self._shown} answered {status}: {str(said)[:500]}"
        if status >= 500 or status in _BUSY:
            raise RegistryUnavailable(text)
        raise RegistryRefused(text, status, _error_code(response))


def _trusting(ca_location: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_location)
    except OSError as error:  # SSLError is one
        raise InvalidParameter(
            f"the schema registry's CA file {ca_location} cannot be used: {error.strerror or error}"
        ) from error


def _without_credentials(url: str) -> str:
    """An address as it may be shown."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise InvalidParameter("the schema registry's URL is not valid") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidParameter(
            "the schema registry's URL must begin with http:// or https:// and name a host"
        )
    return f"{parts.scheme}://{parts.hostname}{port}"


def _json_object(response: httpx2.Response) -> dict[str, Any] | None:
    try:
        answer = response.json()
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _is_unknown(error_code: int | None) -> bool:
    """Whether the registry knows the path but not the id: Confluent's codes 40401 to 40403.

    A wrong path gives 404 (Confluent), 0 (Apicurio) or no code at all. Were it taken for an unknown id, one
    wrong setting would turn every message into a dead letter.
    """
    return error_code is not None and error_code // 100 == 404


def _error_code(response: httpx2.Response) -> int | None:
    code = (_json_object(response) or {}).get("error_code")
    return code if isinstance(code, int) else None


def _forget_oldest(remembered: OrderedDict[int, Any]) -> None:
    if len(remembered) > _MAX_REMEMBERED:
        remembered.popitem(last=False)

"""Client of the server's HTTP API. Every failure is one of `errors`, with the server's own explanation."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import TypeAdapter, ValidationError

from coalmine_consumers.results import (
    DeploymentMark,
    Facets,
    IngestStatus,
    StepChoice,
    Timeseries,
    VersionRow,
)
from coalmine_dashboards.api.errors import (
    ApiError,
    Forbidden,
    NotFound,
    NotReady,
    Refused,
    Standby,
    Unauthorised,
    Unexpected,
    Unreachable,
)
from coalmine_schemas.results import Page

_Answer = TypeVar("_Answer")
_Item = TypeVar("_Item")
_PageLike = TypeVar("_PageLike", bound=Page[Any] | Timeseries)


def adapter_of(kind: type[_Answer]) -> TypeAdapter[_Answer]:
    """The reader of a type, made once: that takes a while."""
    found: TypeAdapter[_Answer] = _made(kind)  # type: ignore[arg-type]
    return found


@cache
def _made(kind: Any) -> TypeAdapter[Any]:  # noqa: ANN401
    return TypeAdapter(kind)


def segment(name: str) -> str:
    """A name as one segment of a path."""
    # One of dots alone would be taken out of the path, with the segment before it (RFC 3986, 5.2.4).
    return quote(name, safe="") if name.strip(".") else name.replace(".", "%2E")


_Value: TypeAlias = str | list[str]
_ACCEPTED_AGE: Final = {"Cache-Control": "max-age=2"}
"""Many look at the same: the server may answer with what it told somebody else moments ago."""
_MAX_PAGES = 100
"""A list with more pages than this is a fault of the server."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Filters of a question. None leaves a dimension unrestricted."""

    prompt: str | None = None
    environment: str | None = None
    model: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class ApiClient:
    """Client of the server's API. Thread-safe."""

    def __init__(
        self, url: str, token: str | None, *, answers_url: str | None = None, timeout_s: float = 10.0
    ) -> None:
        """Prepares to ask.

        Args:
            url: The server, which takes changes.
            token: The viewer's.
            answers_url: A replica that questions are put to; the server if None.
            timeout_s: For each request.
        """
        self.url = url.rstrip("/")
        self._answers_url = (answers_url or url).rstrip("/")
        self._has_token = token is not None
        sent = None if token is None else token.encode(errors="replace")
        self.identity = (self._answers_url, None if sent is None else sha256(sent).hexdigest())
        """Whom answers are for: the same for clients of one server and token, and for no others."""
        headers = [(b"Accept", b"application/json")]
        if sent is not None:
            # As bytes: who pastes something else than a token hears so from the server.
            headers.append((b"Authorization", b"Bearer " + sent))
        # No proxy from the environment: it would see the token of a server on this machine.
        # Certificates take a while to load, so only where a server shows one.

        def client_of(url: str) -> httpx2.Client:
            verify = url.startswith("https:")
            return httpx2.Client(
                base_url=url, headers=headers, timeout=timeout_s, trust_env=False, verify=verify
            )

        self._http = client_of(self.url)
        self._answers = self._http if self._answers_url == self.url else client_of(self._answers_url)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()
        self._answers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, path: str, kind: type[_Answer], **parameters: object) -> _Answer:
        """Returns one answer, read as `kind`; parameters that are None are left out.

        Raises:
            ApiError: The server gave no usable answer.
        """
        return self._get(path, _text(parameters), adapter_of(kind))

    def items(self, path: str, kind: type[_Item], **parameters: object) -> list[_Item]:
        """Returns all items of a list, however many pages it has."""
        pages = self._pages(path, _text(parameters), adapter_of(Page[kind]))  # type: ignore[valid-type]
        return [item for page in pages for item in page.items]

    def first(self, path: str, kind: type[_Item], limit: int, **parameters: object) -> list[_Item]:
        """Returns at most `limit` items of a list: those the server gives first."""
        page = self._get(path, _text({**parameters, "limit": limit}), adapter_of(Page[kind]))  # type: ignore[valid-type]
        return list(page.items)

    def send(
        self,
        method: Literal["POST", "PUT"],
        path: str,
        kind: type[_Answer],
        body: Mapping[str, Any],
        *,
        revision: str | int | None = None,
        timeout_s: float | None = None,
    ) -> _Answer:
        """Sends a change, and returns the answer read as `kind`.

        Args:
            method: Of HTTP.
            path: Of the route.
            kind: What comes back.
            body: JSON; moments are written as the API reads them.
            revision: What the viewer saw: the server refuses the change if it is no longer so.
            timeout_s: For what takes long; None: as for every request.

        Raises:
            ApiError: The server refused it, or gave no usable answer.
        """
        headers = {} if revision is None else {"If-Match": f'"{revision}"'}
        ready = {
            name: _moment(value) if isinstance(value, datetime) else value for name, value in body.items()
        }
        timeout = self._http.timeout if timeout_s is None else timeout_s
        request = self._http.build_request(method, path, json=ready, headers=headers, timeout=timeout)
        return self._ask(self._http, request, path, adapter_of(kind))

    def facets(self) -> Facets:
        """Returns the values to choose from."""
        return self.read("/v1/facets", Facets)

    def ingest(self) -> IngestStatus:
        """Returns the collector's status."""
        return self.read("/v1/ingest", IngestStatus)

    def versions(self, selection: Selection) -> list[VersionRow]:
        """Returns the measures of each version."""
        return self.items("/v1/versions", VersionRow, **asdict(selection))

    def timeseries(
        self, selection: Selection, step: StepChoice = "auto", version: str | None = None
    ) -> Timeseries:
        """Returns measures over time; with `auto`, the server chooses a step that fits the period.

        Of quantiles, those of latency: no chart draws others, and they take the server long.
        """
        asked = {**asdict(selection), "step": step, "version": version, "quantiles": "latency_ms"}
        pages = self._pages("/v1/timeseries", _text(asked), adapter_of(Timeseries))
        return Timeseries(pages[0].step, [row for page in pages for row in page.items], None)

    def deployment_marks(self, selection: Selection) -> list[DeploymentMark]:
        """Returns the changes of deployments, oldest first."""
        every_model = asdict(selection) | {"model": None}
        return self.items("/v1/deployment-marks", DeploymentMark, **every_model)

    def _pages(
        self, path: str, parameters: dict[str, _Value], answer: TypeAdapter[_PageLike]
    ) -> list[_PageLike]:
        """Returns all pages of a list, at least one."""
        pages = [self._get(path, parameters, answer)]
        while (cursor := pages[-1].next_cursor) is not None:
            if len(pages) == _MAX_PAGES:
                raise Unexpected(self.url, f"{path}: more than {_MAX_PAGES} pages")
            pages.append(self._get(path, {**parameters, "cursor": cursor}, answer))
        return pages

    def _get(self, path: str, parameters: dict[str, _Value], answer: TypeAdapter[_Answer]) -> _Answer:
        request = self._answers.build_request("GET", path, params=parameters, headers=_ACCEPTED_AGE)
        return self._ask(self._answers, request, path, answer)

    def _ask(
        self, http: httpx2.Client, request: httpx2.Request, path: str, answer: TypeAdapter[_Answer]
    ) -> _Answer:
        url = self.url if http is self._http else self._answers_url
        try:
            response = http.send(request)
        except httpx2.TimeoutException as error:
            raise Unreachable(url, "the request timed out") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unreachable(url, str(error) or type(error).__name__) from error
        if not response.is_success:
            raise self._problem(url, path, response)
        try:
            # Strict: text is not a number. Fields that this version does not know are ignored.
            return answer.validate_json(response.content, strict=True)
        except ValidationError as error:
            raise Unexpected(url, f"{path}: {_first_fault(error)}") from error

    def _problem(self, url: str, path: str, response: httpx2.Response) -> ApiError:  # noqa: PLR0911 - one for each kind
        kind, detail = _problem_document(response)
        status = response.status_code
        if status == httpx2.codes.FORBIDDEN:
            return Forbidden(url, detail, self._has_token)
        if status == httpx2.codes.UNAUTHORIZED:
            return Unauthorised(url, detail, self._has_token)
        if kind == "urn:coalmine:standby":
            return Standby(url, detail)
        if status in (
            httpx2.codes.SERVICE_UNAVAILABLE,
            httpx2.codes.BAD_GATEWAY,
            httpx2.codes.GATEWAY_TIMEOUT,
            httpx2.codes.TOO_MANY_REQUESTS,
        ):
            return NotReady(url, detail)
        if status == httpx2.codes.NOT_FOUND and kind is not None:
            return NotFound(url, detail)
        if response.is_client_error and kind is not None:
            return Refused(url, detail)
        return Unexpected(url, f"{path}: {detail}")


def if_allowed(question: Callable[[], _Answer]) -> _Answer | None:
    """Returns an answer; None if the viewer's token does not allow the question, as one of some prompts.

    Raises:
        ApiError: The server gave no usable answer.
    """
    try:
        return question()
    except Forbidden:
        return None


def _first_fault(error: ValidationError) -> str:
    """Describes the first field that is missing or has an unexpected value."""
    fault = error.errors(include_url=False)[0]
    where = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]]
    match fault["type"]:
        case "json_invalid":
            return "the answer is not JSON"
        case "missing":
            return f"the answer{''.join(where[:-1])} has no {fault['loc'][-1]}"
        case "dataclass_type":
            return f"the answer{''.join(where)} is not an object"
    return f"the answer{''.join(where)} is {fault['input']!r:.80}"


def _text(parameters: Mapping[str, object]) -> dict[str, _Value]:
    """Parameters of a query as text; a list is a parameter that is repeated."""
    found: dict[str, _Value] = {}
    for name, value in parameters.items():
        match value:
            case None:
                continue
            case datetime():
                found[name] = _moment(value)
            case list():
                found[name] = [str(each) for each in value]
            case bool():
                found[name] = "true" if value else "false"
            case _:
                found[name] = str(value)
    return found


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _problem_document(response: httpx2.Response) -> tuple[str | None, str]:
    """Returns type and detail of a problem document (RFC 9457), or a detail made from the status."""
    try:
        document = response.json()
        kind = document.get("type")
        return None if kind is None else str(kind), "; ".join(str(document["detail"]).splitlines())
    except (ValueError, KeyError, AttributeError, TypeError):
        return None, f"status {response.status_code} without an explanation"

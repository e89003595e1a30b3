"""Asks the server over HTTP. Every failure is one of `errors`, with what the server said."""

from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from coalmine_dashboards.api.answers import (
    DeploymentMark,
    Facets,
    IngestStatus,
    Timeseries,
    TimeseriesRow,
    VersionRow,
)
from coalmine_dashboards.api.errors import ApiError, NotReady, Standby, Unauthorised, Unexpected, Unreachable
from coalmine_dashboards.api.reading import UnreadableAnswer, read_answer
from coalmine_dashboards.steps import Step

_Item = TypeVar("_Item")

_MOST_PAGES = 100
"""A list that goes on after this many pages is a fault of the server's."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which calls a question is about. None leaves a dimension open."""

    prompt: str | None = None
    environment: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Steps:
    """What a page of a time series says beside its items."""

    step: Step


class ApiClient:
    """The server's API. Safe to use from several threads."""

    def __init__(self, url: str, token: str | None, *, timeout_s: float = 10.0) -> None:
        self.url = url.rstrip("/")
        self._has_token = token is not None
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        # No proxy from the environment: it would get to see the token of a server on this machine.
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout_s, trust_env=False)

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def facets(self) -> Facets:
        """What there is to choose from."""
        return self._read(Facets, self._get("/v1/facets", {}))

    def ingest(self) -> IngestStatus:
        """How the collector is."""
        return self._read(IngestStatus, self._get("/v1/ingest", {}))

    def versions(self, selection: Selection) -> tuple[VersionRow, ...]:
        """Measures of each version."""
        items, _ = self._list("/v1/versions", _parameters(selection), VersionRow)
        return items

    def timeseries(self, selection: Selection, step: Step | None = None) -> Timeseries:
        """Measures over time; without a step, the server chooses one that fits the time asked for."""
        parameters = {**_parameters(selection), "step": step or "auto"}
        items, first_page = self._list("/v1/timeseries", parameters, TimeseriesRow)
        return Timeseries(step=self._read(_Steps, first_page).step, items=items)

    def deployment_marks(self, selection: Selection) -> tuple[DeploymentMark, ...]:
        """When what is served changed, oldest first."""
        items, _ = self._list("/v1/deployment-marks", _parameters(selection), DeploymentMark)
        return items

    def _list(
        self, path: str, parameters: dict[str, str], kind: type[_Item]
    ) -> tuple[tuple[_Item, ...], dict[str, Any]]:
        """All items of a paged list, and its first page as it came."""
        items: list[_Item] = []
        first: dict[str, Any] | None = None
        offset: int | None = 0
        for _ in range(_MOST_PAGES):
            page = self._get(path, {**parameters, **({"offset": str(offset)} if offset else {})})
            if not isinstance(page, dict) or not isinstance(page.get("items"), list):
                raise Unexpected(self.url, f"{path}: the answer has no list of items")
            first = first or page
            items += [self._read(kind, item) for item in page["items"]]
            offset = page.get("next_offset")
            if offset is None:
                return tuple(items), first
        raise Unexpected(self.url, f"{path}: more than {_MOST_PAGES} pages")

    def _read(self, kind: type[_Item], document: object) -> _Item:
        try:
            return read_answer(kind, document)
        except UnreadableAnswer as error:
            raise Unexpected(self.url, str(error)) from error

    def _get(self, path: str, parameters: dict[str, str]) -> Any:  # noqa: ANN401 - JSON
        try:
            response = self._http.get(path, params=parameters)
        except httpx.TimeoutException as error:
            raise Unreachable(self.url, "no answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(self.url, str(error) or type(error).__name__) from error
        if not response.is_success:
            raise self._problem(path, response)
        try:
            return response.json()
        except ValueError as error:
            raise Unexpected(self.url, f"{path}: the answer is not JSON") from error

    def _problem(self, path: str, response: httpx.Response) -> ApiError:
        kind, detail = _problem_document(response)
        status = response.status_code
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return Unauthorised(self.url, detail, self._has_token)
        if kind == "urn:coalmine:standby":
            return Standby(self.url, detail)
        if status in (
            httpx.codes.SERVICE_UNAVAILABLE,
            httpx.codes.BAD_GATEWAY,
            httpx.codes.GATEWAY_TIMEOUT,
            httpx.codes.TOO_MANY_REQUESTS,
        ):
            return NotReady(self.url, detail)
        return Unexpected(self.url, f"{path}: {detail}")


def _parameters(selection: Selection) -> dict[str, str]:
    given = {
        "prompt": selection.prompt,
        "environment": selection.environment,
        "since": _moment(selection.since),
        "until": _moment(selection.until),
    }
    return {name: value for name, value in given.items() if value is not None}


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _problem_document(response: httpx.Response) -> tuple[str | None, str]:
    """Type and detail of a problem document (RFC 9457), or what can be said without one."""
    try:
        document = response.json()
        return str(document.get("type")), str(document["detail"])
    except (ValueError, KeyError, AttributeError, TypeError):
        return None, f"it answered {response.status_code} and did not say why"

"""Client of the server's HTTP API. Every failure is one of `errors`, with the server's own explanation."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import TypeAdapter, ValidationError

from coalmine_alerts.results.alerts import Alert, Silence
from coalmine_alerts.results.messages import Message, Runbook, ToldTransition
from coalmine_consumers.results import (
    DeploymentMark,
    Facets,
    IngestStatus,
    StepChoice,
    Timeseries,
    VersionRow,
)
from coalmine_dashboards.api.errors import ApiError, NotReady, Standby, Unauthorised, Unexpected, Unreachable
from coalmine_schemas.results import Page

_Answer = TypeVar("_Answer")
_PageLike = TypeVar("_PageLike", bound=Page[Any] | Timeseries)

_FACETS = TypeAdapter(Facets)
_INGEST = TypeAdapter(IngestStatus)
_VERSIONS = TypeAdapter(Page[VersionRow])
_TIMESERIES = TypeAdapter(Timeseries)
_MARKS = TypeAdapter(Page[DeploymentMark])
_ALERT = TypeAdapter(Alert)
_ALERTS = TypeAdapter(Page[Alert])
_CHANGES = TypeAdapter(Page[ToldTransition])
_MESSAGES = TypeAdapter(Page[Message])
_RUNBOOK = TypeAdapter(Runbook)
_SILENCE = TypeAdapter(Silence)
_SILENCES = TypeAdapter(Page[Silence])

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

    def __init__(self, url: str, token: str | None, *, timeout_s: float = 10.0) -> None:
        self.url = url.rstrip("/")
        self._has_token = token is not None
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        # No proxy from the environment: it would see the token of a server on this machine.
        # Certificates take a while to load, so only where a server shows one.
        verify = self.url.startswith("https:")
        self._http = httpx2.Client(
            base_url=self.url, headers=headers, timeout=timeout_s, trust_env=False, verify=verify
        )

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def facets(self) -> Facets:
        """Returns the values to choose from."""
        return self._get("/v1/facets", {}, _FACETS)

    def ingest(self) -> IngestStatus:
        """Returns the collector's status."""
        return self._get("/v1/ingest", {}, _INGEST)

    def versions(self, selection: Selection) -> list[VersionRow]:
        """Returns the measures of each version."""
        pages = self._pages("/v1/versions", _parameters(selection), _VERSIONS)
        return [row for page in pages for row in page.items]

    def timeseries(self, selection: Selection, step: StepChoice = "auto") -> Timeseries:
        """Returns measures over time; with `auto`, the server chooses a step that fits the period."""
        pages = self._pages("/v1/timeseries", {**_parameters(selection), "step": step}, _TIMESERIES)
        return Timeseries(pages[0].step, [row for page in pages for row in page.items], None)

    def deployment_marks(self, selection: Selection) -> list[DeploymentMark]:
        """Returns the changes of deployments, oldest first."""
        every_model = replace(selection, model=None)
        pages = self._pages("/v1/deployment-marks", _parameters(every_model), _MARKS)
        return [mark for page in pages for mark in page.items]

    def alerts(self, limit: int = 200) -> list[Alert]:
        """Returns the alerts whose state changed last, those that are ok left out."""
        return list(self._get("/v1/alerts", {"limit": str(limit)}, _ALERTS).items)

    def alert_changes(self, limit: int = 50) -> list[ToldTransition]:
        """Returns the last changes of alerts, and who was told."""
        return list(self._get("/v1/alerts/transitions", {"limit": str(limit)}, _CHANGES).items)

    def alert_messages(self, limit: int = 20) -> list[Message]:
        """Returns the last messages, as the channels show them."""
        return list(self._get("/v1/alerts/messages", {"limit": str(limit)}, _MESSAGES).items)

    def silences(self) -> list[Silence]:
        """Returns the silences in force."""
        return [each for page in self._pages("/v1/alerts/silences", {}, _SILENCES) for each in page.items]

    def runbook(self, rule: str) -> Runbook:
        """Returns what to do about the alerts of a rule."""
        return self._get(f"/v1/alerts/runbooks/{quote(rule, safe='')}", {}, _RUNBOOK)

    def acknowledge(self, fingerprint: str, reason: str | None) -> Alert:
        """Notes that the viewer looks after an alert."""
        return self._post(f"/v1/alerts/{fingerprint}/acknowledge", {"reason": reason}, _ALERT)

    def mark(self, fingerprint: str, *, useful: bool) -> Alert:
        """Notes what the viewer thinks of an alert."""
        return self._post(f"/v1/alerts/{fingerprint}/mark", {"useful": useful}, _ALERT)

    def silence(self, matchers: dict[str, str], until: datetime, reason: str) -> Silence:
        """Silences alerts until a moment."""
        body = {"matchers": matchers, "until": _moment(until), "reason": reason}
        return self._post("/v1/alerts/silences", body, _SILENCE)

    def unsilence(self, silence_id: int) -> Silence:
        """Ends a silence."""
        return self._post(f"/v1/alerts/silences/{silence_id}/end", {}, _SILENCE)

    def _pages(
        self, path: str, parameters: dict[str, str], answer: TypeAdapter[_PageLike]
    ) -> list[_PageLike]:
        """Returns all pages of a list, at least one."""
        pages = [self._get(path, parameters, answer)]
        while (cursor := pages[-1].next_cursor) is not None:
            if len(pages) == _MAX_PAGES:
                raise Unexpected(self.url, f"{path}: more than {_MAX_PAGES} pages")
            pages.append(self._get(path, {**parameters, "cursor": cursor}, answer))
        return pages

    def _get(self, path: str, parameters: dict[str, str], answer: TypeAdapter[_Answer]) -> _Answer:
        return self._ask(self._http.build_request("GET", path, params=parameters), path, answer)

    def _post(self, path: str, body: dict[str, Any], answer: TypeAdapter[_Answer]) -> _Answer:
        return self._ask(self._http.build_request("POST", path, json=body), path, answer)

    def _ask(self, request: httpx2.Request, path: str, answer: TypeAdapter[_Answer]) -> _Answer:
        try:
            response = self._http.send(request)
        except httpx2.TimeoutException as error:
            raise Unreachable(self.url, "the request timed out") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unreachable(self.url, str(error) or type(error).__name__) from error
        if not response.is_success:
            raise self._problem(path, response)
        try:
            # Strict: text is not a number. Fields that this version does not know are ignored.
            return answer.validate_json(response.content, strict=True)
        except ValidationError as error:
            raise Unexpected(self.url, f"{path}: {_first_fault(error)}") from error

    def _problem(self, path: str, response: httpx2.Response) -> ApiError:
        kind, detail = _problem_document(response)
        status = response.status_code
        if status in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
            return Unauthorised(self.url, detail, self._has_token)
        if kind == "urn:coalmine:standby":
            return Standby(self.url, detail)
        if status in (
            httpx2.codes.SERVICE_UNAVAILABLE,
            httpx2.codes.BAD_GATEWAY,
            httpx2.codes.GATEWAY_TIMEOUT,
            httpx2.codes.TOO_MANY_REQUESTS,
        ):
            return NotReady(self.url, detail)
        return Unexpected(self.url, f"{path}: {detail}")


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


def _parameters(selection: Selection) -> dict[str, str]:
    given = {
        "prompt": selection.prompt,
        "environment": selection.environment,
        "model": selection.model,
        "since": _moment(selection.since),
        "until": _moment(selection.until),
    }
    return {name: value for name, value in given.items() if value is not None}


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _problem_document(response: httpx2.Response) -> tuple[str | None, str]:
    """Returns type and detail of a problem document (RFC 9457), or a detail made from the status."""
    try:
        document = response.json()
        return str(document.get("type")), str(document["detail"])
    except (ValueError, KeyError, AttributeError, TypeError):
        return None, f"status {response.status_code} without an explanation"

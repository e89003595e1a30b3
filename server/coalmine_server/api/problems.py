"""Errors over HTTP as problem documents (RFC 9457): `application/problem+json`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from coalmine_registry import errors as registry_errors
from coalmine_schemas.errors import InvalidParameter, Transient
from coalmine_server.errors import NotFound, Unavailable, is_of_full_disk
from coalmine_server.services.owned_store import NotReady, Phase

PROBLEM_MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """One invalid parameter."""

    name: str = Field(description="Name of the parameter, or of the field in the body.")
    detail: str = Field(description="What is expected.")


class Problem(BaseModel):
    """Why a request failed (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        description="Stable identifier of the kind of problem, for programs.",
        examples=["urn:coalmine:standby"],
    )
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What went wrong this time, and what to do about it.")
    errors: list[FieldProblem] = Field(default=[], description="The invalid parameters, if any.")


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """A kind of problem that a program may want to tell from the others."""

    name: str
    title: str
    status: int


INVALID_REQUEST: Final = ProblemKind("invalid-request", "The request is not valid", 422)
UNREADABLE: Final = ProblemKind("unreadable-body", "The body cannot be read", 400)
UNAUTHENTICATED: Final = ProblemKind("unauthenticated", "A bearer token is required", 401)
FORBIDDEN: Final = ProblemKind("forbidden", "The token does not allow this", 403)
TOO_MANY_FAILURES: Final = ProblemKind("too-many-failed-logins", "Too many failed logins", 429)
TOO_MANY_REQUESTS: Final = ProblemKind("too-many-requests", "Too many requests at a time", 429)
REGISTRY_UNAVAILABLE: Final = ProblemKind(
    "registry-unavailable", "The registry's database does not respond", 503
)
ISSUER_UNAVAILABLE: Final = ProblemKind(
    "identity-provider-unavailable", "The identity provider does not respond", 503
)
TOO_LARGE: Final = ProblemKind("too-large", "The request body is too large", 413)
NOT_FOUND: Final = ProblemKind("not-found", "Not found", 404)
NOT_ACCEPTABLE: Final = ProblemKind("not-acceptable", "No such representation", 406)
STALE: Final = ProblemKind("stale-revision", "Somebody changed it in the meantime", 409)
PRECONDITION_FAILED: Final = ProblemKind("precondition-failed", "Somebody changed it in the meantime", 412)
CONFLICT: Final = ProblemKind("conflict", "Conflicts with the current state", 409)
UNAVAILABLE: Final = ProblemKind("unavailable", "What answers this does not run here", 503)
READ_ONLY: Final = ProblemKind("read-only", "This server only answers questions", 405)
UNUSABLE: Final = ProblemKind("unusable-database", "A file of this server cannot be used", 500)
DISK_FULL: Final = ProblemKind("disk-full", "The server's disk is full", 507)
INTERNAL: Final = ProblemKind("internal", "Internal server error", 500)

NOT_READY: Final[Mapping[Phase, ProblemKind]] = {
    "starting": ProblemKind("starting", "This server is starting", 503),
    "standby": ProblemKind("standby", "This server is a standby", 503),
    "stopping": ProblemKind("stopping", "This server is stopping", 503),
    "failed": ProblemKind("failed", "This server has failed", 503),
}

KINDS: Final[tuple[tuple[type[Exception], ProblemKind], ...]] = (
    (NotFound, NOT_FOUND),
    (registry_errors.NotFound, NOT_FOUND),
    (registry_errors.Forbidden, FORBIDDEN),
    (registry_errors.NameTaken, ProblemKind("name-taken", "The name was used before", 409)),
    (
        registry_errors.BumpTooSmall,
        ProblemKind("bump-too-small", "The version bump is too small", 409),
    ),
    (registry_errors.SuiteMissing, ProblemKind("suite-missing", "A suite of evaluations is missing", 409)),
    (registry_errors.EvidenceMissing, ProblemKind("evidence-missing", "Evidence is missing", 409)),
    (
        registry_errors.EvidenceRefused,
        ProblemKind("evidence-refused", "Evidence is not true of the version", 409),
    ),
    (registry_errors.Frozen, ProblemKind("frozen", "A freeze stands", 409)),
    (registry_errors.Steered, ProblemKind("steered", "A rollout steers it", 409)),
    (registry_errors.Conflict, CONFLICT),
    (registry_errors.DatabaseDamaged, UNUSABLE),
    (registry_errors.DatabaseTooNew, UNUSABLE),
    (InvalidParameter, INVALID_REQUEST),
)
"""What an error becomes whose text says all there is to say."""

_WORDS: Final = {
    "missing": "it is missing: give it",
    "extra_forbidden": "it has no such name: leave it out",
    "uuid_parsing": "it is no identifier: give one such as 01a2226c-8b0f-7606-a212-c3f940cf2282",
}
"""What is said in place of pydantic's own text."""
_MOST_NAMED: Final = 20
"""Mistakes of one request that are named."""

_MEANINGS: Final = {
    400: "The body is JSON that not everybody reads alike: a key stands twice, or a number is none. "
    "Or it has too many keys.",
    401: "The token is missing or unknown.",
    403: "The token does not allow this.",
    404: "Not found; `detail` names what exists.",
    406: "Neither JSON nor an Arrow stream is acceptable.",
    409: "Conflicts with the current state; has `expected` and `actual` after a concurrent change.",
    412: "`If-Match` names another revision; `expected` and `actual` say which.",
    413: "The body is too large.",
    422: "A parameter or the body is invalid, or a query parameter is unknown.",
    429: "Too many failed logins came from this address, the token has too many requests open, or an app "
    "sends too many events. `Retry-After` says when to come back.",
    503: "This server is a standby or not ready, the registry's database does not respond, or events cannot "
    "be stored now. `Retry-After` says when to come back.",
}


class ProblemError(Exception):
    """Ends a request with a problem document."""

    def __init__(
        self,
        kind: ProblemKind,
        detail: str,
        errors: Sequence[FieldProblem] = (),
        retry_after_s: int | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(kind, detail)
        self.more = more
        self.kind = kind
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer with, for OpenAPI: these, and those that every route may."""
    chosen = sorted({401, 403, 422, 429, 503, *statuses})
    return {status: {"model": Problem, "description": _MEANINGS[status]} for status in chosen}


def problem_response(
    kind: ProblemKind,
    detail: str,
    errors: Sequence[FieldProblem] = (),
    headers: dict[str, str] | None = None,
    more: Mapping[str, object] | None = None,
) -> JSONResponse:
    """A problem document.

    Args:
        kind: What kind of problem.
        detail: What went wrong this time, and what to do about it.
        errors: The invalid parameters.
        headers: Headers of the response.
        more: Further members of the document, for programs.
    """
    problem = Problem(
        type=f"urn:coalmine:{kind.name}",
        title=kind.title,
        status=kind.status,
        detail=detail,
        errors=list(errors),
    )
    return JSONResponse(
        {**problem.model_dump(exclude={"errors"} if not errors else None), **(more or {})},
        status_code=kind.status,
        media_type=PROBLEM_MEDIA_TYPE,
        headers=headers,
    )


def not_ready(error: NotReady) -> ProblemError:
    """The problem of a server that cannot answer now."""
    more = {"at_work": True} if error.at_work else None
    return ProblemError(NOT_READY[error.phase], error.reason, retry_after_s=error.retry_after_s, more=more)


def install_problem_handlers(app: FastAPI) -> None:
    """Turns every error of an application into a problem document."""
    for error_type, kind in KINDS:
        app.add_exception_handler(error_type, _as(kind))
    app.add_exception_handler(registry_errors.StaleRevision, _stale)
    app.add_exception_handler(registry_errors.Invalid, _invalid_value)
    app.add_exception_handler(Transient, _unavailable)
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(NotReady, _not_ready)
    app.add_exception_handler(Unavailable, _as(UNAVAILABLE))
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _fault)


# Handlers take any error: Starlette types them so.


def _as(kind: ProblemKind) -> Callable[[Request, Any], Awaitable[JSONResponse]]:
    async def handle(_request: Request, error: Exception) -> JSONResponse:
        return problem_response(kind, str(error))

    return handle


async def _problem(_request: Request, error: Any) -> JSONResponse:  # noqa: ANN401
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    return problem_response(error.kind, error.detail, error.errors, headers, error.more)


async def _not_ready(request: Request, error: Any) -> JSONResponse:  # noqa: ANN401
    return await _problem(request, not_ready(error))


async def _stale(request: Request, error: Any) -> JSONResponse:  # noqa: ANN401
    kind = PRECONDITION_FAILED if "if-match" in request.headers else STALE
    return problem_response(kind, str(error), more={"expected": error.expected, "actual": error.actual})


async def _invalid_value(_request: Request, error: Any) -> JSONResponse:  # noqa: ANN401
    return problem_response(
        INVALID_REQUEST, str(error), [FieldProblem(name=error.field, detail=error.remedy)]
    )


async def _unavailable(_request: Request, error: Exception) -> JSONResponse:
    return problem_response(REGISTRY_UNAVAILABLE, str(error), headers={"Retry-After": "1"})


async def _invalid_request(_request: Request, error: Any) -> JSONResponse:  # noqa: ANN401
    found = error.errors()
    problems = [
        FieldProblem(
            name=".".join(str(part) for part in item["loc"][1:]) or str(item["loc"][0]),
            detail=_WORDS.get(item["type"]) or item["msg"].removeprefix("Value error, "),
        )
        for item in found[:_MOST_NAMED]
    ]
    more = [f"and {len(found) - _MOST_NAMED} more"] if len(found) > _MOST_NAMED else []
    detail = "; ".join([*(f"{problem.name}: {problem.detail}" for problem in problems), *more])
    return problem_response(INVALID_REQUEST, detail, problems)


async def _http_error(request: Request, error: Any) -> JSONResponse:  # noqa: ANN401
    if error.status_code == NOT_FOUND.status:
        kind, detail = NOT_FOUND, f"no resource at {request.url.path:.200}"
    elif error.status_code in (TOO_LARGE.status, UNREADABLE.status):
        kind = TOO_LARGE if error.status_code == TOO_LARGE.status else UNREADABLE
        detail = str(error.detail)
    else:
        name = "-".join(str(error.detail).lower().split())
        kind = ProblemKind(name, str(error.detail), error.status_code)
        detail = f"{request.method} {request.url.path:.200}: {error.detail}"
    return problem_response(kind, detail, headers=dict(error.headers or {}))


async def _fault(request: Request, error: Exception) -> JSONResponse:
    request_id = request.scope.get("coalmine.request_id")
    see = f"see the server's log for request {request_id}"
    if is_of_full_disk(error):
        # Not the error, which names files: links for feedback are for strangers, too.
        return problem_response(DISK_FULL, f"the server's disk is full: make room, and do it again\n{see}")
    return problem_response(INTERNAL, see)

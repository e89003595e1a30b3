"""Errors over HTTP as RFC 9457 says: `application/problem+json` with type, title, status and detail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from coalmine_schemas.errors import InvalidParameter

PROBLEM_MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """One parameter that is wrong."""

    name: str = Field(description="Name of the parameter or of the field in the body.")
    detail: str = Field(description="What is expected.")


class Problem(BaseModel):
    """Why a request failed (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        description="What kind of problem: stable, for programs.", examples=["urn:coalmine:standby"]
    )
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What went wrong this time, and what to do.")
    errors: list[FieldProblem] = Field(default=[], description="The parameters at fault, if any.")


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """A kind of problem that a program may want to tell from the others."""

    name: str
    title: str
    status: int


INVALID_REQUEST = ProblemKind("invalid-request", "The request is not valid", 422)
UNAUTHENTICATED = ProblemKind("unauthenticated", "A bearer token is needed", 401)
TOO_MANY_FAILURES = ProblemKind("too-many-failed-logins", "Too many failed logins", 429)
REGISTRY_UNAVAILABLE = ProblemKind("registry-unavailable", "The registry's database does not answer", 503)
TOO_LARGE = ProblemKind("too-large", "The request's body is too large", 413)
NOT_FOUND = ProblemKind("not-found", "There is nothing here", 404)
NOT_ACCEPTABLE = ProblemKind("not-acceptable", "No such representation", 406)
STANDBY = ProblemKind("standby", "This server is a standby", 503)
STARTING = ProblemKind("starting", "This server is starting", 503)
STOPPING = ProblemKind("stopping", "This server is stopping", 503)
FAILED = ProblemKind("failed", "This server cannot serve", 503)
INTERNAL = ProblemKind("internal", "This is a fault of the server", 500)


class ProblemError(Exception):
    """Ends a request with a problem document."""

    def __init__(
        self,
        kind: ProblemKind,
        detail: str,
        errors: Sequence[FieldProblem] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s


def problem_response(
    kind: ProblemKind,
    detail: str,
    errors: Sequence[FieldProblem] = (),
    headers: dict[str, str] | None = None,
    more: Mapping[str, object] | None = None,
) -> JSONResponse:
    """The response that says so.

    Args:
        kind: What kind of problem.
        detail: What went wrong this time, and what to do.
        errors: The parameters at fault.
        headers: Of the response.
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


def install_problem_handlers(app: FastAPI) -> None:
    """Makes every error of an application a problem document."""

    @app.exception_handler(ProblemError)
    async def problem(_request: Request, error: ProblemError) -> JSONResponse:
        headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
        return problem_response(error.kind, error.detail, error.errors, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        problems = [
            FieldProblem(
                name=".".join(str(part) for part in item["loc"][1:]) or str(item["loc"][0]),
                detail=item["msg"],
            )
            for item in error.errors()
        ]
        detail = "; ".join(f"{problem.name}: {problem.detail}" for problem in problems)
        return problem_response(INVALID_REQUEST, detail, problems)

    @app.exception_handler(InvalidParameter)
    async def invalid_parameter(_request: Request, error: InvalidParameter) -> JSONResponse:
        return problem_response(INVALID_REQUEST, str(error))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 404:
            kind, detail = NOT_FOUND, f"no resource at {request.url.path}"
        elif error.status_code == TOO_LARGE.status:
            kind, detail = TOO_LARGE, str(error.detail)
        else:
            name = "-".join(str(error.detail).lower().split())
            kind = ProblemKind(name, str(error.detail), error.status_code)
            detail = f"{request.method} {request.url.path}: {error.detail}"
        return problem_response(kind, detail, headers=dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def fault(request: Request, _error: Exception) -> JSONResponse:
        request_id = request.scope.get("coalmine.request_id")
        return problem_response(INTERNAL, f"the server's log says more about request {request_id}")

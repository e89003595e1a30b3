"""What the registry's refusals are over HTTP. Values that cannot be taken are 422, as in all of the API."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse

from coalmine_registry import errors
from coalmine_schemas.errors import Transient
from coalmine_server.api.access import FORBIDDEN
from coalmine_server.api.problems import (
    INVALID_REQUEST,
    NOT_FOUND,
    REGISTRY_UNAVAILABLE,
    FieldProblem,
    Problem,
    ProblemKind,
    problem_response,
)

STALE: Final = ProblemKind("stale-revision", "Somebody changed it meanwhile", 409)
PRECONDITION_FAILED: Final = ProblemKind("precondition-failed", "Somebody changed it meanwhile", 412)

KINDS: Final[tuple[tuple[type[Exception], ProblemKind], ...]] = (
    (errors.NotFound, NOT_FOUND),
    (errors.Forbidden, FORBIDDEN),
    (errors.BumpTooSmall, ProblemKind("bump-too-small", "The step of the version is too small", 409)),
    (errors.EvidenceMissing, ProblemKind("evidence-missing", "Evidence is missing", 409)),
    (errors.Conflict, ProblemKind("conflict", "It contradicts what is there", 409)),
)

Handler = Callable[[Request, Any], Awaitable[JSONResponse]]


def install_registry_problems(app: FastAPI) -> None:
    """Makes refusals of the registry problem documents."""
    for error_type, kind in KINDS:
        app.add_exception_handler(error_type, _refused(kind))
    app.add_exception_handler(errors.StaleRevision, _stale)
    app.add_exception_handler(errors.Invalid, _invalid)
    app.add_exception_handler(Transient, _unavailable)


def _refused(kind: ProblemKind) -> Handler:
    async def handle(_request: Request, error: Exception) -> JSONResponse:
        return problem_response(kind, str(error))

    return handle


async def _stale(request: Request, error: Any) -> JSONResponse:  # noqa: ANN401 - as starlette types handlers
    kind = PRECONDITION_FAILED if "if-match" in request.headers else STALE
    return problem_response(kind, str(error), more={"expected": error.expected, "actual": error.actual})


async def _invalid(_request: Request, error: Any) -> JSONResponse:  # noqa: ANN401
    return problem_response(
        INVALID_REQUEST, str(error), [FieldProblem(name=error.field, detail=error.remedy)]
    )


async def _unavailable(_request: Request, error: Exception) -> JSONResponse:
    return problem_response(REGISTRY_UNAVAILABLE, str(error), headers={"Retry-After": "1"})


def may_answer(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problems that a route may answer with, for OpenAPI, beside those that all of them may."""
    meanings = {
        401: "No token, or none that is known.",
        403: "The token does not allow it.",
        404: "There is no such thing.",
        409: "It contradicts what is there; with `expected` and `actual` if somebody changed it meanwhile.",
        412: "`If-Match` names another revision; `expected` and `actual` say which.",
        422: "A parameter or the body is wrong.",
        429: "Too many wrong tokens came from this address.",
        503: "The registry's database does not answer now.",
    }
    chosen = sorted({401, 403, 422, 429, 503, *statuses})
    return {status: {"model": Problem, "description": meanings[status]} for status in chosen}

"""What routes share: parameters, pages, revisions, the store or registry they ask, threads of their own."""

import difflib
import functools
import inspect
import re
from collections.abc import Callable
from typing import Annotated, Any, Final

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Header, Path, Query, Request, Response
from fastapi.dependencies.utils import get_flat_dependant
from fastapi.routing import APIRoute

from coalmine_registry.roles import Actor, Role
from coalmine_schemas.errors import InvalidParameter
from coalmine_server.api.access import needs
from coalmine_server.api.problems import INVALID_REQUEST, FieldProblem, ProblemError
from coalmine_server.services.owned_store import OwnedStore

REGISTRY_THREADS: Final = 16
"""Questions to the registry that are worked on at once. Queries of analysts have threads of their own."""

LONGEST_PAGE: Final = 1_000
"""Items in a page at most, whatever limit was asked for; time series have pages of their own."""


Limit = Annotated[int, Query(ge=1, le=LONGEST_PAGE, description="Maximum number of items to return.")]
Cursor = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=2000,
        description="`next_cursor` of the previous page; omit it for the first.",
    ),
]
PromptPath = Annotated[str, Path(description="Name of the prompt.")]
VersionPath = Annotated[str, Path(description="Semantic version.", examples=["1.2.0"])]
EnvironmentPath = Annotated[str, Path(description="dev, staging or prod.", examples=["prod"])]
ExperimentPath = Annotated[str, Path(min_length=1, max_length=500, description="Name of the experiment.")]
PromotionPath = Annotated[str, Path(description="Id of the promotion.")]

Reader = Annotated[Actor, needs(Role.READER)]
Author = Annotated[Actor, needs(Role.AUTHOR)]
Approver = Annotated[Actor, needs(Role.APPROVER)]
Admin = Annotated[Actor, needs(Role.ADMIN)]


def owned_store(request: Request) -> OwnedStore:
    """The store of this process, while it has one."""
    found: OwnedStore = request.app.state.stores.owned_store()
    return found


Owned = Annotated[OwnedStore, Depends(owned_store)]


def known_parameters(request: Request) -> None:
    """Refuses query parameters that the route does not take: a filter that is ignored gives wrong answers.

    Raises:
        ProblemError: 422, naming the nearest parameter there is.
    """
    if not request.query_params:
        return
    known = _query_names(request.scope["route"])
    problems = [
        FieldProblem(name=name, detail=_unknown(name, known))
        for name in request.query_params
        if name not in known
    ]
    if problems:
        detail = "; ".join(f"{problem.name}: {problem.detail}" for problem in problems)
        raise ProblemError(INVALID_REQUEST, detail, problems)


@functools.cache
def _query_names(route: APIRoute) -> frozenset[str]:
    return frozenset(each.alias for each in get_flat_dependant(route.dependant).query_params)


def _unknown(name: str, known: frozenset[str]) -> str:
    if not known:
        return "unknown parameter; this route takes none"
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"known: {', '.join(sorted(known))}"
    return f"unknown parameter; {hint}"


class RegistryRoute(APIRoute):
    """Runs its function in the registry's own threads, so that a long query does not delay a rollback."""

    limiter = CapacityLimiter(REGISTRY_THREADS)

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401
        super().__init__(
            path, endpoint if inspect.iscoroutinefunction(endpoint) else _threaded(endpoint), **options
        )


def _threaded(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(endpoint)
    async def run(**arguments: Any) -> Any:  # noqa: ANN401 - whatever the route returns
        work = functools.partial(endpoint, **arguments)
        return await to_thread.run_sync(work, limiter=RegistryRoute.limiter)

    # FastAPI would see through the wrapper to a function that is not a coroutine.
    del run.__wrapped__
    run.__signature__ = inspect.signature(endpoint, eval_str=True)  # type: ignore[attr-defined]
    return run


async def if_match(
    if_match: Annotated[
        str | None,
        Header(description="ETag the caller has seen: the revision in quotes.", examples=['"7"']),
    ] = None,
) -> int | None:
    """The revision that `If-Match` names; None where it names none.

    Raises:
        InvalidParameter: It is not one of our ETags.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    found = re.fullmatch(r'\s*"?([0-9]{1,15})"?\s*', if_match)
    if found is None:
        raise InvalidParameter(f'If-Match is {if_match[:40]!r}: give a revision in quotes, e.g. "7"')
    return int(found[1])


IfMatch = Annotated[int | None, Depends(if_match)]


def expected(header: int | None, body: int | None) -> int | None:
    """The revision the caller has seen, from header or body.

    Raises:
        InvalidParameter: They differ.
    """
    if header is not None and body is not None and header != body:
        raise InvalidParameter(f"If-Match says revision {header} and expected_revision {body}: give one")
    return body if header is None else header


def tag(response: Response, revision: int | str) -> None:
    """Sets the ETag."""
    response.headers["ETag"] = f'"{revision}"'

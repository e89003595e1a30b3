"""Parameters that routes share: pages, and the store."""

from collections.abc import Mapping
from typing import Annotated, Final, get_args, get_origin

from fastapi import Depends, Path, Query, Request, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute

from coalmine_schemas.errors import nearest
from coalmine_schemas.paging import LONGEST_CURSOR
from coalmine_server.api.problems import INVALID_REQUEST, FieldProblem, ProblemError
from coalmine_server.services.owned_store import OwnedStore

LONGEST_PAGE: Final = 1_000
"""Items in a page at most."""
LONGEST_SERIES: Final = 10_000
"""The same of small rows of which one question needs many: time series, looks, dead letters."""

_HOW_MANY: Final = "Maximum number of items to return; a page may have fewer."
Limit = Annotated[int, Query(ge=1, le=LONGEST_PAGE, description=_HOW_MANY)]
SeriesLimit = Annotated[int, Query(ge=1, le=LONGEST_SERIES, description=_HOW_MANY)]
Cursor = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=LONGEST_CURSOR,
        description="`next_cursor` of the previous page; omit it for the first.",
    ),
]
ExperimentPath = Annotated[str, Path(min_length=1, max_length=500, description="Name of the experiment.")]

RolloutPath = Annotated[str, Path(min_length=1, max_length=100, description="Id of the rollout.")]


def owned_store(request: Request) -> OwnedStore:
    """Returns the store of this process, while it has one."""
    found: OwnedStore = request.app.state.stores.owned_store()
    return found


Owned = Annotated[OwnedStore, Depends(owned_store)]


async def known_parameters(request: Request) -> None:
    """Refuses query parameters that the route does not take: a filter that is ignored gives wrong answers.

    So does the first of two values where the route takes one.

    Raises:
        ProblemError: 422, naming the nearest parameter there is.
    """
    if not request.query_params:
        return
    known = _query_names(request.scope["route"])
    problems = [
        FieldProblem(name=name, detail=_unknown(name, frozenset(known)))
        for name in request.query_params
        if name not in known
    ] + [
        FieldProblem(name=name, detail="given more than once; this parameter has one value")
        for name, many in known.items()
        if not many and len(request.query_params.getlist(name)) > 1
    ]
    if problems:
        detail = "; ".join(f"{problem.name}: {problem.detail}" for problem in problems)
        raise ProblemError(INVALID_REQUEST, detail, problems)


def _query_names(route: APIRoute) -> Mapping[str, bool]:
    """The query parameters of a route, and whether each takes several values."""
    every = get_flat_params(route.dependant)
    found = [(each.alias, each.field_info) for each in every if isinstance(each.field_info, params.Query)]
    return {alias: _takes_many(info.annotation) for alias, info in found}


def _takes_many(annotation: object) -> bool:
    return get_origin(annotation) in (list, tuple) or any(map(_takes_many, get_args(annotation)))


def _unknown(name: str, known: frozenset[str]) -> str:
    if not known:
        return "unknown parameter; this route takes none"
    close = nearest(name, sorted(known))
    hint = f"did you mean {close}?" if close else f"known: {', '.join(sorted(known))}"
    return f"unknown parameter; {hint}"

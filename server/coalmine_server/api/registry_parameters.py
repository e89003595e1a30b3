"""What several routes of the registry share: parameters, revisions, ETags, threads of their own."""

import functools
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Header, Path, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import AfterValidator

from coalmine_registry.operations.inputs import LONGEST_PAGE
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_schemas.errors import InvalidParameter
from coalmine_server.api.access import needs

Item = TypeVar("Item")

THREADS: Final = 16
"""Questions to the registry worked on at once. Queries of analysts have threads of their own."""

Limit = Annotated[
    int,
    Query(
        ge=1, le=1000, description=f"Most items to return; a part has at most {LONGEST_PAGE} all the same."
    ),
    AfterValidator(lambda limit: min(limit, LONGEST_PAGE)),
]
Cursor = Annotated[
    str | None,
    Query(
        min_length=1, max_length=200, description="`next_cursor` of the part before; the first if left out."
    ),
]
PromptPath = Annotated[str, Path(description="Name of the prompt.")]
VersionPath = Annotated[str, Path(description="Semantic version.", examples=["1.2.0"])]
EnvironmentPath = Annotated[str, Path(description="dev, staging or prod.", examples=["prod"])]
ExperimentPath = Annotated[str, Path(description="Name of the experiment.")]
PromotionPath = Annotated[str, Path(description="Id of the promotion.")]

Reader = Annotated[Actor, needs(Role.READER)]
Author = Annotated[Actor, needs(Role.AUTHOR)]
Approver = Annotated[Actor, needs(Role.APPROVER)]
Admin = Annotated[Actor, needs(Role.ADMIN)]


async def registry_of(request: Request) -> Registry:
    """The registry of this process."""
    found: Registry = request.app.state.registry
    return found


Asked = Annotated[Registry, Depends(registry_of)]


class RegistryRoute(APIRoute):
    """Runs its function in the registry's own threads, so that a long query holds up no rollback."""

    limiter = CapacityLimiter(THREADS)

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401
        super().__init__(
            path, endpoint if inspect.iscoroutinefunction(endpoint) else _threaded(endpoint), **options
        )


def _threaded(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(endpoint)
    async def run(**arguments: Any) -> Any:  # noqa: ANN401 - whatever the route answers
        work = functools.partial(endpoint, **arguments)
        return await to_thread.run_sync(work, limiter=RegistryRoute.limiter)

    # FastAPI would see through the wrapper to a function that is none of asyncio's.
    del run.__wrapped__
    run.__signature__ = inspect.signature(endpoint, eval_str=True)  # type: ignore[attr-defined]
    return run


async def if_match(
    if_match: Annotated[
        str | None,
        Header(
            description="ETag of the state the caller has seen: its revision in quotes.", examples=['"7"']
        ),
    ] = None,
) -> int | None:
    """The revision that `If-Match` names; None where it names none.

    Raises:
        InvalidParameter: It is no ETag of ours.
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


def part_of(
    items: Sequence[Item], keys: Sequence[str], limit: int, cursor: str | None
) -> tuple[Sequence[Item], str | None]:
    """A part of a list that is had whole, and the cursor of the next part.

    Args:
        items: All of it.
        keys: What each item is called, unique: the last one of a part is its cursor.
        limit: Most items to return.
        cursor: Of the part before.

    Raises:
        InvalidParameter: The cursor names no item.
    """
    if cursor is not None and cursor not in keys:
        raise InvalidParameter("cursor is no `next_cursor` of this list")
    begin = 0 if cursor is None else keys.index(cursor) + 1
    end = begin + limit
    return items[begin:end], keys[end - 1] if end < len(items) else None

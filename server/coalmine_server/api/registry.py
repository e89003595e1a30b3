"""Parameters and threads that the routes of the prompt registry share."""

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Header, Path, Request, Response
from fastapi.routing import APIRoute

from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_schemas.errors import InvalidParameter
from coalmine_server.api.auth import needs

THREADS: Final = 16
"""Requests to the registry that are worked on at once. Queries of measures have threads of their own."""

LastUsed = Callable[[], Mapping[tuple[str, str], datetime] | None]
"""Returns the time of the last call by (prompt, version); None if this process has no traffic data now."""

PromptPath = Annotated[str, Path(description="Name of the prompt.")]
VersionPath = Annotated[str, Path(description="Semantic version.", examples=["1.2.0"])]
EnvironmentPath = Annotated[str, Path(description="dev, staging or prod.", examples=["prod"])]
PromotionPath = Annotated[str, Path(description="Id of the promotion.")]

Reader = Annotated[Actor, needs(Role.READER)]
Author = Annotated[Actor, needs(Role.AUTHOR)]
Approver = Annotated[Actor, needs(Role.APPROVER)]
Admin = Annotated[Actor, needs(Role.ADMIN)]


async def _registry_of(request: Request) -> Registry:
    found: Registry = request.app.state.registry
    return found


Asked = Annotated[Registry, Depends(_registry_of)]
"""The registry of this process."""


class RegistryRoute(APIRoute):
    """Runs its function in the registry's own threads, so that a long query does not delay a rollback."""

    limiter = CapacityLimiter(THREADS)

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


async def _if_match(
    if_match: Annotated[
        str | None,
        Header(description="ETag that the caller has seen: the revision in quotes.", examples=['"7"']),
    ] = None,
) -> int | None:
    """Returns the revision that `If-Match` names, or None.

    Raises:
        InvalidParameter: It is not one of our ETags.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    found = re.fullmatch(r'\s*"?([0-9]{1,15})"?\s*', if_match)
    if found is None:
        raise InvalidParameter(f'If-Match is {if_match[:40]!r}: give a revision in quotes, e.g. "7"')
    return int(found[1])


IfMatch = Annotated[int | None, Depends(_if_match)]


def expected(header: int | None, body: int | None) -> int | None:
    """Returns the revision that the caller has seen, from header or body.

    Raises:
        InvalidParameter: They differ.
    """
    if header is not None and body is not None and header != body:
        raise InvalidParameter(f"If-Match says revision {header} and expected_revision {body}: give one")
    return body if header is None else header


def tag(response: Response, revision: int | str) -> None:
    """Sets the ETag."""
    response.headers["ETag"] = f'"{revision}"'

"""Parameters and threads that the routes of the prompt registry share."""

import functools
import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Header, Path, Request, Response

from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_schemas.errors import InvalidParameter
from coalmine_server.api.auth import needs
from coalmine_server.api.plain_json import PlainJsonRoute
from coalmine_server.api.problems import TOO_MANY_REQUESTS, ProblemError

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

Lane = Literal["usual", "urgent", "heavy"]
"""Whose threads a route uses. Queries of measures, tokens and waiting clients have threads of their own."""

THREADS: Final[Mapping[Lane, int]] = {"usual": 16, "urgent": 4, "heavy": 2}
"""Requests to the registry that are worked on at once."""
MOST_HEAVY: Final = 4
"""Requests that compile or compare templates which one token may have open at a time."""
_LANE_ATTRIBUTE: Final = "coalmine_lane"

LastUsed = Callable[[], Mapping[tuple[str, str], datetime] | None]
"""Returns the time of the last call by (prompt, version); None if this process has no traffic data now."""

PromptPath = Annotated[str, Path(description="Name of the prompt.")]
VersionPath = Annotated[str, Path(description="Semantic version.", examples=["1.2.0"])]
EnvironmentPath = Annotated[str, Path(description="dev, staging or prod.", examples=["prod"])]
PromotionPath = Annotated[str, Path(description="Id of the promotion.")]

Service = Annotated[Actor, needs(Role.SERVICE)]
Reader = Annotated[Actor, needs(Role.READER)]
Author = Annotated[Actor, needs(Role.AUTHOR)]
Approver = Annotated[Actor, needs(Role.APPROVER)]
Admin = Annotated[Actor, needs(Role.ADMIN)]


async def _registry_of(request: Request) -> Registry:
    found: Registry = request.app.state.registry
    return found


Asked = Annotated[Registry, Depends(_registry_of)]
"""The registry of this process."""


def lane(name: Lane) -> Callable[[Endpoint], Endpoint]:
    """Has a route use the threads of a lane.

    Args:
        name: `urgent` for what stops harm, such as a rollback: nothing else delays it. `heavy` for what takes
            processor time that its caller chooses: few at a time, and few of each token.
    """

    def put(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _LANE_ATTRIBUTE, name)
        return endpoint

    return put


class RegistryRoute(PlainJsonRoute):
    """Runs its function in the registry's own threads, so that a long query does not delay a rollback."""

    limiters: Final = {name: CapacityLimiter(number) for name, number in THREADS.items()}
    heavy: Final[Counter[str]] = Counter()
    """Heavy requests that are open, by token."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401
        super().__init__(
            path, endpoint if inspect.iscoroutinefunction(endpoint) else _threaded(endpoint), **options
        )


def _threaded(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    name: Lane = getattr(endpoint, _LANE_ATTRIBUTE, "usual")
    limiter = RegistryRoute.limiters[name]

    @functools.wraps(endpoint)
    async def run(**arguments: Any) -> Any:  # noqa: ANN401 - whatever the route returns
        work = functools.partial(endpoint, **arguments)
        if name != "heavy":
            return await to_thread.run_sync(work, limiter=limiter)
        with _one_more(next(each for each in arguments.values() if isinstance(each, Actor))):
            return await to_thread.run_sync(work, limiter=limiter)

    # FastAPI would see through the wrapper to a function that is not a coroutine.
    del run.__wrapped__
    run.__signature__ = inspect.signature(endpoint, eval_str=True)  # type: ignore[attr-defined]
    return run


@contextmanager
def _one_more(actor: Actor) -> Iterator[None]:
    """Counts a heavy request; called in the event loop only.

    Raises:
        ProblemError: The token has too many of them (429).
    """
    heavy = RegistryRoute.heavy
    if heavy[actor.token_id] >= MOST_HEAVY:
        detail = f"{actor.subject} has {MOST_HEAVY} requests open that check or compare templates: wait"
        raise ProblemError(TOO_MANY_REQUESTS, detail, retry_after_s=1)
    heavy[actor.token_id] += 1
    try:
        yield
    finally:
        heavy[actor.token_id] -= 1
        if not heavy[actor.token_id]:
            del heavy[actor.token_id]


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

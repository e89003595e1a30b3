"""Holds tokens that are for some prompts to those: the one place where that is enforced."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import parse_qs

from anyio import CapacityLimiter, to_thread
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coalmine_registry.operations.inputs import NOTE, OF_EXPERIMENTS
from coalmine_registry.roles import Actor
from coalmine_schemas.errors import InvalidParameter, Transient
from coalmine_schemas.prompts import PromptContent, parse_reference
from coalmine_server.api.problems import (
    FORBIDDEN,
    NOT_FOUND,
    REGISTRY_UNAVAILABLE,
    TOO_LARGE,
    ProblemError,
    not_ready,
    problem_response,
)
from coalmine_server.api.prompt_scope.decisions import (
    DECISIONS,
    Cites,
    Decision,
    Includes,
    Listed,
    Named,
    Owned,
    OwnerKind,
    Place,
    Refused,
)
from coalmine_server.api.prompt_scope.listed import answer_listed
from coalmine_server.api.prompt_scope.owners import State, owner_of
from coalmine_server.api.sent import Sent, replay, send_as_sent
from coalmine_server.services.owned_store import NotReady

_threads: Final = CapacityLimiter(8)
"""Of their own: a long query must not keep anybody from a rollback."""


_ROUTES: Final = tuple(
    (method, compile_path(path)[0], decided)
    for route, decided in DECISIONS.items()
    for method, _, path in [route.partition(" ")]
)


@dataclass(slots=True)
class _Request:
    """What a request says it is about."""

    actor: Actor
    path: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: Any = None

    def values(self, place: Place, keys: tuple[str, ...]) -> list[str]:
        """The texts that stand at a place; none where nothing, or something else, stands there."""
        if place == "path":
            return [self.path[keys[0]]]
        if place == "query":
            return self.query.get(keys[0], [])
        found = self.body
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return [each for each in (found if isinstance(found, list) else [found]) if isinstance(each, str)]


class PromptScopeMiddleware:
    """Lets a token that is for some prompts read and change those, and no others.

    What another prompt has does not exist for it: 404, with the same words whether it exists or not, or left
    out of lists. What is of all prompts together it may not have: 403, which says why. A route that
    `DECISIONS` does not name does not exist for it either. Other tokens pass.
    """

    def __init__(self, app: ASGIApp, state: State) -> None:
        """Prepares.

        Args:
            app: Answers; callers are known to it already.
            state: The application's, whose registry and store know what belongs to which prompt.
        """
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection as ASGI says."""
        actor: Actor | None = scope.get("coalmine.actor") if scope["type"] == "http" else None
        if actor is None or actor.prompts is None:
            await self._app(scope, receive, send)
            return
        try:
            await self._answer(scope, receive, send, actor)
        except ProblemError as error:
            await _refuse(error, scope, receive, send)
        except NotReady as error:
            await _refuse(not_ready(error), scope, receive, send)
        except Transient as error:
            problem = ProblemError(REGISTRY_UNAVAILABLE, str(error), retry_after_s=1)
            await _refuse(problem, scope, receive, send)
        except HTTPException as error:  # of the limit on bodies
            await _refuse(ProblemError(TOO_LARGE, str(error.detail)), scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, actor: Actor) -> None:
        found = _matching(scope)
        if found is None:
            raise _hidden(actor)
        path, decided = found
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        asked = _Request(actor, path, query)
        if any(
            getattr(each, "place", None) == "body" or isinstance(each, Includes | Cites) for each in decided
        ):
            body = await _read(receive)
            asked.body = _json_of(body)
            receive = replay(body, receive)
        for value in asked.values("query", ("prompt",)):
            _check(actor, value)  # on every route, whatever it makes of it
        listed: Listed | None = None
        for each in decided:
            if isinstance(each, Listed):
                listed = each
            else:
                await self._hold(asked, each)
        if listed is not None:
            visible = _Visible(self, actor, listed)
            await answer_listed(self._app, scope, receive, send, listed=listed, visible=visible)
            return
        sent = _NotFoundAlike(send, actor)
        await self._app(scope, receive, sent)

    async def _hold(self, asked: _Request, decision: Decision) -> None:
        """Holds a request to one decision.

        Raises:
            ProblemError: 403 or 404.
        """
        actor = asked.actor
        match decision:
            case Refused(why):
                raise ProblemError(
                    FORBIDDEN, f"{_who(actor)} may not: {why}; ask for a token for all prompts"
                )
            case Named(place, keys):
                values = asked.values(place, keys)
                if not values:
                    where = ".".join(keys)
                    detail = f"{where}: {_who(actor)}: name one of those, since without it all are meant"
                    raise ProblemError(FORBIDDEN, detail)
                for value in values:
                    _check(actor, value)
            case Owned(kind, place, key, new):
                for value in asked.values(place, (key,)):
                    owner = await self.owner(kind, value)
                    if not (new and owner is None):
                        _check(actor, owner)
            case Includes(key):
                for included in _included(asked.body.get(key) if isinstance(asked.body, dict) else None):
                    _check(actor, included)
            case Cites():
                for reference in _cited(asked.body):
                    _check(actor, await self.owner("evidence", reference))
            case _:  # it has nothing of others, or the route leaves it out
                pass

    async def owner(self, kind: OwnerKind, name: str) -> str | None:
        """Returns the prompt that something belongs to; None if to none."""
        return await to_thread.run_sync(owner_of, self._state, kind, name, limiter=_threads)


class _Visible:
    """Knows which items of a list a token is for."""

    def __init__(self, middleware: PromptScopeMiddleware, actor: Actor, listed: Listed) -> None:
        self._middleware = middleware
        self._actor = actor
        self._listed = listed

    async def __call__(self, item: Any) -> bool:  # noqa: ANN401 - JSON
        for key in self._listed.prompt:
            item = item.get(key) if isinstance(item, dict) else None
        if self._listed.via is not None and isinstance(item, str):
            item = await self._middleware.owner(self._listed.via, item)
        return isinstance(item, str) and _covers(self._actor, item)


class _NotFoundAlike:
    """Passes an answer on; one that nothing is there gets the words it has for what is hidden.

    What the server would say names what there is, so that people find their mistakes: also what others have.
    """

    def __init__(self, send: Send, actor: Actor) -> None:
        self._send = send
        self._actor = actor
        self._replaced = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == NOT_FOUND.status:
            self._replaced = True
            error = _hidden(self._actor)
            sent = Sent.of(problem_response(error.kind, error.detail))
            await send_as_sent(sent, self._send)
        elif not self._replaced:
            await self._send(message)


def _matching(scope: Scope) -> tuple[Mapping[str, str], tuple[Decision, ...]] | None:
    for method, pattern, decided in _ROUTES:
        if method == scope["method"] and (found := pattern.fullmatch(scope["path"])) is not None:
            return found.groupdict(), decided
    return None


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


def _json_of(body: bytes) -> Any:  # noqa: ANN401 - whatever it has
    """What a body says; None where it is no JSON, which the route says."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _included(content: object) -> Iterable[str]:
    """The prompts that a content includes; none of one that cannot be read, which the route says."""
    try:
        return [parse_reference(each)[0] for each in PromptContent.from_json(content).includes()]
    except InvalidParameter:
        return []


def _cited(body: object) -> Iterable[str]:
    """The ids of recorded evidence that a request gives; none of one that cannot be read."""
    given = body.get("evidence") if isinstance(body, dict) else None
    return [
        reference
        for each in (given if isinstance(given, list) else [])
        if isinstance(each, dict) and each.get("kind") not in (NOTE, *OF_EXPERIMENTS)
        for reference in [each.get("reference")]
        if isinstance(reference, str)
    ]


def _check(actor: Actor, prompt: str | None) -> None:
    if prompt is None or not _covers(actor, prompt):
        raise _hidden(actor)


def _covers(actor: Actor, prompt: str) -> bool:
    """True if a token is for a prompt, or for all that a name with `*` at its end stands for."""
    if prompt.endswith("*"):
        return any(each.endswith("*") and fnmatchcase(prompt[:-1], each) for each in actor.prompts or ())
    return actor.sees(prompt)


def _hidden(actor: Actor) -> ProblemError:
    return ProblemError(NOT_FOUND, f"there is no such thing, or it is of another prompt: {_who(actor)}")


def _who(actor: Actor) -> str:
    return f"the token of {actor.subject} is for the prompts {', '.join(actor.prompts or ())}"


async def _refuse(error: ProblemError, scope: Scope, receive: Receive, send: Send) -> None:
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    await problem_response(error.kind, error.detail, error.errors, headers, error.more)(scope, receive, send)

"""Routes that read their bodies as JSON in which one reader finds what another one does."""

import inspect
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from coalmine_schemas.prompts.errors import short
from coalmine_server.api.problems import UNREADABLE, problem_responses

MAX_KEYS: Final = 20_000
"""Keys of all objects in a body: each is checked, and complained of, while other requests wait."""


class PlainJson(Request):
    """A request whose body is JSON in which one reader finds what another one does."""

    async def json(self) -> Any:  # noqa: ANN401 - whatever the body has
        """Returns the body.

        Raises:
            HTTPException: A key stands twice, a number is none, there are too many keys, or it is compressed,
                in another encoding or nested too deeply (400).
            JSONDecodeError: It is no JSON.
        """
        seen = 0

        def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            nonlocal seen
            seen += len(pairs)
            if seen > MAX_KEYS:
                raise HTTPException(
                    UNREADABLE.status, f"the body has more than {MAX_KEYS:,} keys: send fewer"
                )
            return _unique(pairs)

        body = await self.body()
        try:
            return json.loads(body, object_pairs_hook=unique, parse_constant=_no_constant)
        except RecursionError as error:
            raise HTTPException(UNREADABLE.status, "the body is nested too deeply: nest it less") from error
        except ValueError as error:
            problem = _no_json(self.headers.get("content-encoding", ""), error)
            if problem is None:
                raise
            raise HTTPException(UNREADABLE.status, problem) from error


def _no_json(encoding: str, error: ValueError) -> str | None:
    """Why a body cannot be read; None if the error says it, with the place."""
    if encoding.strip().lower() not in ("", "identity"):
        return f"the body has Content-Encoding {short(encoding)}: send it uncompressed"
    if isinstance(error, UnicodeDecodeError):
        return "the body is not valid UTF-8: send it in that encoding"
    return None if isinstance(error, json.JSONDecodeError) else "a number has too many digits: send fewer"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        detail = f"the key {short(twice)} stands twice in an object of the body: give it once"
        raise HTTPException(UNREADABLE.status, detail)
    return found


def _no_constant(text: str) -> None:
    raise HTTPException(UNREADABLE.status, f"{text} in the body is no JSON: give a number or null")


class PlainJsonRoute(APIRoute):
    """Reads its body as `PlainJson`. Every route with a body is one."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401
        if any(name == "body" for name in inspect.signature(endpoint).parameters):
            options["responses"] = {**(options.get("responses") or {}), **problem_responses(400)}
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Reads bodies as `PlainJson`."""
        handle = super().get_route_handler()

        async def handle_plain_json(request: Request) -> Response:
            return await handle(PlainJson(request.scope, request.receive))

        return handle_plain_json

"""Lists without the items of other prompts: pages stay as long as they were asked for.

A cursor names the last item of its page, so that none of a hidden item may be given. Pages are therefore
read on until enough visible items were found, and the last one is read again up to the item that its cursor
is to name.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from coalmine_server.api.parameters import LONGEST_PAGE
from coalmine_server.api.problems import FORBIDDEN, NOT_ACCEPTABLE, ProblemError
from coalmine_server.api.prompt_scope.decisions import Listed
from coalmine_server.api.representation import representation
from coalmine_server.api.sent import Sent, send_as_sent

Visible = Callable[[Any], Awaitable[bool]]
"""Whether the one who asks may see an item."""

MOST_PAGES: Final = 200
"""Pages that are read for one: further ones would take long, and a filter takes their place."""


async def answer_listed(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, *, listed: Listed, visible: Visible
) -> None:
    """Answers with the visible items of a list.

    Raises:
        ProblemError: An answer that is no JSON was asked for (406), or too little is visible to find (403).
    """
    if representation(Headers(scope=scope).get("accept")) != "json":
        raise ProblemError(NOT_ACCEPTABLE, "to a token for some prompts this answers with JSON only")
    given = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    first = await _ask(app, scope, receive, None)
    if first.status != 200:
        await send_as_sent(first, send)
        return
    document = json.loads(first.body)
    if listed.items is None or "next_cursor" not in document:
        kept = [each for each in _items(document, listed) if await visible(each)]
        await _send(first, kept if listed.items is None else {**document, listed.items: kept}, send)
        return
    # What the route makes of no limit is what it gave; with a cursor there were at least so many.
    limit = int(given["limit"]) if given.get("limit", "").isdecimal() else None
    wanted = limit or max(len(document[listed.items]), 1)
    found: list[Any] = []
    cursor = given.get("cursor")
    for _ in range(MOST_PAGES):
        shown = [await visible(each) for each in document[listed.items]]
        places = [place for place, is_shown in enumerate(shown) if is_shown]
        following = document["next_cursor"]
        lacking = wanted - len(found)
        if len(places) >= lacking and (following is not None or len(places) > lacking):
            end = places[lacking - 1] + 1
            if end < len(shown):  # read again, so that the cursor names what is visible
                document = await _page(app, scope, receive, cursor, end)
                shown = [await visible(each) for each in document[listed.items]]
                if not shown or not shown[-1]:
                    continue  # it has changed meanwhile
                following = document["next_cursor"]
            found += [each for each, is_shown in zip(document[listed.items], shown, strict=True) if is_shown]
            await _send(first, {**document, listed.items: found, "next_cursor": following}, send)
            return
        found += [document[listed.items][place] for place in places]
        if following is None:
            await _send(first, {**document, listed.items: found, "next_cursor": None}, send)
            return
        cursor = following
        document = await _page(app, scope, receive, cursor, LONGEST_PAGE)
    detail = f"in {MOST_PAGES} pages too little is of your prompts: name one with `prompt`"
    raise ProblemError(FORBIDDEN, detail)


def _items(document: Any, listed: Listed) -> list[Any]:  # noqa: ANN401 - JSON
    items: list[Any] = document if listed.items is None else document[listed.items]
    return items


async def _page(app: ASGIApp, scope: Scope, receive: Receive, cursor: str | None, limit: int) -> Any:  # noqa: ANN401
    return json.loads((await _ask(app, scope, receive, {"cursor": cursor, "limit": str(limit)})).body)


async def _ask(app: ASGIApp, scope: Scope, receive: Receive, changed: dict[str, str | None] | None) -> Sent:
    """Asks for the list, with other values of some parameters."""
    inner = dict(scope)
    if changed is not None:
        given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        kept = [each for each in given if each[0] not in changed]
        more = [(name, value) for name, value in changed.items() if value is not None]
        inner["query_string"] = urlencode([*kept, *more]).encode()
    sent = Sent()
    await app(inner, receive, sent.take)
    if "route" in inner:
        scope["route"] = inner["route"]
    return sent


async def _send(first: Sent, document: object, send: Send) -> None:
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    await send_as_sent(first.with_body(body), send)

"""One answer for many who ask the same at about the same time, as the open pages of a dashboard do."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coalmine_registry.roles import Actor
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.feedback_link import LINK_PATH
from coalmine_server.api.sent import Sent, send_as_sent
from coalmine_server.moment import parse_moment

SHARED_PATHS: Final = frozenset(
    f"/v1/{name}"
    for name in (
        *("versions", "timeseries", "quantiles", "unpriced", "facets", "deployment-marks", "model-calendar"),
        *("costs", "savings", "spending", "feedback", "breakdown", "compare", "explain", "drift", "drifts"),
        "timeline",
    )
)
"""Questions about measures: their answers depend on the query, the caller's rights, the store, the time."""
SETTLED_PATHS: Final = frozenset(
    f"/v1/{name}"
    for name in ("versions", "timeseries", "quantiles", "unpriced", "facets", "deployment-marks")
)
"""Those whose answers the time has no part in, unless a moment in the query is relative to it."""
INTAKE_PATHS: Final = frozenset({"/v1/events", "/v1/traces", "/v1/snapshots", LINK_PATH})
"""What services, their users and replicas send all the time; all else that is sent is somebody's action."""
KEPT_S: Final = 2.0
"""While the store is as it was, an answer is given again for so long: some depend on the time, too."""
SETTLED_S: Final = 60.0
"""The same of answers that the time has no part in: over a store at rest, open pages then cost little."""
OLDEST_S: Final = 10.0
"""Who accepts an older answer, by `Cache-Control: max-age=SECONDS`, gets none that is older than this."""
LARGEST_BYTES: Final = 4 * 2**20
"""Larger answers are only for those who asked while they were being found."""
MOST_BYTES: Final = 32 * 2**20
"""Of all kept answers with their questions."""

_NOWS: Final = tuple(datetime(year, 1, 1, tzinfo=UTC) for year in (2000, 2001))
"""A moment that is the same at both is relative to neither."""


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A question that is being answered, or was."""

    acts: tuple[int, int]
    """Of people, when it was asked."""
    state: Hashable
    """Of the store, when it was asked."""
    at_s: float
    kept_s: float
    """How long it is given again while the store is as it was."""
    answer: "asyncio.Future[Sent | None]" = field(default_factory=asyncio.Future)
    """None: whoever asked it first did not get one."""


class SharedAnswersMiddleware:
    """Finds an answer once for all who ask the same question with tokens of the same rights.

    Who asks while it is being found waits for it. Afterwards it is given again for moments while the store is
    as it was (for longer where the time has no part in it), and to who accepts an older one (RFC 9111,
    5.2.1.1). Nobody gets one from before the last change that was made through this server: who acts sees
    what came of it; nor, a moment later, from before one that was made through another.
    """

    def __init__(
        self,
        app: ASGIApp,
        state: Callable[[], Hashable | None],
        clock: Callable[[], float] = time.monotonic,
        *,
        acts_elsewhere: Callable[[], int] = lambda: 0,
    ) -> None:
        """Prepares.

        Args:
            app: Answers; callers are known to it already.
            state: What differs once the store has changed; None while there is no store.
            clock: In seconds.
            acts_elsewhere: What differs once somebody acted through another server.
        """
        self._app = app
        self._state = state
        self._clock = clock
        self._acts = 0
        self._acts_elsewhere = acts_elsewhere
        self._asked: OrderedDict[tuple[Hashable, ...], _Asked] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection as ASGI says."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] not in {"GET", "HEAD", "OPTIONS"} and scope["path"] not in INTAKE_PATHS:
            await self._act(scope, receive, send)
        elif scope["method"] == "GET" and scope["path"] in SHARED_PATHS and self._state() is not None:
            await self._share(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _act(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":  # before who acted can ask again
                self._acts += 1
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._acts += 1

    async def _share(self, scope: Scope, receive: Receive, send: Send) -> None:
        actor: Actor = scope["coalmine.actor"]
        headers = Headers(scope=scope)
        key = (
            *(scope["path"], scope["query_string"], headers.get("accept")),
            *(actor.role, actor.environment, actor.prompts),
        )
        accepted_s = _accepted_s(headers.get("cache-control", ""))
        while (asked := self._asked.get(key)) is not None and self._serves(asked, accepted_s):
            shared = await asyncio.shield(asked.answer)
            if shared is not None:
                scope["route"] = shared.route
                await send_as_sent(shared, send)
                return
        kept_s = _kept_s(scope["path"], scope["query_string"])
        asked = self._asked[key] = _Asked(self._all_acts(), self._state(), self._clock(), kept_s)
        self._asked.move_to_end(key)
        found = Sent()
        try:
            await self._app(scope, receive, found.take)
        except BaseException:
            asked.answer.set_result(None)
            self._forget(key, asked)
            if found.complete:  # what tells of the fault
                await send_as_sent(found, send)
            raise
        found.route = scope.get("route")
        # A refusal is about the token that asked, and names its subject; so does what is hidden from it.
        asked.answer.set_result(None if found.status in (401, 403, 404) else found)
        if found.status != 200 or len(found.body) > LARGEST_BYTES:
            self._forget(key, asked)
        self._tidy()
        await send_as_sent(found, send)

    def _serves(self, asked: _Asked, accepted_s: float) -> bool:
        """True if a question's answer is one for who asks now."""
        if asked.acts != self._all_acts():
            return False
        if not asked.answer.done():
            return True
        age_s = self._clock() - asked.at_s
        return age_s < accepted_s or (age_s <= asked.kept_s and asked.state == self._state())

    def _all_acts(self) -> tuple[int, int]:
        return self._acts, self._acts_elsewhere()

    def _forget(self, key: tuple[Hashable, ...], asked: _Asked) -> None:
        if self._asked.get(key) is asked:
            del self._asked[key]

    def _tidy(self) -> None:
        """Drops what is too old, and the oldest beyond what may be kept."""
        size, now, state = 0, self._clock(), self._state()
        for key, asked in [*reversed(self._asked.items())]:
            found = asked.answer.result() if asked.answer.done() else None
            size += _size(key) + (0 if found is None else len(found.body))
            oldest_s = max(OLDEST_S, asked.kept_s if asked.state == state else 0.0)
            if found is not None and (size > MOST_BYTES or now - asked.at_s > oldest_s):
                del self._asked[key]


def _kept_s(path: str, query: bytes) -> float:
    """How long an answer may be given again while the store is as it was."""
    if path not in SETTLED_PATHS:
        return KEPT_S
    moments = [text for name, text in parse_qsl(query.decode("latin-1")) if name in {"since", "until"}]
    try:
        settled = all(len({parse_moment(text, now) for now in _NOWS}) == 1 for text in moments)
    except InvalidParameter:  # which the answer says
        settled = False
    return SETTLED_S if settled else KEPT_S


def _size(key: tuple[Hashable, ...]) -> int:
    """Bytes of a question, which may be longer than its answer."""
    return sum(len(part) for part in key if isinstance(part, str | bytes))


def _accepted_s(cache_control: str) -> float:
    """How old an answer may be although the store has changed since."""
    for directive in cache_control.split(","):
        name, _, value = directive.strip().partition("=")
        if name.lower() == "max-age" and value.isdecimal():
            return min(float(value), OLDEST_S)
    return 0.0

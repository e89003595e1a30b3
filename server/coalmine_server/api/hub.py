"""What environments serve, for clients that wait until it changes.

A client that has seen a state names it and waits. All who wait for an environment share one event and one
answer, made once per change: a thousand of them cost no thread, and a change reaches each in the one round
trip it has open. Changes made by this process are heard at once. Those of others are found by asking the
database for one number, by one task per environment, however many wait.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Protocol, TypeVar

import structlog
from anyio import CapacityLimiter, to_thread

from coalmine_registry.errors import NotFound
from coalmine_schemas.prompts import Snapshot

Answer = TypeVar("Answer")

POLL_S: Final = 0.2
"""How often the database is asked whether another process changed something."""
TROUBLE_S: Final = 1.0
"""How long to rest when the database does not answer."""
MAX_WAIT_S: Final = 60.0
"""Longest time a client may wait in one request; proxies like to cut longer ones."""

_log = structlog.stdlib.get_logger("coalmine.registry")


class SnapshotSource(Protocol):
    """What the hub needs of a registry. Called from threads."""

    def snapshot(self, environment: str) -> Snapshot:
        """Everything an environment serves."""
        ...

    def environment_revision(self, environment: str) -> int:
        """Changes with everything the environment serves."""
        ...


@dataclass(frozen=True, slots=True)
class Served:
    """What an environment serves, ready to be sent."""

    revision: int
    etag: str
    """Quoted, as HTTP has it. Says the content, too: a registry made anew counts revisions from the start."""
    body: bytes


@dataclass(slots=True)
class _Watched:
    name: str
    served: Served | None = None
    known_revision: int = -1
    """Newest revision this process has heard of."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set, and replaced by a fresh one, at each change."""
    urgent: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the task should look now."""
    refreshing: asyncio.Lock = field(default_factory=asyncio.Lock)
    task: asyncio.Task[None] | None = None

    def up_to_date(self) -> Served | None:
        if self.served is not None and self.served.revision >= self.known_revision:
            return self.served
        return None


class DeploymentHub:
    """Answers what an environment serves, now or once it has changed. Lives in one event loop."""

    def __init__(
        self, source: SnapshotSource, environments: Sequence[str], *, poll_s: float = POLL_S
    ) -> None:
        self._source = source
        self._poll_s = poll_s
        self._environments = {name: _Watched(name) for name in environments}
        # Threads of its own: nobody's long question may hold up a rollback.
        self._threads = CapacityLimiter(2)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """How many wait at the moment."""
        return self._waiting

    @property
    def stopping(self) -> bool:
        """Whether it lets everybody go."""
        return self._stopping

    def start(self) -> None:
        """Notes the loop it lives in; called from within."""
        self._loop = asyncio.get_running_loop()

    async def stop(self) -> None:
        """Ends its tasks; called from within the loop."""
        self._let_go()
        tasks = [each.task for each in self._environments.values() if each.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def release(self) -> None:
        """Lets everybody go who waits, because the server stops. Any thread may call it."""
        self._soon(self._let_go)

    def notify(self, environment: str, revision: int) -> None:
        """Hears of a change that this process made. Any thread may call it."""
        self._soon(self._heard, environment, revision)

    async def current(self, name: str) -> Served:
        """What an environment serves now: at least what this process has changed.

        Raises:
            NotFound: There is no such environment.
            Exception: What the source raises.
        """
        watched = self._watched(name)
        return watched.up_to_date() or await self._refresh(watched)

    async def after(self, name: str, etag: str | None, wait_s: float) -> Served | None:
        """What an environment serves, once that is something else than the caller has.

        Args:
            name: The environment.
            etag: State the caller has; None for none.
            wait_s: How long to wait for another, at most `MAX_WAIT_S`.

        Returns:
            The state, or None if it has not changed in time, or the server stops.

        Raises:
            NotFound: There is no such environment.
        """
        watched = self._watched(name)
        deadline = asyncio.get_running_loop().time() + min(wait_s, MAX_WAIT_S)
        self._waiting += 1
        try:
            while True:
                changed = watched.changed
                served = await self.current(name)
                remaining_s = deadline - asyncio.get_running_loop().time()
                if served.etag != etag:
                    return served
                if remaining_s <= 0 or self._stopping:
                    return None
                if not await _set_within(changed, remaining_s):
                    return None
        finally:
            self._waiting -= 1

    def _watched(self, name: str) -> _Watched:
        watched = self._environments.get(name)
        if watched is None:
            raise NotFound(
                f"there is no environment {name[:40]!r}: there are {', '.join(self._environments)}"
            )
        if watched.task is None and not self._stopping:
            watched.task = asyncio.create_task(self._watch(watched), name=f"deployments of {name}")
        return watched

    def _soon(self, work: Callable[..., None], *arguments: object) -> None:
        loop = self._loop
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(work, *arguments)
        except RuntimeError:  # it has ended, and nobody waits any more
            _log.debug("the loop has ended")

    def _heard(self, environment: str, revision: int) -> None:
        watched = self._environments.get(environment)
        if watched is not None:
            watched.known_revision = max(watched.known_revision, revision)
            watched.urgent.set()

    def _let_go(self) -> None:
        self._stopping = True
        for watched in self._environments.values():
            watched.changed.set()

    async def _watch(self, watched: _Watched) -> None:
        failing = False
        while True:
            try:
                if watched.up_to_date() is not None:
                    heard = watched.known_revision
                    revision = await self._ask(self._source.environment_revision, watched.name)
                    if watched.known_revision == heard:
                        watched.known_revision = revision  # may be lower: the registry was made anew
                if watched.served is None or watched.known_revision != watched.served.revision:
                    await self._refresh(watched)
                failing = False
            except Exception as error:  # noqa: BLE001 - clients keep what they have, and we go on asking
                if not failing:
                    _log.warning("cannot see what is served", environment=watched.name, reason=str(error))
                failing = True
            await _set_within(watched.urgent, TROUBLE_S if failing else self._poll_s)
            watched.urgent.clear()

    async def _refresh(self, watched: _Watched) -> Served:
        async with watched.refreshing:
            while True:
                done = watched.served
                if done is not None and done.revision == watched.known_revision:
                    return done
                heard = watched.known_revision
                served = _ready(await self._ask(self._source.snapshot, watched.name))
                # What was heard meanwhile may be newer than what was read: then look again.
                if watched.known_revision in (heard, served.revision):
                    watched.known_revision = served.revision
                if done is None or done.etag != served.etag:
                    watched.served = served
                    changed, watched.changed = watched.changed, asyncio.Event()
                    changed.set()

    async def _ask(self, question: Callable[[str], Answer], name: str) -> Answer:
        return await to_thread.run_sync(question, name, limiter=self._threads)


def _ready(snapshot: Snapshot) -> Served:
    body = json.dumps(snapshot.to_json(), separators=(",", ":"), ensure_ascii=False).encode()
    return Served(snapshot.revision, f'"{snapshot.revision}-{sha256(body).hexdigest()[:16]}"', body)


async def _set_within(event: asyncio.Event, timeout_s: float) -> bool:
    """Waits for an event; whether it came in time."""
    try:
        # Not `wait_for`: that of Python 3.11 swallows a cancellation that comes with the event.
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True

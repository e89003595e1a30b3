"""What environments serve, for clients that wait until it changes.

A client names the state it has seen and waits. All clients that wait for an environment share one event and
one answer, built once per change: a thousand of them need no thread, and a change reaches each in its open
request. Changes made by this process are seen at once. Those of other processes are found by one task per
environment, which asks the database for one number, however many clients wait.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final, Protocol, TypeVar

import structlog
from anyio import CapacityLimiter, to_thread

from coalmine_registry.errors import NotFound
from coalmine_registry.roles import Actor
from coalmine_schemas.prompts import Snapshot

Answer = TypeVar("Answer")

POLL_S: Final = 0.2
"""How often to ask the database whether another process changed something."""
TROUBLE_S: Final = 1.0
"""How long to pause when the database does not respond."""
MAX_WAIT_S: Final = 60.0
"""Longest time that a client may wait in one request; proxies often cut longer ones."""
MOST_NARROWED: Final = 200
"""Answers that are kept for tokens of some prompts: by environment and patterns."""

_log = structlog.stdlib.get_logger("coalmine.registry")


class SnapshotSource(Protocol):
    """The part of a registry that the hub uses. Called from threads."""

    def snapshot(self, environment: str) -> Snapshot:
        """Returns everything that an environment serves."""
        ...

    def environment_revision(self, environment: str) -> int:
        """Returns a number that grows with every change of what the environment serves."""
        ...

    def revocations(self) -> int:
        """Returns how many tokens have been revoked."""
        ...


@dataclass(frozen=True, slots=True)
class Served:
    """What an environment serves, ready to send."""

    revision: int
    etag: str
    """Quoted, as in HTTP. Depends on the content, too: a new registry counts revisions from the start."""
    body: bytes
    snapshot: Snapshot = field(repr=False)
    """What it was made of."""


@dataclass(slots=True)
class _Watched:
    name: str
    served: Served | None = None
    known_revision: int = -1
    """Newest revision that this process knows of."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set, and replaced by a new one, at each change."""
    urgent: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the task should look now."""
    refreshing: asyncio.Lock = field(default_factory=asyncio.Lock)
    task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    def up_to_date(self) -> Served | None:
        if self.served is not None and self.served.revision >= self.known_revision:
            return self.served
        return None


class DeploymentHub:
    """Returns what an environment serves, now or once it has changed. Belongs to one event loop."""

    def __init__(
        self,
        source: SnapshotSource,
        environments: Sequence[str],
        *,
        poll_s: float = POLL_S,
        on_revoked: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepares.

        Args:
            source: What it asks.
            environments: All there are.
            poll_s: How often to look for changes of other processes.
            on_revoked: Called before waiting clients are asked again whether they are allowed, because
                another process revoked a token.
        """
        self._source = source
        self._poll_s = poll_s
        self._on_revoked = on_revoked
        self._environments = {name: _Watched(name) for name in environments}
        # Threads of its own: a long query must not delay a rollback.
        self._threads = CapacityLimiter(2)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False
        self._narrowed: OrderedDict[tuple[str, tuple[str, ...]], tuple[str, Served]] = OrderedDict()
        self._waiting = 0
        self._revocations: int | None = None

    @property
    def waiting(self) -> int:
        """Number of clients that wait."""
        return self._waiting

    @property
    def stopping(self) -> bool:
        """True once waiting clients are being released."""
        return self._stopping

    def start(self) -> None:
        """Binds it to the running event loop."""
        self._loop = asyncio.get_running_loop()

    async def stop(self) -> None:
        """Stops its tasks; called in the loop."""
        self._release_all()
        tasks = [each.task for each in self._environments.values() if each.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def release(self) -> None:
        """Releases all waiting clients, because the server stops. Any thread may call it."""
        self._soon(self._release_all)

    def notify(self, environment: str, revision: int) -> None:
        """Reports a change that this process made. Any thread may call it."""
        self._soon(self._heard, environment, revision)

    def revoked(self) -> None:
        """Has all waiting clients asked again whether they are allowed. Any thread may call it."""
        self._soon(self._wake_all)

    async def current(self, name: str) -> Served:
        """Returns what an environment serves now, with all changes of this process.

        Raises:
            NotFound: The environment does not exist.
            Exception: Any error of the source.
        """
        watched = self._watched(name)
        return watched.up_to_date() or await self._refresh(watched)

    async def after(
        self,
        name: str,
        etag: str | None,
        wait_s: float,
        allowed: Callable[[], Awaitable[None]],
        *,
        actor: Actor | None = None,
    ) -> Served | None:
        """Returns what an environment serves, once it differs from what the caller has.

        Args:
            name: The environment.
            etag: State that the caller has; None without one.
            wait_s: How long to wait for a change, at most `MAX_WAIT_S`.
            allowed: Raises if the caller may not know any more; asked after each wait.
            actor: Who asks: only prompts of their token are told, and wake them; None for all.

        Returns:
            The state, or None if it did not change in time or the server stops.

        Raises:
            NotFound: The environment does not exist.
            Exception: What `allowed` raises.
        """
        watched = self._watched(name)
        deadline = asyncio.get_running_loop().time() + min(wait_s, MAX_WAIT_S)
        self._waiting += 1
        try:
            while True:
                changed = watched.changed
                served = await self._current_for(name, actor)
                remaining_s = deadline - asyncio.get_running_loop().time()
                if served.etag != etag:
                    return served
                if remaining_s <= 0 or self._stopping:
                    return None
                await _set_within(changed, remaining_s)
                await allowed()
        finally:
            self._waiting -= 1

    async def _current_for(self, name: str, actor: Actor | None) -> Served:
        """What an environment serves of the prompts that a token is for, made once per change."""
        served = await self.current(name)
        if actor is None or actor.prompts is None:
            return served
        key = (name, actor.prompts)
        made_of, narrowed = self._narrowed.get(key, ("", served))
        if made_of != served.etag:
            narrowed = await to_thread.run_sync(_narrowed, served, actor, limiter=self._threads)
            self._narrowed[key] = (served.etag, narrowed)
            self._narrowed.move_to_end(key)
            while len(self._narrowed) > MOST_NARROWED:
                self._narrowed.popitem(last=False)
        return narrowed

    def _watched(self, name: str) -> _Watched:
        watched = self._environments.get(name)
        if watched is None:
            raise NotFound(f"no environment {name[:40]!r}: there are {', '.join(self._environments)}")
        if watched.task is None and not self._stopping:
            watched.task = asyncio.create_task(self._watch(watched), name=f"deployments of {name}")
        return watched

    def _soon(self, work: Callable[..., None], *arguments: object) -> None:
        loop = self._loop
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(work, *arguments)
        except RuntimeError:  # it has ended, and no client waits any more
            _log.debug("the loop has ended")

    def _heard(self, environment: str, revision: int) -> None:
        watched = self._environments.get(environment)
        if watched is not None:
            watched.known_revision = max(watched.known_revision, revision)
            watched.urgent.set()

    def _release_all(self) -> None:
        self._stopping = True
        self._wake_all()

    def _wake_all(self) -> None:
        for watched in self._environments.values():
            watched.wake()

    async def _watch(self, watched: _Watched) -> None:
        failing = False
        while True:
            try:
                await self._see_revocations()
                if watched.up_to_date() is not None:
                    heard = watched.known_revision
                    revision = await self._ask(self._source.environment_revision, watched.name)
                    if watched.known_revision == heard:
                        watched.known_revision = revision  # may be lower: it is a new registry
                if watched.served is None or watched.known_revision != watched.served.revision:
                    await self._refresh(watched)
                failing = False
            except Exception as error:  # noqa: BLE001 - clients keep what they have, and we keep asking
                if not failing:
                    _log.warning("cannot see what is served", environment=watched.name, reason=str(error))
                failing = True
            await _set_within(watched.urgent, TROUBLE_S if failing else self._poll_s)
            watched.urgent.clear()

    async def _see_revocations(self) -> None:
        revocations = await to_thread.run_sync(self._source.revocations, limiter=self._threads)
        before, self._revocations = self._revocations, revocations
        if before not in (None, revocations):
            self._on_revoked()
            self._wake_all()

    async def _refresh(self, watched: _Watched) -> Served:
        async with watched.refreshing:
            while True:
                done = watched.served
                if done is not None and done.revision == watched.known_revision:
                    return done
                heard = watched.known_revision
                served = _ready(await self._ask(self._source.snapshot, watched.name))
                # A change reported meanwhile may be newer than what was read: then read again.
                if watched.known_revision in (heard, served.revision):
                    watched.known_revision = served.revision
                if done is None or done.etag != served.etag:
                    watched.served = served
                    watched.wake()

    async def _ask(self, question: Callable[[str], Answer], name: str) -> Answer:
        return await to_thread.run_sync(question, name, limiter=self._threads)


def _ready(snapshot: Snapshot) -> Served:
    body = _body_of(snapshot)
    return Served(snapshot.revision, f'"{snapshot.revision}-{sha256(body).hexdigest()[:16]}"', body, snapshot)


def _narrowed(served: Served, actor: Actor) -> Served:
    """What is served of some prompts. Its tag does not change with what others are served."""
    snapshot = served.snapshot.narrowed(actor.sees)
    tag = sha256(_body_of(replace(snapshot, revision=0))).hexdigest()[:32]
    return Served(snapshot.revision, f'"{tag}"', _body_of(snapshot), snapshot)


def _body_of(snapshot: Snapshot) -> bytes:
    return json.dumps(snapshot.to_json(), separators=(",", ":"), ensure_ascii=False).encode()


async def _set_within(event: asyncio.Event, timeout_s: float) -> bool:
    """Returns True if the event is set before the timeout."""
    try:
        # Not `wait_for`: in Python 3.11 it swallows a cancellation that comes with the event.
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True

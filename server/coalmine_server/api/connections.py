"""Limits on connections that uvicorn does not have: their number, and the time a request may take to arrive.

A stranger needs no token to open a connection and send half a request. So a request must arrive in time, its
answer must be taken in time, and where there are too many connections, the one that has kept us waiting
longest makes room for the new one. Requests that are being answered, waiting clients too, are left alone.
"""

import asyncio
import resource
from collections.abc import Mapping
from typing import Any, Final, Literal

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from coalmine_server.sockets import OTHER_FILES

HEAD_TIMEOUT_S: Final = 10.0
"""How long the head of a request may take to arrive; on a new connection, from its beginning."""
BODY_TIMEOUT_S: Final = 60.0
"""How long the body may take after it, and how long a client may read nothing of its answer."""
LARGEST_HEAD_BYTES: Final = 32 * 1024

Wait = Literal["head", "body", "reader"]
"""What a connection keeps us waiting for: a request, or somebody to take the answer."""

TIMEOUTS_S: Final[Mapping[Wait, float]] = {
    "head": HEAD_TIMEOUT_S,
    "body": BODY_TIMEOUT_S,
    "reader": BODY_TIMEOUT_S,
}

_log = structlog.stdlib.get_logger("coalmine.http")


def connection_limit(most: int) -> int:
    """Connections that this process may have: the setting, but not so many that others have no file left.

    `OTHER_FILES` are kept for the store, Kafka and the database, or half of the files if they are few:
    connections must not keep ingest from its files.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (
        most if files == resource.RLIM_INFINITY else min(most, max(1, files - min(files // 2, OTHER_FILES)))
    )


class Connections:
    """All open connections, in the order in which they began to keep us waiting. For one event loop."""

    def __init__(self, most: int, timeouts_s: Mapping[Wait, float] = TIMEOUTS_S) -> None:
        self.most = most
        self.timeouts_s = timeouts_s
        self.waiting: dict[GuardedProtocol, None] = {}
        """Those that keep us waiting, longest first."""
        self._full = False

    def admit(self, new: "GuardedProtocol", number: int) -> None:
        """Makes room for a new connection, or refuses it.

        Args:
            new: The new one.
            number: Connections there are with it.
        """
        full = number > self.most
        if full and not self._full:
            _log.warning("too many connections: closing those that keep it waiting", most=self.most)
        self._full = full
        if full:
            next((each for each in self.waiting if each is not new), new).abort()


class GuardedProtocol(H11Protocol):
    """uvicorn's protocol, with the limits."""

    def __init__(self, *arguments: Any, guard: Connections, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **options)
        self._guard = guard
        self._waits_for: Wait | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._unread_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for a request."""
        super().connection_made(transport)
        self._wait_for("head")
        self._guard.admit(self, len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no more."""
        super().connection_lost(exc)
        self._wait_for(None)

    def handle_events(self) -> None:
        """Takes what came, and sees what is missing."""
        super().handle_events()
        self._look()

    def on_response_complete(self) -> None:
        """Waits for the next request."""
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """Waits for somebody who reads."""
        super().pause_writing()
        self._look()

    def resume_writing(self) -> None:
        """Somebody has read."""
        super().resume_writing()
        self._look()

    def abort(self) -> None:
        """Closes it at once, whatever is still to be sent."""
        self._wait_for(None)
        self.connections.discard(self)
        self.transport.abort()

    def _look(self) -> None:
        if self.transport.is_closing():
            return  # the deadline stays, for what cannot be sent
        if self.flow.write_paused:
            self._wait_for("reader")
        elif self.conn.their_state is h11.IDLE:
            self._wait_for("head")
        elif self.conn.their_state is h11.SEND_BODY:
            self._wait_for("body")
        else:
            self._wait_for(None)

    def _wait_for(self, what: Wait | None) -> None:
        if what == self._waits_for:
            return
        self._waits_for = what
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._guard.waiting.pop(self, None)
        if what is not None:
            self._guard.waiting[self] = None
            self._unread_bytes = self.transport.get_write_buffer_size()
            self._deadline = self.loop.call_later(self._guard.timeouts_s[what], self._late, what)

    def _late(self, what: Wait) -> None:
        unread_bytes = self.transport.get_write_buffer_size()
        if what == "reader" and unread_bytes < self._unread_bytes:  # slow, but reads
            self._unread_bytes = unread_bytes
            self._deadline = self.loop.call_later(self._guard.timeouts_s[what], self._late, what)
        else:
            self.abort()

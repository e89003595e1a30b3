"""Notices a Kafka client that will never connect again, so that its owner makes it anew.

When librdkafka is told of topics but of no broker, as a single KRaft broker does while it stops in order, it
forgets its only broker and tries no connection from then on (confluentinc/librdkafka#5301). To its owner
this looks like an outage. What tells the two apart is that the broker's address takes connections.
"""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

FIRST_PATIENCE_S: Final = 5.0
LAST_PATIENCE_S: Final = 30.0
_LOOK_EVERY_S: Final = 1.0
_CONNECT_TIMEOUT_S: Final = 2.0
_DEFAULT_PORT: Final = 9092


class Watchdog:
    """Watches one client; for one thread.

    A client is dead when it has heard nothing although a broker's address took connections for
    `FIRST_PATIENCE_S`. The next client is given twice the time, up to `LAST_PATIENCE_S`: a broker that takes
    connections and answers nobody is no reason for a new client every few seconds.

    Args:
        servers: Brokers, `host:port,...`.
        takes_connections: Whether one of them does; called on a thread of its own, since it may block.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        servers: str,
        *,
        takes_connections: Callable[[str], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._servers = servers
        self._takes_connections = takes_connections or any_takes_connections
        self._clock = clock
        self._patience_s = FIRST_PATIENCE_S
        self._reachable_since: float | None = None
        self._look_at = 0.0
        self._looking: threading.Thread | None = None

    def heard(self) -> None:
        """The client heard from a broker."""
        self._patience_s = FIRST_PATIENCE_S
        self._reachable_since = None

    def is_dead(self) -> bool:
        """Whether to make the client anew, said once per client. Call it while the client waits in vain."""
        now = self._clock()
        if self._reachable_since is not None and now - self._reachable_since >= self._patience_s:
            self._patience_s = min(2 * self._patience_s, LAST_PATIENCE_S)
            self._reachable_since = None
            return True
        if now >= self._look_at and (self._looking is None or not self._looking.is_alive()):
            self._look_at = now + _LOOK_EVERY_S
            self._looking = threading.Thread(target=self._look, name="coalmine-kafka-look", daemon=True)
            with suppress(RuntimeError):  # no more threads, or the interpreter is ending
                self._looking.start()
        return False

    def _look(self) -> None:
        if not self._takes_connections(self._servers):
            self._reachable_since = None
        elif self._reachable_since is None:
            self._reachable_since = self._clock()


def any_takes_connections(servers: str) -> bool:
    """Whether one of the brokers takes TCP connections. May block for some seconds."""
    return any(_takes_connections(server.strip()) for server in servers.split(","))


def _takes_connections(server: str) -> bool:
    host, colon, port = server.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdigit():
        host, port = server, str(_DEFAULT_PORT)
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_TIMEOUT_S):
            return True
    except (OSError, ValueError):
        return False

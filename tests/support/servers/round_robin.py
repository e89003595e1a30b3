"""A TCP proxy before several servers, which gives each new connection to the next one that takes it.

```python
with RoundRobin([one.url, two.url]) as proxy:
    httpx2.get(f"{proxy.url}/healthz")
```
"""

import contextlib
import itertools
import socket
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class RoundRobin:
    """Listens on a loopback port and passes bytes on.

    Args:
        urls: The servers, of this machine. `servers` may be replaced at any time, as after a restart; with
            none, connections end at once.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self.servers = [*urls]
        self._turns = itertools.count()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """From now on nobody listens, and no connection is open."""
        with self._lock:
            self._closed = True
            for each in (self._listener, *self._sockets):
                _end(each)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._connected()
                with self._lock:
                    if server is None or self._closed:
                        _end(client)
                        continue
                    self._sockets |= {client, server}
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _connected(self) -> socket.socket | None:
        """A connection to the server whose turn it is, or to the next that takes one."""
        servers, turn = self.servers, next(self._turns)
        for number in range(len(servers)):
            parts = urlsplit(servers[(turn + number) % len(servers)])
            with contextlib.suppress(OSError):
                return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5)
        return None

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            source.settimeout(None)
            while received := source.recv(65_536):
                target.sendall(received)
        with self._lock:
            self._sockets -= {source, target}
        for each in (source, target):
            _end(each)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()

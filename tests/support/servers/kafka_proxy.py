"""A TCP proxy in front of a broker that can be told to misbehave.

```python
port, behind = free_port(), free_port()
broker = own_kafka(listeners=[Listener("PROXIED", port=behind, advertised_port=port)])
with KafkaProxy(port, behind) as proxy:
    proxy.fault = "no_brokers"
```
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Literal, Self

Fault = Literal["none", "no_brokers", "refuse", "hang", "reset"]
"""`no_brokers`: metadata name a topic and no broker, then the connection ends; a KRaft broker that stops in
order can answer so, and it makes librdkafka forget its brokers if a connection is open. `refuse`: nobody
listens. `hang`: connections are taken and stay silent. `reset`: each ends at its first byte."""

FAULTS: Final[tuple[Fault, ...]] = ("no_brokers", "refuse", "hang", "reset")

_METADATA: Final = 3
_RESET: Final = struct.pack("ii", 1, 0)
"""Option SO_LINGER: `close` sends RST instead of FIN."""


class KafkaProxy:
    """Listens on a loopback port and passes bytes on to another one, as long as `fault` is `none`."""

    def __init__(self, port: int, behind: int) -> None:
        self._port = port
        self._behind = behind
        self._fault: Fault = "none"
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._closed = False
        self.accepted = 0
        """Connections taken so far."""

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self._unlisten()
        self._end_connections()

    @property
    def bootstrap_servers(self) -> str:
        """For clients."""
        return f"127.0.0.1:{self._port}"

    @property
    def fault(self) -> Fault:
        """What it does now."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        was, self._fault = self._fault, fault
        if fault == "refuse":
            self._unlisten()
        elif was == "refuse":
            self._listen()
        if fault in ("refuse", "reset") or (was == "hang" and fault != "hang"):
            self._end_connections()

    def _listen(self) -> None:
        listener = socket.create_server(("127.0.0.1", self._port), backlog=64)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _unlisten(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            broker = socket.create_connection(("127.0.0.1", self._behind), timeout=5)
        except OSError:
            client.close()
            return
        broker.settimeout(None)
        with self._lock:
            self._sockets |= {client, broker}
        threading.Thread(target=self._pump, args=(broker, client, lambda _data: False), daemon=True).start()
        requests = _Requests()
        self._pump(client, broker, lambda data: self._answered(client, requests.take(data)))

    def _pump(self, source: socket.socket, target: socket.socket, intercept: Callable[[bytes], bool]) -> None:
        """Passes on what comes, until one side ends; what `intercept` says True to ends both."""
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._fault == "hang":
                    continue
                if self._fault == "reset" or intercept(data):
                    break
                target.sendall(data)
        self._end(source, target)

    def _answered(self, client: socket.socket, requests: "list[tuple[int, int, int]]") -> bool:
        """Whether a request for metadata was answered, with no brokers in it."""
        if self._fault != "no_brokers":
            return False
        asked = [(version, id_) for key, version, id_ in requests if key == _METADATA]
        for version, correlation_id in asked:
            client.sendall(_no_brokers(version, correlation_id))
        return bool(asked)

    def _end_connections(self) -> None:
        with self._lock:
            ending = tuple(self._sockets)
        self._end(*ending)

    def _end(self, *ending: socket.socket) -> None:
        for each in ending:
            with contextlib.suppress(OSError):
                if self._fault == "reset":
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                # Wakes the thread that reads from it, which `close` alone does not.
                each.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                each.close()
        with self._lock:
            self._sockets -= set(ending)


class _Requests:
    """Finds the requests in a client's bytes."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, data: bytes) -> list[tuple[int, int, int]]:
        """API key, version and correlation id of the requests that `data` completes."""
        self._rest += data
        found: list[tuple[int, int, int]] = []
        while len(self._rest) >= 4 and len(self._rest) >= 4 + (size := int.from_bytes(self._rest[:4], "big")):
            found.append(struct.unpack(">hhi", self._rest[4:12]))
            self._rest = self._rest[4 + size :]
        return found


def _no_brokers(version: int, correlation_id: int) -> bytes:
    """A metadata response with no broker, and one topic whose only partition has no leader."""
    name = b"coalmine.requests"
    compact = version >= 9
    body = struct.pack(">i", correlation_id) + (b"\0" if compact else b"")
    body += struct.pack(">i", 0) if version >= 3 else b""  # throttle time
    body += b"\x01" if compact else struct.pack(">i", 0)  # brokers
    body += (b"\0" if compact else struct.pack(">h", -1)) if version >= 2 else b""  # cluster id
    body += struct.pack(">i", -1) if version >= 1 else b""  # controller
    body += b"\x02" if compact else struct.pack(">i", 1)  # topics
    body += struct.pack(">h", 0)
    body += bytes([len(name) + 1]) + name if compact else struct.pack(">h", len(name)) + name
    body += bytes(16) if version >= 10 else b""  # topic id
    body += b"\0" if version >= 1 else b""  # internal
    body += b"\x02" if compact else struct.pack(">i", 1)  # partitions
    body += struct.pack(">hii", 5, 0, -1)  # LEADER_NOT_AVAILABLE
    body += struct.pack(">i", -1) if version >= 7 else b""  # leader epoch
    empty = b"\x01" if compact else struct.pack(">i", 0)
    body += empty + empty  # replicas, in sync
    body += empty if version >= 5 else b""  # offline
    body += b"\0" if compact else b""
    body += struct.pack(">i", -(2**31)) if version >= 8 else b""  # authorised operations
    body += b"\0" if compact else b""
    body += struct.pack(">i", -(2**31)) if 8 <= version <= 10 else b""  # of the cluster
    body += struct.pack(">h", 0) if version >= 13 else b""
    body += b"\0" if compact else b""
    return struct.pack(">i", len(body)) + body

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
_COMPACT: Final = 9
"""Version from which on it is laid out in the compact form; both sides speak newer ones."""
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
        asked = _Asked()
        threading.Thread(target=self._pump, args=(broker, client, asked.answer), daemon=True).start()
        self._pump(client, broker, asked.ask)

    def _pump(
        self, source: socket.socket, target: socket.socket, change: Callable[[bytes], tuple[bytes, bool]]
    ) -> None:
        """Passes on what comes, until one side ends; `change` says what instead, and whether that is all."""
        frames = _Frames()
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._fault == "hang":
                    continue
                if self._fault == "reset":
                    break
                for frame in frames.take(data):
                    changed, is_last = change(frame)
                    if is_last and self._fault == "no_brokers":
                        target.sendall(_framed(changed))
                        raise OSError("the connection ends here")
                    target.sendall(_framed(frame))
        self._end(source, target)

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


class _Frames:
    """Cuts a stream of bytes into requests or responses."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, data: bytes) -> list[bytes]:
        """Those that `data` completes, without their sizes."""
        self._rest += data
        found: list[bytes] = []
        while len(self._rest) >= 4 and len(self._rest) >= 4 + (size := int.from_bytes(self._rest[:4], "big")):
            found.append(self._rest[4 : 4 + size])
            self._rest = self._rest[4 + size :]
        return found


def _framed(frame: bytes) -> bytes:
    return struct.pack(">i", len(frame)) + frame


class _Asked:
    """What a client asked on one connection."""

    def __init__(self) -> None:
        self._metadata: set[bytes] = set()
        """Correlation ids of questions for metadata in a version that is laid out as below."""

    def ask(self, request: bytes) -> tuple[bytes, bool]:
        """Notes a request."""
        key, version = struct.unpack(">hh", request[:4])
        if key == _METADATA and version >= _COMPACT:
            self._metadata.add(request[4:8])
        return request, False

    def answer(self, response: bytes) -> tuple[bytes, bool]:
        """A response, without brokers if it is one with metadata; then it is the last."""
        if response[:4] not in self._metadata:
            return response, False
        brokers = end = 4 + 1 + 4  # behind correlation id, tags and throttle time
        count, end = response[end] - 1, end + 1
        for _ in range(count):
            end += 4  # id
            end += response[end] + 4  # host and port
            end += max(1, response[end]) + 1  # rack, which may be null, and tags
        return response[:brokers] + b"\x01" + response[end:], True

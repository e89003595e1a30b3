"""A TCP proxy in front of a broker that can be told to misbehave.

```python
with KafkaProxy("127.0.0.1", 9092) as proxy:
    proxy.fault = "no_brokers"
```

Where the broker names its own address, clients are given that of the proxy.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Literal, Self

from tests.support.servers.kafka_broker import KafkaBroker
from tests.support.servers.ports import free_port

Fault = Literal["none", "no_brokers", "refuse", "hang", "reset"]
"""`no_brokers`: metadata name a topic and no broker, then the connection ends; a KRaft broker that stops in
order can answer so, and it makes librdkafka forget its brokers if a connection is open. `refuse`: nobody
listens. `hang`: connections are taken and stay silent. `reset`: each ends at its first byte."""

FAULTS: Final[tuple[Fault, ...]] = ("no_brokers", "refuse", "hang", "reset")

_METADATA: Final = 3
_COMPACT: Final = 10
"""Version from which on it is laid out as below, with topic ids; both sides speak newer ones."""
_LEADER_NOT_AVAILABLE: Final = 5
_RESET: Final = struct.pack("ii", 1, 0)
"""Option SO_LINGER: `close` sends RST instead of FIN."""


class KafkaProxy:
    """Listens on a loopback port and passes bytes on to a broker, as long as `fault` is `none`.

    Args:
        host: The only broker, as it names itself; of this machine.
        port: Its port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._port = free_port()
        self._broker = (host, port)
        self._named = host.encode() + struct.pack(">i", port)
        self._named_instead = host.encode() + struct.pack(">i", self._port)
        self._fault: Fault = "none"
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._closed = False
        self.accepted = 0
        """Connections taken so far."""
        self.only_topic: str | None = None
        """The one topic that answers without brokers name, without its id: by that a producer is dead each
        time. None for all that were asked for: other answers end the process of an admin client."""

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
            broker = socket.create_connection(self._broker, timeout=5)
        except OSError:
            client.close()
            return
        broker.settimeout(None)
        with self._lock:
            self._sockets |= {client, broker}
        asked = _Asked(self)
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
                    target.sendall(_framed(frame.replace(self._named, self._named_instead)))
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


def under_each_fault(
    broker: KafkaBroker, run: Callable[[KafkaProxy, Fault], object], faults: Iterable[Fault] = FAULTS
) -> None:
    """Runs all faults at once, each behind a proxy of its own, so that they are waited for together.

    Raises:
        ExceptionGroup: Of what was raised, each with a note that says under which fault.
    """
    (node,) = broker.admin().list_topics(timeout=30).brokers.values()

    def under(fault: Fault) -> Exception | None:
        try:
            with KafkaProxy(str(node.host), node.port) as proxy:
                run(proxy, fault)
        except Exception as error:  # noqa: BLE001 - raised below, with those of the others
            error.add_note(f"under the fault {fault!r}")
            return error
        return None

    with ThreadPoolExecutor(len(FAULTS)) as pool:
        errors = [error for error in pool.map(under, faults) if error is not None]
    if errors:
        raise ExceptionGroup("faults were not survived", errors)


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

    def __init__(self, proxy: KafkaProxy) -> None:
        self._proxy = proxy
        self._metadata: dict[bytes, int] = {}
        """Versions of questions for metadata that are laid out as below, by correlation id."""

    def ask(self, request: bytes) -> tuple[bytes, bool]:
        """Notes a request."""
        key, version = struct.unpack(">hh", request[:4])
        if key == _METADATA and version >= _COMPACT:
            self._metadata[request[4:8]] = version
        return request, False

    def answer(self, response: bytes) -> tuple[bytes, bool]:
        """A response, without brokers and leaders if it is one with metadata; then it is the last."""
        if response[:4] not in self._metadata:
            return response, False
        brokers = end = 4 + 1 + 4  # behind correlation id, tags and throttle time
        count, end = response[end] - 1, end + 1
        for _ in range(count):
            end += 4  # id
            end += response[end] + 4  # host and port
            end += max(1, response[end]) + 1  # rack, which may be null, and tags
        version = self._metadata[response[:4]]
        topic = self._proxy.only_topic
        rest = _without_leaders(response[end:]) if topic is None else _one_topic(topic.encode(), version)
        return response[:brokers] + b"\x01" + rest, True


def _one_topic(name: bytes, version: int) -> bytes:
    """What follows on the brokers: neither cluster nor controller, and one topic without a leader."""
    topic = struct.pack(">h", 0) + bytes([len(name) + 1]) + name + bytes(16) + b"\0"
    partition = struct.pack(">hiii", _LEADER_NOT_AVAILABLE, 0, -1, -1) + b"\x01\x01\x01\0"
    body = b"\0" + struct.pack(">i", -1) + b"\x02" + topic + b"\x02" + partition
    body += struct.pack(">i", -(2**31)) + b"\0"  # authorised operations
    body += struct.pack(">i", -(2**31)) if version == 10 else b""  # those of the cluster
    return body + (struct.pack(">h", 0) if version >= 13 else b"") + b"\0"


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A compact length, which counts from one and takes more bytes the longer it is, and what follows it."""
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value - 1, at


def _without_leaders(rest: bytes) -> bytes:
    """What follows on the brokers, with no controller, and no leader for any partition."""
    changed = bytearray(rest)
    at = max(1, rest[0]) + 4  # cluster id and controller
    changed[at - 4 : at] = struct.pack(">i", -1)
    topics, at = _length(rest, at)
    for _ in range(topics):
        at += 2
        at += rest[at]  # name
        at += 16 + 1  # id and whether internal
        partitions, at = rest[at] - 1, at + 1
        for _ in range(partitions):
            changed[at : at + 2] = struct.pack(">h", _LEADER_NOT_AVAILABLE)
            # Leader, and no epoch: with that of before, clients take the answer for an old one.
            changed[at + 6 : at + 14] = struct.pack(">ii", -1, -1)
            at += 14
            for _ in range(3):  # replicas: all, in sync, offline
                at += 1 + 4 * (rest[at] - 1)
            at += 1
        at += 4 + 1  # authorised operations and tags
    return bytes(changed)

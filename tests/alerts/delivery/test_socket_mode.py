"""Socket Mode against a real WebSocket of this machine."""

import base64
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from coalmine_alerts.commands import Commands
from coalmine_alerts.delivery.buttons import Buttons
from coalmine_alerts.delivery.socket_mode import SocketMode
from coalmine_alerts.errors import Later
from coalmine_alerts.messages.buttons import button_value
from coalmine_alerts.storage.alerts import alert
from coalmine_registry.storage.database import Database
from tests.support.doubles.alert_outbox import AlertOutbox
from tests.support.eventually import eventually
from tests.support.servers.receiver import Received, Receiver

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class _WebSocket:
    """The server's end of one connection; frames are small."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}/link"
        self.received: list[dict[str, Any]] = []
        self._connected = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        self._connection, _ = self._listener.accept()
        request = b""
        while b"\r\n\r\n" not in request:
            request += self._connection.recv(4096)
        (key,) = [
            line.split(b": ")[1]
            for line in request.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key")
        ]
        accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest())
        self._connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self._connected.set()
        while True:
            head = self._read(2)
            if len(head) < 2:
                return
            length = head[1] & 127
            if length == 126:
                (length,) = struct.unpack(">H", self._read(2))
            mask, content = self._read(4), self._read(length)
            text = bytes(each ^ mask[place % 4] for place, each in enumerate(content))
            if head[0] & 15 == 1:
                self.received.append(json.loads(text))

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            try:
                part = self._connection.recv(size - len(found))
            except OSError:
                return b""
            if not part:
                return b""
            found += part
        return found

    def send(self, message: dict[str, Any]) -> None:
        assert self._connected.wait(30)
        content = json.dumps(message).encode()
        self._connection.sendall(b"\x81\x7e" + struct.pack(">H", len(content)) + content)

    def close(self) -> None:
        self._listener.close()
        if self._connected.is_set():
            self._connection.close()


@pytest.fixture
def web_socket() -> Iterator[_WebSocket]:
    made = _WebSocket()
    yield made
    made.close()


def _buttons(outbox: AlertOutbox) -> Buttons:
    commands = Commands(outbox.database, lambda _: (), outbox.clock)
    return Buttons(outbox.database, commands, {"U1": "dana"}, clock=outbox.clock)


def test_a_press_is_confirmed_done_and_answered(
    database: Database, server: Receiver, web_socket: _WebSocket
) -> None:
    def handle(request: Received) -> tuple[int, dict[str, str], bytes]:
        if request.path == "/api/apps.connections.open":
            assert request.headers["Authorization"] == "Bearer xapp-secret"
            return 200, {}, json.dumps({"ok": True, "url": web_socket.url}).encode()
        return 200, {}, b"ok"

    server.handle = handle
    outbox = AlertOutbox(database, [])
    key = outbox.tell("summarize")
    host = server.url.removeprefix("http://")
    mode = SocketMode("xapp-secret", _buttons(outbox), url=f"{server.url}/api", answers_to=host)
    mode.keep_connected()
    mode.keep_connected()
    payload = {
        "type": "block_actions",
        "user": {"id": "U1"},
        "response_url": f"{server.url}/answer",
        "actions": [{"value": button_value("acknowledge", [key]), "action_ts": "1.1"}],
    }
    web_socket.send({"envelope_id": "e1", "type": "interactive", "payload": payload})
    eventually(lambda: any(each.path == "/answer" for each in server.requests))
    eventually(lambda: web_socket.received)
    assert web_socket.received[0]["envelope_id"] == "e1"
    assert alert(database, key).acknowledged_by == "dana"
    answer = server.requests[-1].json()
    assert (answer["response_type"], answer["text"]) == ("ephemeral", "Acknowledged.")
    mode.close()


def test_slack_that_refuses_is_tried_again_later(database: Database, server: Receiver) -> None:
    server.handle = lambda _: (200, {}, b'{"ok": false, "error": "invalid_auth"}')
    mode = SocketMode("xapp-secret", _buttons(AlertOutbox(database, [])), url=f"{server.url}/api")
    with pytest.raises(Later, match="SlackApiError"):
        mode.keep_connected()
    mode.close()


def test_an_answer_goes_to_slack_and_to_nobody_else(database: Database, server: Receiver) -> None:
    mode = SocketMode("xapp-secret", _buttons(AlertOutbox(database, [])), url=f"{server.url}/api")
    mode._answer({"response_url": f"{server.url}/answer"}, "text")
    assert not server.requests
    mode.close()

"""A registry's `GET /v1/deployments/{environment}` over real HTTP, to be killed, slowed down and broken."""

import json
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

from coalmine_schemas.discovery import CHALLENGE_HEADER, PROOF_HEADER, proof_of

Mode = Literal["ok", "error", "garbage", "wrong", "slow"]


_BROKEN: dict[str, tuple[int, bytes, str | None]] = {
    "error": (500, b"<h1>no</h1>", None),
    "garbage": (200, b'{"environment": ' + bytes(range(256)), '"x"'),
    "wrong": (200, b'{"environment": "other", "revision": 1, "prompts": {}, "contents": {}}', '"x"'),
}


class DeploymentServer:
    """Serves snapshots with long-poll and ETag, on a port that stays the same through restarts."""

    def __init__(self) -> None:
        self.mode: Mode = "ok"
        self.slow_s = 10.0
        self.token: str | None = None
        self.secret = "of this server"
        """What it proves itself with."""
        self.questions: list[tuple[str, str | None, float]] = []
        """Path, If-None-Match and wait of each question."""
        self.refused = 0
        self._snapshots: dict[str, dict[str, Any]] = {}
        self._changed = threading.Condition()
        self._port = 0
        self._server: _Server | None = None
        self._ended = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def publish(self, snapshot: dict[str, Any]) -> None:
        """Serves a snapshot from now on and wakes who waits for it."""
        with self._changed:
            self._snapshots[snapshot["environment"]] = snapshot
            self._changed.notify_all()

    def has_told(self, revision: int) -> bool:
        """Whether somebody knows a revision."""
        return any(etag == f'"{revision}"' for _, etag, _ in tuple(self.questions))

    def start(self) -> Self:
        """Starts, or starts again on the same port."""
        self._ended = threading.Event()
        self._server = _Server(("127.0.0.1", self._port), self)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def kill(self) -> None:
        """Ends at once, with every connection."""
        server, self._server = self._server, None
        if server is None:
            return
        self._ended.set()
        with self._changed:
            self._changed.notify_all()
        server.shutdown()
        server.server_close()
        for connection in tuple(server.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def answer(self, path: str, etag: str | None, token: str | None) -> tuple[int, bytes, str | None]:
        """Status, body and ETag; waits as the question asks."""
        parts = urlsplit(path)
        wait_s = float(parse_qs(parts.query).get("wait", ["0"])[0])
        self.questions.append((parts.path, etag, wait_s))
        if self.token is not None and token != f"Bearer {self.token}":
            self.refused += 1
            return 401, b'{"title": "Unauthorized", "detail": "give a token"}', None
        if self.mode == "slow":
            self._ended.wait(self.slow_s)
        environment = parts.path.rpartition("/")[2]
        give_up_at = time.monotonic() + wait_s
        with self._changed:
            while True:
                if self.mode in _BROKEN:
                    return _BROKEN[self.mode]
                snapshot = self._snapshots.get(environment)
                if snapshot is None:
                    return 404, b'{"detail": "there is no such environment"}', None
                current = f'"{snapshot["revision"]}"'
                left_s = give_up_at - time.monotonic()
                if current != etag:
                    return 200, json.dumps(snapshot).encode(), current
                if left_s <= 0 or self._ended.is_set() or self.mode != "ok":
                    return 304, b"", current
                self._changed.wait(min(left_s, 0.2))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], owner: DeploymentServer) -> None:
        self.owner = owner
        self.connections: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away, or a server that was killed."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are written one after the other: the second would wait 40 ms for a confirmation.
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        owner = self.server.owner
        if self.path == "/healthz":
            self.send_response(200)
            self.send_header(PROOF_HEADER, proof_of(owner.secret, self.headers[CHALLENGE_HEADER]))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        status, body, etag = owner.answer(
            self.path, self.headers.get("If-None-Match"), self.headers.get("Authorization")
        )
        self.send_response(status)
        if etag is not None:
            self.send_header("ETag", etag)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

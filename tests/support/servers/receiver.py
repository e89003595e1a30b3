"""A real HTTP server in the place of Slack, PagerDuty or a receiver of one's own, with faults on request."""

import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Fault = Literal[
    "429",
    "500",
    "503",
    "400",
    "404",
    "garbage",
    "hang",
    "accept_and_drop",
    "drop",
    "accept_and_500",
    "redirect",
]
"""`accept_and_...`: it takes the message, and the sender does not learn so."""
Answer = tuple[int, Mapping[str, str], bytes]


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """What it got, what it took, and how it misbehaves next."""

    handle: Callable[[Received], Answer]
    url: str = ""
    requests: list[Received] = field(default_factory=list)
    faults: deque[Fault | None] = field(default_factory=deque)
    """For the next requests, one each; None: none."""
    away: Fault | None = None
    """For all requests, as long as it is set."""
    retry_after: str | None = "30"
    released: threading.Event = field(default_factory=threading.Event)
    """Set: what hangs is let go."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def respond(self, request: Received) -> Answer | None:
        """Returns the answer; None: the connection is closed without one."""
        with self._lock:
            self.requests.append(request)
            fault = self.away or (self.faults.popleft() if self.faults else None)
            answer = self.handle(request) if fault in (None, "accept_and_drop", "accept_and_500") else None
        match fault:
            case None:
                assert answer is not None
                return answer
            case "hang":
                self.released.wait(30)
                return None
            case "drop" | "accept_and_drop":
                return None
            case "429":
                return 429, ({} if self.retry_after is None else {"Retry-After": self.retry_after}), b"slow"
            case "garbage":
                return 200, {}, b"\x00<html>what?"
            case "redirect":
                return 302, {"Location": f"{self.url}/elsewhere"}, b""
            case "accept_and_500":
                return 500, {}, b"it went wrong"
            case _:
                return int(fault), {}, b"it went wrong"


@contextmanager
def receiver(handle: Callable[[Received], Answer] = lambda _: (200, {}, b"ok")) -> Iterator[Receiver]:
    """Starts a server on a free port of this machine."""
    state = Receiver(handle)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            request = Received(self.path, dict(self.headers), self.rfile.read(length))
            answer = state.respond(request)
            if answer is None:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        thread.join()
        server.server_close()

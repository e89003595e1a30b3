"""A small HTTP server with the API's answers, for states that are hard to reach with the real server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, Any]
Handler = Callable[[dict[str, str]], Any]
"""Returns a document, or an answer of another status than 200."""


class DashboardApi:
    """Serves handlers by path, and records the requests."""

    def __init__(self, handlers: dict[str, Handler], *, token: str | None = None) -> None:
        self.handlers = handlers
        self.token = token
        self.problem: Answer | None = None
        """Answer to every request while set: status and document."""
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.posted: list[tuple[str, Any]] = []
        """Paths and bodies."""
        self.revisions: list[str | None] = []
        """What each of them says that it saw: If-Match."""
        self.authorizations: list[str | None] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, parameters: dict[str, str], authorization: str | None) -> Answer:
        self.asked.append((path, parameters))
        self.authorizations.append(authorization)
        if self.token is not None and authorization != f"Bearer {self.token}":
            return 401, problem("unauthenticated", 401, "this needs a bearer token")
        if self.problem is not None:
            return self.problem
        handler = self.handlers.get(path)
        if handler is None:
            return 404, problem("not-found", 404, f"no resource at {path}")
        found = handler(parameters)
        return found if isinstance(found, tuple) else (200, found)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handles(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body are written one after the other: the second would wait 40 ms for a confirmation.
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                split = urlsplit(self.path)
                # A repeated one has commas between its values.
                parameters = {name: ",".join(values) for name, values in parse_qs(split.query).items()}
                status, document = api.answer(split.path, parameters, self.headers.get("Authorization"))
                raw = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
                api.posted.append((self.path, body))
                api.revisions.append(self.headers.get("If-Match"))
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handles


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores clients that timed out: tests provoke them."""


def problem(kind: str, status: int, detail: str) -> dict[str, object]:
    """Returns a problem document."""
    return {"type": f"urn:coalmine:{kind}", "title": kind, "status": status, "detail": detail}

"""A stub of langfuse's API that gives one prompt, at once: what their SDK is compared on."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class LangfuseStub:
    """What the stub gives, and where it is."""

    def __init__(self, name: str, text: str, url: str = "") -> None:
        self.name = name
        self.text = text
        """The prompt from now on."""
        self.url = url


@contextmanager
def langfuse_stub(name: str, text: str) -> Iterator[LangfuseStub]:
    """The stub, listening, for the length of a block.

    Args:
        name: Of the prompt.
        text: Its text at first.
    """
    stub = LangfuseStub(name, text)

    class Api(BaseHTTPRequestHandler):
        """The one answer that the SDK asks for."""

        def do_GET(self) -> None:
            body = json.dumps(
                {
                    "type": "text",
                    "name": stub.name,
                    "version": 1,
                    "prompt": stub.text,
                    "config": {},
                    "labels": ["production"],
                    "tags": [],
                    "commitMessage": None,
                    "resolutionGraph": None,
                }
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()

"""A local HTTP server in Slack's place: takes what an incoming webhook takes, and keeps it."""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

LONGEST_BODY: Final = 1_000_000
PATH: Final = "/services/stand-in"

Message = Mapping[str, Any]
"""What was posted: `text` and `blocks`."""


class SlackStandIn:
    """Answers as Slack does, on this machine alone.

    Args:
        on_message: Told of each message, on a thread of its own.
    """

    def __init__(self, on_message: Callable[[Message], None] | None = None) -> None:
        self.messages: list[Message] = []
        """What was posted, in order."""
        self._on_message = on_message
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Of its webhook."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{PATH}"

    @contextmanager
    def running(self) -> Iterator["SlackStandIn"]:
        """Answers for the length of a block."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def _take(self, body: bytes) -> bool:
        try:
            message = json.loads(body)
        except ValueError:
            return False
        if not isinstance(message, dict) or not message.get("text"):
            return False
        self.messages.append(message)
        if self._on_message is not None:
            self._on_message(message)
        return True

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = min(int(self.headers.get("Content-Length") or 0), LONGEST_BODY)
                taken = self.path == PATH and stand_in._take(self.rfile.read(length))
                answer = b"ok" if taken else b"invalid_payload"
                self.send_response(200 if taken else 400)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing: the terminal is for the messages."""

        return Handler


def readable(message: Message) -> str:
    """Returns what a message says, for a terminal: a line for each block, table row and text."""
    blocks = message.get("blocks") or []
    lines = [line for block in blocks for line in _lines(block)]
    return "\n".join(lines or [_plain(str(message.get("text", "")))])


def _lines(block: Mapping[str, Any]) -> Iterator[str]:
    match block.get("type"):
        case "actions":
            labels = [each.get("text", {}).get("text", "") for each in block.get("elements", ())]
            yield " ".join(f"[{label}]" for label in labels if label)
        case "table":
            rows = [["".join(_texts(cell)) for cell in row] for row in block.get("rows", ())]
            widths = [max(map(len, column)) for column in zip(*rows, strict=False)]
            for row in rows:
                yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        case "data_visualization":
            yield f"(chart: {block.get('title', '')})"
        case _:
            yield from "".join(_texts(block)).splitlines()


_HOLD_TEXT: Final = ("text", "fields", "elements")


def _texts(node: object) -> Iterator[str]:
    """Every text in a block, in order; what is a link says its words alone."""
    if isinstance(node, list | tuple):
        for each in node:
            yield from _texts(each)
    elif isinstance(node, Mapping):
        text = node.get("text")
        if isinstance(text, str):
            yield _plain(text) if node.get("type") == "mrkdwn" else text
        elif node.get("type") == "date":
            yield str(node.get("fallback", ""))
        else:
            yield from _texts([each for name, each in node.items() if name in _HOLD_TEXT])
        if node.get("type") == "rich_text_section":
            yield "\n"


def _plain(text: str) -> str:
    """Text without Slack's markup: `<url|words>`, `<!date^...|words>`, and three escapes."""
    text = re.sub(r"<[^<>|]+\|([^<>]*)>", r"\1", text)
    for written, sign in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(written, sign)
    return text

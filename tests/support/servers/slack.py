"""A real HTTP server that keeps messages of one channel as Slack does."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from tests.support.servers.receiver import Answer, Received, Receiver, receiver


@dataclass
class Slack:
    """Messages of one channel."""

    server: Receiver
    messages: list[dict[str, Any]] = field(default_factory=list)
    """In the order of their `ts`, lines of threads among them."""
    errors: dict[str, str] = field(default_factory=dict)
    """By method: the error it answers with."""
    refused_blocks: frozenset[str] = frozenset()
    """Types of blocks that it does not know."""
    clock: float = 1_800_000_000.0

    @property
    def url(self) -> str:
        return f"{self.server.url}/api"

    @property
    def top(self) -> list[dict[str, Any]]:
        """Messages that stand in the channel."""
        return [each for each in self.messages if "thread_ts" not in each]

    def lines(self, ts: str) -> list[dict[str, Any]]:
        """Lines of a message's thread."""
        return [each for each in self.messages if each.get("thread_ts") == ts]

    def calls(self) -> list[str]:
        return [each.path.removeprefix("/api/") for each in self.server.requests]

    def handle(self, request: Received) -> Answer:
        method = request.path.removeprefix("/api/")
        assert request.headers["Authorization"] == "Bearer xoxb-secret-of-the-bot"
        if request.headers["Content-Type"].startswith("application/json"):
            body = request.json()
        else:
            body = dict(parse_qsl(request.body.decode(), strict_parsing=True))
        assert body.get("channel") == "C0123456789"
        error = self.errors.get(method)
        if any(each["type"] in self.refused_blocks for each in body.get("blocks", ())):
            error = "invalid_blocks"
        answer = (
            {"ok": False, "error": error} if error else getattr(self, f"_{method.replace('.', '_')}")(body)
        )
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()

    def _chat_postMessage(self, body: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802 - as Slack calls it
        self.clock += 1
        ts = f"{self.clock:.6f}"
        self.messages.append({**body, "ts": ts, "edits": 0})
        return {"ok": True, "ts": ts, "channel": body["channel"]}

    def _chat_update(self, body: Mapping[str, Any]) -> dict[str, Any]:
        for each in self.messages:
            if each["ts"] == body["ts"]:
                each.update(body, edits=each["edits"] + 1)
                return {"ok": True, "ts": body["ts"]}
        return {"ok": False, "error": "message_not_found"}

    def _conversations_history(self, body: Mapping[str, Any]) -> dict[str, Any]:
        assert body["include_all_metadata"] == "1"
        found = [each for each in reversed(self.top) if float(each["ts"]) >= float(body["oldest"])]
        found += [each for each in reversed(self.messages) if each.get("reply_broadcast")]
        return self._page(found, body)

    def _conversations_replies(self, body: Mapping[str, Any]) -> dict[str, Any]:
        assert body["include_all_metadata"] == "1"
        found = [each for each in self.top if each["ts"] == body["ts"]]
        return self._page(found + self.lines(body["ts"]), body)

    def _page(self, found: list[dict[str, Any]], body: Mapping[str, Any]) -> dict[str, Any]:
        start = int(body.get("cursor") or 0)
        end = start + min(int(body["limit"]), 2)
        following = str(end) if end < len(found) else ""
        return {"ok": True, "messages": found[start:end], "response_metadata": {"next_cursor": following}}


@contextmanager
def slack() -> Iterator[Slack]:
    """Starts it."""
    with receiver() as server:
        kept = Slack(server)
        server.handle = kept.handle
        yield kept

"""An HTTP server that stands in for the API of a language model."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.support.servers.ports import free_port


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    number: int
    """From 1."""
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def last_message(self) -> str:
        """What the model is asked."""
        return str(self.body["messages"][-1]["content"])


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server sends."""

    body: bytes | str | Mapping[str, Any]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    pieces: tuple[str | bytes, ...] = ()
    """In place of the body: server-sent events, or bytes that are sent as they are."""
    pause_s: float = 0.0
    """Before each piece."""
    held_after: int | None = None
    """After so many pieces nothing comes for half a minute, unless the client goes."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """The pieces as they are sent."""
        for number, piece in enumerate(self.pieces):
            if number == self.held_after:
                await asyncio.sleep(30)
            if self.pause_s:
                await asyncio.sleep(self.pause_s)
            yield piece if isinstance(piece, bytes) else f"data: {piece}\n\n".encode()


def chat(text: str | None, *, model: str = "gpt-4o-mini-2024-07-18", **message: Any) -> dict[str, Any]:
    """An answer of OpenAI's API."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": model,
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text, **message},
            }
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }


class LlmServer:
    """Counts what it is asked, and how much of it at once.

    Args:
        answer: Returns the reply to a request.
    """

    def __init__(self, answer: Callable[[Asked], Reply]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.answered = 0
        """Replies that were sent as a whole."""
        self.at_once = self.most_at_once = 0
        self.url = ""

    async def respond(self, request: Request) -> Response:
        body = json.loads(await request.body())
        asked = Asked(len(self.asked) + 1, request.url.path, dict(request.headers), body)
        self.asked.append(asked)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            reply = self.answer(asked)
            if reply.after_s:
                await asyncio.sleep(reply.after_s)
        finally:
            self.at_once -= 1
        self.answered += 1
        headers = dict(reply.headers)
        if reply.pieces:
            kind = headers.pop("content-type", "text/event-stream")
            return StreamingResponse(reply.chunks(), reply.status, headers, media_type=kind)
        content = json.dumps(reply.body) if isinstance(reply.body, Mapping) else reply.body
        return Response(content, reply.status, headers, media_type="application/json")


@contextmanager
def llm_server(answer: Callable[[Asked], Reply]) -> Iterator[LlmServer]:
    """A server for the length of a block; `/v1` stands below its `url`."""
    server = LlmServer(answer)
    port = free_port()
    app = Starlette(routes=[Route("/{path:path}", server.respond, methods=["POST"])])
    config = uvicorn.Config(app, port=port, log_config=None, lifespan="off", ws="none")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        if not thread.is_alive():
            raise RuntimeError("the server did not start")
        threading.Event().wait(0.01)
    server.url = f"http://127.0.0.1:{port}/v1"
    try:
        yield server
    finally:
        running.should_exit = True
        running.force_exit = True
        thread.join()

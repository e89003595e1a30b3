"""Ways to call a model by a library, each of them to leave one right event."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from tests.support.styles.answers import INPUT_TOKENS, OUTPUT_TOKENS

MESSAGES: list[Any] = [{"role": "user", "content": "Where is my refund?"}]
OPENAI_MODEL = "gpt-4o-mini"
CLAUDE = "claude-haiku-4-5"


class Answer(BaseModel):
    """What structured output is parsed to."""

    answer: str


@dataclass(frozen=True, slots=True)
class Server:
    """Whom a style asks, and what for."""

    root: str
    """Address of the server; OpenAI's API stands below its `/v1`."""
    stops: bool = False
    """Whether to close the stream after its first piece with text."""
    retries: int = 0


Run = Callable[[Server], object]


@dataclass(frozen=True, slots=True)
class Style:
    """One way to call, and what is right of its event."""

    library: str
    name: str
    run: Run
    response_model: str | None
    request_model: str
    provider: str
    streams: bool = False
    """Whether it has a first token."""
    closes: bool = False
    """Whether the service can close it early."""
    retries: bool = False
    """Whether the library retries by itself, as often as `Server.retries`."""
    input_tokens: int = INPUT_TOKENS
    output_tokens: int = OUTPUT_TOKENS
    embeds: bool = False
    """Whether there is no finish reason, nor anything to cut."""


def run_async(ask: Callable[[Server], Coroutine[Any, Any, None]]) -> Run:
    """An asynchronous style as one to be called."""

    def run(server: Server) -> None:
        asyncio.run(ask(server))

    return run


def read(stream: Any, *, stops: bool) -> None:
    """Reads a stream to its end, or until what it has said has text, and closes it."""
    for piece in stream:
        if stops and has_text(piece):
            stream.close()
            return


async def read_async(stream: Any, *, stops: bool) -> None:
    """The same for an asynchronous stream."""
    async for piece in stream:
        if stops and has_text(piece):
            await (stream.aclose if hasattr(stream, "aclose") else stream.close)()
            return


def has_text(piece: object) -> bool:
    """Returns True if a piece, of whatever kind, has the beginning of the answer."""
    said = piece.decode() if isinstance(piece, bytes) else repr(piece)
    return "answer" in said or "answer" in json.dumps(said)

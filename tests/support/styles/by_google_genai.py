"""Styles of Google's package."""

from functools import partial
from typing import Any

import pytest

from coalmine.integrations import google_genai as ours
from tests.support.styles.style import Server, Style, read, read_async, run_async

genai: Any = pytest.importorskip("google.genai")
_MODEL = "gemini-2.0-flash"
_ASK: dict[str, Any] = {"model": _MODEL, "contents": "Where is my refund?"}


def _client(server: Server) -> Any:
    return ours.instrument(genai.Client(api_key="x", http_options={"base_url": server.root}))


def _generate(server: Server) -> None:
    with _client(server) as client:
        client.models.generate_content(**_ASK)


def _chat(server: Server) -> None:
    with _client(server) as client:
        client.chats.create(model=_MODEL).send_message("Where is my refund?")


def _stream(server: Server) -> None:
    with _client(server) as client:
        read(client.models.generate_content_stream(**_ASK), stops=server.stops)


async def _async_generate(server: Server) -> None:
    async with _client(server).aio as client:
        await client.models.generate_content(**_ASK)


async def _async_stream(server: Server) -> None:
    async with _client(server).aio as client:
        await read_async(await client.models.generate_content_stream(**_ASK), stops=server.stops)


_style = partial(
    Style,
    "google_genai",
    response_model="gemini-2.0-flash-001",
    request_model=_MODEL,
    provider="google",
)
_streamed = partial(_style, streams=True, closes=True)

STYLES = [
    _style("generate", _generate),
    _style("chat", _chat),
    _streamed("stream", _stream),
    _style("async generate", run_async(_async_generate)),
    _streamed("async stream", run_async(_async_stream)),
]

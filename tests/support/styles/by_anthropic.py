"""Styles of Anthropic's package."""

from functools import partial
from typing import Any

import anthropic

from coalmine.integrations import anthropic as ours
from tests.support.styles.style import CLAUDE, MESSAGES, Answer, Server, Style, read, read_async, run_async

_MESSAGE: dict[str, Any] = {"model": CLAUDE, "messages": MESSAGES, "max_tokens": 99}


def _client(server: Server) -> anthropic.Anthropic:
    return ours.instrument(anthropic.Anthropic(base_url=server.root, api_key="x", max_retries=server.retries))


def _async_client(server: Server) -> anthropic.AsyncAnthropic:
    return ours.instrument(
        anthropic.AsyncAnthropic(base_url=server.root, api_key="x", max_retries=server.retries)
    )


def _create(server: Server) -> None:
    with _client(server) as client:
        client.messages.create(**_MESSAGE)


def _parse(server: Server) -> None:
    with _client(server) as client:
        client.messages.parse(**_MESSAGE, output_format=Answer)


def _beta(server: Server) -> None:
    with _client(server) as client:
        client.beta.messages.create(**_MESSAGE)


def _raw(server: Server) -> None:
    with _client(server) as client:
        client.messages.with_raw_response.create(**_MESSAGE).parse()


def _stream(server: Server) -> None:
    with _client(server) as client:
        read(client.messages.create(**_MESSAGE, stream=True), stops=server.stops)


def _raw_stream(server: Server) -> None:
    with _client(server) as client:
        raw = client.messages.with_raw_response.create(**_MESSAGE, stream=True)
        read(raw.parse(), stops=server.stops)


def _lines(server: Server) -> None:
    with (
        _client(server) as client,
        client.messages.with_streaming_response.create(**_MESSAGE, stream=True) as reply,
    ):
        for line in reply.iter_lines():
            if server.stops and "answer" in line:
                break


def _helper(server: Server) -> None:
    with _client(server) as client, client.messages.stream(**_MESSAGE) as stream:
        read(stream, stops=server.stops)


def _helper_text(server: Server) -> None:
    with _client(server) as client, client.messages.stream(**_MESSAGE) as stream:
        for _ in stream.text_stream:
            if server.stops:
                break


async def _async_create(server: Server) -> None:
    async with _async_client(server) as client:
        await client.messages.create(**_MESSAGE)


async def _async_stream(server: Server) -> None:
    async with _async_client(server) as client:
        await read_async(await client.messages.create(**_MESSAGE, stream=True), stops=server.stops)


async def _async_helper(server: Server) -> None:
    async with _async_client(server) as client, client.messages.stream(**_MESSAGE) as stream:
        await read_async(stream, stops=server.stops)


_style = partial(
    Style,
    "anthropic",
    response_model="claude-haiku-4-5-20251001",
    request_model=CLAUDE,
    provider="anthropic",
    retries=True,
)
_streamed = partial(_style, streams=True, closes=True)

STYLES = [
    _style("create", _create),
    _style("parse", _parse),
    _style("beta create", _beta),
    _style("raw", _raw),
    _streamed("stream", _stream),
    _streamed("raw stream", _raw_stream),
    _streamed("stream by lines", _lines),
    _streamed("helper stream", _helper),
    _streamed("helper stream of text", _helper_text),
    _style("async create", run_async(_async_create)),
    _streamed("async stream", run_async(_async_stream)),
    _streamed("async helper stream", run_async(_async_helper)),
]

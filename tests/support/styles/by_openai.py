"""Styles of OpenAI's package."""

from functools import partial
from typing import Any

import openai

from coalmine.integrations import openai as ours
from tests.support.styles.answers import INPUT_TOKENS
from tests.support.styles.style import (
    MESSAGES,
    OPENAI_MODEL,
    Answer,
    Server,
    Style,
    read,
    read_async,
    run_async,
)

_CHAT: dict[str, Any] = {"model": OPENAI_MODEL, "messages": MESSAGES}
_RESPONSE: dict[str, Any] = {"model": OPENAI_MODEL, "input": "Where is my refund?"}


def _client(server: Server) -> openai.OpenAI:
    client = openai.OpenAI(base_url=f"{server.root}/v1", api_key="x", max_retries=server.retries)
    return ours.instrument(client)


def _async_client(server: Server) -> openai.AsyncOpenAI:
    client = openai.AsyncOpenAI(base_url=f"{server.root}/v1", api_key="x", max_retries=server.retries)
    return ours.instrument(client)


def _chat(server: Server) -> None:
    with _client(server) as client:
        client.chat.completions.create(**_CHAT)


def _chat_of_a_copy(server: Server) -> None:
    with _client(server) as client:
        client.with_options(timeout=30).chat.completions.create(**_CHAT)


def _chat_parse(server: Server) -> None:
    with _client(server) as client:
        client.chat.completions.parse(**_CHAT, response_format=Answer)


def _chat_raw(server: Server) -> None:
    with _client(server) as client:
        client.chat.completions.with_raw_response.create(**_CHAT).parse()


def _chat_streaming_response(server: Server) -> None:
    with _client(server) as client, client.chat.completions.with_streaming_response.create(**_CHAT) as reply:
        reply.parse()


def _chat_stream(server: Server) -> None:
    with _client(server) as client:
        read(client.chat.completions.create(**_CHAT, stream=True), stops=server.stops)


def _chat_raw_stream(server: Server) -> None:
    with _client(server) as client:
        raw = client.chat.completions.with_raw_response.create(**_CHAT, stream=True)
        read(raw.parse(), stops=server.stops)


def _chat_lines(server: Server) -> None:
    with (
        _client(server) as client,
        client.chat.completions.with_streaming_response.create(**_CHAT, stream=True) as reply,
    ):
        for line in reply.iter_lines():
            if server.stops and "answer" in line:
                break


def _chat_helper(server: Server) -> None:
    with _client(server) as client, client.chat.completions.stream(**_CHAT) as stream:
        read(stream, stops=server.stops)


def _responses(server: Server) -> None:
    with _client(server) as client:
        client.responses.create(**_RESPONSE)


def _responses_parse(server: Server) -> None:
    with _client(server) as client:
        client.responses.parse(**_RESPONSE, text_format=Answer)


def _responses_stream(server: Server) -> None:
    with _client(server) as client:
        read(client.responses.create(**_RESPONSE, stream=True), stops=server.stops)


def _responses_helper(server: Server) -> None:
    with _client(server) as client, client.responses.stream(**_RESPONSE) as stream:
        read(stream, stops=server.stops)


def _embeddings(server: Server) -> None:
    with _client(server) as client:
        client.embeddings.create(model="text-embedding-3-small", input="refund")


async def _async_chat(server: Server) -> None:
    async with _async_client(server) as client:
        await client.chat.completions.create(**_CHAT)


async def _async_raw(server: Server) -> None:
    async with _async_client(server) as client:
        (await client.chat.completions.with_raw_response.create(**_CHAT)).parse()


async def _async_stream(server: Server) -> None:
    async with _async_client(server) as client:
        await read_async(await client.chat.completions.create(**_CHAT, stream=True), stops=server.stops)


async def _async_helper(server: Server) -> None:
    async with _async_client(server) as client, client.chat.completions.stream(**_CHAT) as stream:
        await read_async(stream, stops=server.stops)


async def _async_lines(server: Server) -> None:
    async with _async_client(server) as client:
        completions = client.chat.completions
        async with completions.with_streaming_response.create(**_CHAT, stream=True) as reply:
            async for line in reply.iter_lines():
                if server.stops and "answer" in line:
                    break


async def _async_responses_helper(server: Server) -> None:
    async with _async_client(server) as client, client.responses.stream(**_RESPONSE) as stream:
        await read_async(stream, stops=server.stops)


_style = partial(
    Style,
    "openai",
    response_model="gpt-4o-mini-2024-07-18",
    request_model=OPENAI_MODEL,
    provider="openai",
    retries=True,
)
_stream = partial(_style, streams=True, closes=True)

STYLES = [
    _style("chat", _chat),
    _style("chat, client with options", _chat_of_a_copy),
    _style("chat parse", _chat_parse),
    _style("chat raw", _chat_raw),
    _style("chat streaming response", _chat_streaming_response),
    _stream("chat stream", _chat_stream),
    _stream("chat raw stream", _chat_raw_stream),
    _stream("chat stream by lines", _chat_lines),
    _stream("chat helper stream", _chat_helper),
    _style("responses", _responses),
    _style("responses parse", _responses_parse),
    _stream("responses stream", _responses_stream),
    _stream("responses helper stream", _responses_helper),
    _style("async chat", run_async(_async_chat)),
    _style("async chat raw", run_async(_async_raw)),
    _stream("async chat stream", run_async(_async_stream)),
    _stream("async chat helper stream", run_async(_async_helper)),
    _stream("async chat stream by lines", run_async(_async_lines)),
    _stream("async responses helper stream", run_async(_async_responses_helper)),
    Style(
        "openai",
        "embeddings",
        _embeddings,
        "text-embedding-3-small",
        "text-embedding-3-small",
        "openai",
        input_tokens=INPUT_TOKENS,
        output_tokens=0,
        embeds=True,
    ),
]

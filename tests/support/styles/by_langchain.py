"""Styles of LangChain's chat models."""

from functools import partial
from typing import Any

import openai
import pytest

from tests.support.styles.style import (
    CLAUDE,
    OPENAI_MODEL,
    Answer,
    Server,
    Style,
    read,
    read_async,
    run_async,
)

langchain_openai: Any = pytest.importorskip("langchain_openai")
langchain_anthropic: Any = pytest.importorskip("langchain_anthropic")

from coalmine.integrations import langchain as ours  # noqa: E402 - it imports LangChain

ours.instrument()
_QUESTION = "Where is my refund?"


def _model(server: Server, **options: Any) -> Any:
    return langchain_openai.ChatOpenAI(
        model=OPENAI_MODEL,
        base_url=f"{server.root}/v1",
        api_key="x",
        max_retries=server.retries,
        stream_usage=True,
        **options,
    )


def _invoke(server: Server) -> None:
    _model(server).invoke(_QUESTION)


def _structured(server: Server) -> None:
    _model(server).with_structured_output(Answer, method="json_schema").invoke(_QUESTION)


def _responses(server: Server) -> None:
    _model(server, use_responses_api=True).invoke(_QUESTION)


def _stream(server: Server) -> None:
    read(_model(server).stream(_QUESTION), stops=server.stops)


def _of_anthropic(server: Server) -> None:
    _claude(server).invoke(_QUESTION)


def _stream_of_anthropic(server: Server) -> None:
    read(_claude(server).stream(_QUESTION), stops=server.stops)


def _claude(server: Server) -> Any:
    return langchain_anthropic.ChatAnthropic(
        model=CLAUDE, base_url=server.root, api_key="x", max_retries=server.retries
    )


async def _async_invoke(server: Server) -> None:
    # LangChain shares a client between models, which outlives the loop of a test.
    async with openai.DefaultAsyncHttpxClient() as http:
        await _model(server, http_async_client=http).ainvoke(_QUESTION)


async def _async_stream(server: Server) -> None:
    async with openai.DefaultAsyncHttpxClient() as http:
        stream = _model(server, http_async_client=http).astream(_QUESTION)
        await read_async(stream, stops=server.stops)


_style = partial(
    Style,
    "langchain",
    response_model="gpt-4o-mini-2024-07-18",
    request_model=OPENAI_MODEL,
    provider="openai",
    retries=True,
)
_streamed = partial(_style, streams=True, closes=True)
_claudes = partial(
    Style, "langchain", response_model="claude-haiku-4-5-20251001", request_model=CLAUDE, provider="anthropic"
)

STYLES = [
    _style("invoke", _invoke),
    _style("structured output", _structured),
    _style("responses", _responses),
    _streamed("stream", _stream),
    _style("async invoke", run_async(_async_invoke)),
    _streamed("async stream", run_async(_async_stream)),
    _claudes("invoke Anthropic", _of_anthropic),
    _claudes("stream of Anthropic", _stream_of_anthropic, streams=True, closes=True),
]

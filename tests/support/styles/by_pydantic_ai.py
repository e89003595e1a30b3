"""Styles of Pydantic AI."""

from functools import partial
from typing import Any

import openai
import pytest

from coalmine.integrations import pydantic_ai as ours
from tests.support.styles.style import OPENAI_MODEL, Answer, Server, Style, run_async

pydantic_ai: Any = pytest.importorskip("pydantic_ai")
models: Any = pytest.importorskip("pydantic_ai.models.openai")
providers: Any = pytest.importorskip("pydantic_ai.providers.openai")
_QUESTION = "Where is my refund?"


def _agent(client: openai.AsyncOpenAI, kind: str = "OpenAIChatModel", **options: Any) -> Any:
    model = getattr(models, kind)(OPENAI_MODEL, provider=providers.OpenAIProvider(openai_client=client))
    return pydantic_ai.Agent(ours.instrument(model), **options)


def _client(server: Server) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{server.root}/v1", api_key="x", max_retries=server.retries)


async def _run(server: Server) -> None:
    async with _client(server) as client:
        await _agent(client).run(_QUESTION)


async def _run_responses(server: Server) -> None:
    async with _client(server) as client:
        await _agent(client, "OpenAIResponsesModel").run(_QUESTION)


async def _structured(server: Server) -> None:
    async with _client(server) as client:
        await _agent(client, output_type=pydantic_ai.NativeOutput(Answer)).run(_QUESTION)


async def _stream(server: Server) -> None:
    async with _client(server) as client, _agent(client).run_stream(_QUESTION) as result:
        async for _ in result.stream_text(delta=True, debounce_by=None):
            if server.stops:
                break


_style = partial(
    Style,
    "pydantic_ai",
    response_model="gpt-4o-mini-2024-07-18",
    request_model=OPENAI_MODEL,
    provider="openai",
    retries=True,
)

STYLES = [
    _style("run", run_async(_run)),
    _style("run by responses", run_async(_run_responses)),
    _style("run with structured output", run_async(_structured)),
    _style("stream", run_async(_stream), streams=True, closes=True),
]

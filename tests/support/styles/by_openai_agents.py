"""Styles of OpenAI's Agents SDK."""

from functools import partial
from typing import Any

import openai
import pytest

from tests.support.styles.style import OPENAI_MODEL, Server, Style, run_async

agents: Any = pytest.importorskip("agents")

from coalmine.integrations import openai_agents as ours  # noqa: E402 - it imports the SDK

agents.set_tracing_disabled(True)
_QUESTION = "Where is my refund?"


def _client(server: Server, api: str) -> openai.AsyncOpenAI:
    agents.set_default_openai_api(api)
    client = openai.AsyncOpenAI(base_url=f"{server.root}/v1", api_key="x", max_retries=server.retries)
    return ours.instrument(client)


def _agent() -> Any:
    return agents.Agent("support", instructions="Help.", model=OPENAI_MODEL)


def _runs(api: str) -> Any:
    async def run(server: Server) -> None:
        async with _client(server, api):
            await agents.Runner.run(_agent(), _QUESTION)

    return run_async(run)


def _streams(api: str) -> Any:
    async def run(server: Server) -> None:
        async with _client(server, api):
            result = agents.Runner.run_streamed(_agent(), _QUESTION)
            async for event in result.stream_events():
                if server.stops and "answer" in repr(event):
                    result.cancel()

    return run_async(run)


_style = partial(
    Style,
    "openai_agents",
    response_model="gpt-4o-mini-2024-07-18",
    request_model=OPENAI_MODEL,
    provider="openai",
    retries=True,
)
_streamed = partial(_style, streams=True, closes=True)

STYLES = [
    _style("run", _runs("responses")),
    _style("run by chat completions", _runs("chat_completions")),
    _streamed("stream", _streams("responses")),
    _streamed("stream by chat completions", _streams("chat_completions")),
]

"""Styles of LiteLLM."""

import os
from functools import partial
from typing import Any

import pytest

from coalmine.integrations import litellm as ours
from tests.support.styles.style import (
    CLAUDE,
    MESSAGES,
    OPENAI_MODEL,
    Server,
    Style,
    read,
    read_async,
    run_async,
)

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it asks the network for prices
litellm: Any = pytest.importorskip("litellm")
ours.instrument(litellm)


def _chat(server: Server) -> dict[str, Any]:
    return {
        "model": f"openai/{OPENAI_MODEL}",
        "messages": MESSAGES,
        "api_base": f"{server.root}/v1",
        "api_key": "x",
        "num_retries": server.retries,
        "max_retries": 0,
    }


def _completion(server: Server) -> None:
    litellm.completion(**_chat(server))


def _of_anthropic(server: Server) -> None:
    litellm.completion(**{**_chat(server), "model": f"anthropic/{CLAUDE}", "api_base": server.root})


def _router(server: Server) -> None:
    asked = _chat(server)
    parameters = {key: value for key, value in asked.items() if key != "messages"}
    router = litellm.Router([{"model_name": "support", "litellm_params": parameters}], num_retries=0)
    ours.instrument(router).completion("support", MESSAGES)


def _stream(server: Server) -> None:
    read(litellm.completion(**_chat(server), stream=True), stops=server.stops)


async def _async_completion(server: Server) -> None:
    await litellm.acompletion(**_chat(server))


async def _async_stream(server: Server) -> None:
    await read_async(await litellm.acompletion(**_chat(server), stream=True), stops=server.stops)


_style = partial(
    Style,
    "litellm",
    response_model="gpt-4o-mini-2024-07-18",
    request_model=OPENAI_MODEL,
    provider="openai",
)
_streamed = partial(_style, streams=True, closes=True)

STYLES = [
    _style("completion", _completion),
    _style("router", _router, request_model="support"),
    _streamed("stream", _stream),
    _style("async completion", run_async(_async_completion)),
    _streamed("async stream", run_async(_async_stream)),
    Style(
        "litellm", "completion of Anthropic", _of_anthropic, "claude-haiku-4-5-20251001", CLAUDE, "anthropic"
    ),
]

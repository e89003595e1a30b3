"""What the real clients of OpenAI and Anthropic leave behind, asked of a local server."""

import asyncio
import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coalmine import Coalmine
from coalmine.integrations import anthropic as our_anthropic
from coalmine.integrations import openai as our_openai
from coalmine.integrations import using
from tests.support.data.prompt_examples import snapshot_json
from tests.support.data.replies import (
    ANTHROPIC_MESSAGE,
    ANTHROPIC_STREAM,
    OPENAI_CHAT,
    OPENAI_CHAT_STREAM,
    OPENAI_EMBEDDINGS,
    OPENAI_RESPONSE,
)
from tests.support.later import later
from tests.support.oracles.produced import requests_of, spooled
from tests.support.servers.llm import Asked, LlmServer, Reply, llm_server

if TYPE_CHECKING:
    import anthropic
    import openai
else:
    anthropic, openai = later("anthropic"), later("openai")

QUESTION: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
MESSAGE: dict[str, Any] = {**QUESTION, "model": "claude-3-5-haiku-latest", "max_tokens": 9}
OPEN: list[Any] = []
"""Clients that a test has made, to be closed at its end."""
CHUNKS = tuple(json.dumps(piece) for piece in OPENAI_CHAT_STREAM)
# Anthropic's client looks at the event's name beside its data.
EVENTS = tuple(f"{json.dumps(piece)}\nevent: {piece['type']}" for piece in ANTHROPIC_STREAM)


def _answer(asked: Asked) -> Reply:
    status = asked.body.get("temperature", 200)
    if status != 200:
        return Reply({"error": {"message": "no", "type": "x"}}, status=int(status))
    is_chat = asked.path.endswith("/chat/completions")
    if asked.body.get("stream"):
        return Reply("", pieces=(*CHUNKS, "[DONE]") if is_chat else EVENTS)
    if asked.path.endswith("/embeddings"):
        return Reply(OPENAI_EMBEDDINGS)
    if asked.path.endswith("/responses"):
        return Reply(OPENAI_RESPONSE)
    return Reply(OPENAI_CHAT if is_chat else ANTHROPIC_MESSAGE)


@pytest.fixture
def server() -> Iterator[LlmServer]:
    with llm_server(_answer) as running:
        yield running
        while OPEN:
            OPEN.pop().close()


@pytest.fixture
def cm(tmp_path: Path) -> Iterator[Coalmine]:
    with Coalmine("support-bot", home=tmp_path) as client:
        yield client


def _openai(server: LlmServer, kind: str = "OpenAI") -> Any:
    client = getattr(openai, kind)(base_url=server.url, api_key="x", max_retries=0)
    if kind == "OpenAI":
        OPEN.append(client)
    return our_openai.instrument(client)


def _anthropic(server: LlmServer) -> Any:
    url = server.url.removesuffix("/v1")
    client = anthropic.Anthropic(base_url=url, api_key="x", max_retries=0)
    OPEN.append(client)
    return our_anthropic.instrument(client)


def _only(cm: Coalmine, home: Path) -> dict[str, Any]:
    assert cm.flush(30)
    (record,) = requests_of(spooled(home))
    return record


def _for(cm: Coalmine) -> Any:
    return using(partial(cm.call, "support-refund", version="1.2.0"))


def test_a_block_tells_the_ids_of_its_calls_for_feedback(
    cm: Coalmine, server: LlmServer, tmp_path: Path
) -> None:
    create = _openai(server).chat.completions.create
    with _for(cm) as request_ids:
        create(**QUESTION)
        with _for(cm) as inner:
            create(**QUESTION)
        create(**QUESTION)
        with pytest.raises(openai.RateLimitError):
            create(**QUESTION, extra_body={"temperature": 429})
    create(**QUESTION)  # outside: measured by nobody

    assert cm.flush(30)
    sent = [record["request_id"] for record in requests_of(spooled(tmp_path))]
    assert (len(request_ids), len(inner)) == (3, 1)
    assert sorted([*request_ids, *inner]) == sorted(sent)
    assert list(request_ids) == sorted(request_ids), "the newest is the last"


@pytest.mark.parametrize("raw", [False, True])
def test_a_chat_completion_is_one_event(cm: Coalmine, server: LlmServer, tmp_path: Path, raw: bool) -> None:
    completions = _openai(server).chat.completions
    with _for(cm):
        (completions.with_raw_response if raw else completions).create(**QUESTION)

    record = _only(cm, tmp_path)
    assert (record["prompt"], record["version"]) == ("support-refund", "1.2.0")
    assert record["response_model"] == OPENAI_CHAT["model"]
    assert record["input_tokens"] == OPENAI_CHAT["usage"]["prompt_tokens"]
    assert record["cost_nano_usd"] > 0
    assert record["outcome"] == "ok"


def test_an_asynchronous_chat_completion_is_one_event(
    cm: Coalmine, server: LlmServer, tmp_path: Path
) -> None:
    async def ask() -> None:
        async with _openai(server, "AsyncOpenAI") as client:
            with _for(cm):
                await client.chat.completions.create(**QUESTION)

    asyncio.run(ask())
    assert _only(cm, tmp_path)["output_tokens"] == OPENAI_CHAT["usage"]["completion_tokens"]


def test_a_stream_has_usage_and_first_token_and_the_service_sees_no_usage_chunk(
    cm: Coalmine, server: LlmServer, tmp_path: Path
) -> None:
    with _for(cm):
        chunks = list(_openai(server).chat.completions.create(**QUESTION, stream=True))

    record = _only(cm, tmp_path)
    assert server.asked[0].body["stream_options"] == {"include_usage": True}
    assert all(chunk.choices for chunk in chunks)
    assert record["input_tokens"] > 0
    assert record["time_to_first_token_ms"] > 0
    assert record["finish_reason"] == "stop"


def test_an_asynchronous_stream_is_one_event(cm: Coalmine, server: LlmServer, tmp_path: Path) -> None:
    async def ask() -> None:
        async with _openai(server, "AsyncOpenAI") as client:
            with _for(cm):
                stream = await client.chat.completions.create(**QUESTION, stream=True)
            async for _ in stream:
                pass

    asyncio.run(ask())
    record = _only(cm, tmp_path)
    assert record["input_tokens"] > 0
    assert record["time_to_first_token_ms"] > 0


@pytest.mark.parametrize("how", ["closed", "dropped"])
def test_a_stream_that_ends_early_is_cancelled_and_no_error(
    cm: Coalmine, server: LlmServer, tmp_path: Path, how: str
) -> None:
    with _for(cm):
        stream = _openai(server).chat.completions.create(**QUESTION, stream=True)
        next(stream)
    if how == "closed":
        stream.close()
    del stream
    gc.collect()

    record = _only(cm, tmp_path)
    assert (record["outcome"], record["error_type"]) == ("cancelled", None)


def test_what_a_prompt_gives_is_of_types_that_the_package_takes(server: LlmServer, tmp_path: Path) -> None:
    """mypy, which looks at tests as it does at services, would complain of the call."""
    with (
        Coalmine("support-bot", home=tmp_path, fallback=snapshot_json()) as cm,
        openai.OpenAI(base_url=server.url, api_key="x", max_retries=0) as client,
    ):
        prompt = cm.prompt("support-refund")
        with prompt.call(model="gpt-4o-mini") as call:
            messages = prompt.messages(question="May I send it back?")
            reply = client.chat.completions.create(model=call.model, messages=messages, **call.parameters)
            call.record(reply)
    assert server.asked[-1].body["messages"] == messages


@pytest.mark.parametrize("by_hand", [True, False])
@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"error": {"code": 429, "message": "Rate limit exceeded"}}, "RateLimitError"),
        ({"error": {"code": "429", "message": "as LiteLLM writes it"}}, "RateLimitError"),
        ({"error": {"code": 402, "message": "Insufficient credits"}}, "APIStatusError 402"),
        ({"error": {"code": 7, "message": "no status"}}, "error"),
        ({"error": {"code": 502, "message": "Provider returned error"}}, "InternalServerError"),
        (
            {
                **OPENAI_CHAT,
                "choices": [
                    {
                        **OPENAI_CHAT["choices"][0],
                        "finish_reason": "error",
                        "error": {"code": 502, "message": "Provider returned error"},
                    }
                ],
            },
            "InternalServerError",
        ),
    ],
    ids=["rate", "text", "other", "none", "instead", "within"],
)
def test_an_error_in_an_answer_that_came_with_200_is_one(
    cm: Coalmine, tmp_path: Path, body: dict[str, Any], error: str, by_hand: bool
) -> None:
    """As OpenRouter says that the provider behind it failed."""
    with (
        llm_server(lambda _: Reply(body)) as server,
        openai.OpenAI(base_url=server.url, api_key="x", max_retries=0) as client,
    ):
        if by_hand:
            with cm.call("support-refund", version="1.2.0") as call:
                call.record(client.chat.completions.create(**QUESTION))
        else:
            with using(partial(cm.call, "support-refund", version="1.2.0")):
                our_openai.instrument(client).chat.completions.create(**QUESTION)
    cm.flush(30)
    (record,) = requests_of(spooled(tmp_path))
    assert (record["outcome"], record["error_type"]) == ("error", error)
    assert not cm.stats().problems


@pytest.mark.parametrize(
    ("status", "error"), [(400, "BadRequestError"), (429, "RateLimitError"), (500, "InternalServerError")]
)
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_errors_reach_the_service_and_are_told_apart(
    cm: Coalmine, server: LlmServer, tmp_path: Path, provider: str, status: int, error: str
) -> None:
    if provider == "openai":
        create, question = _openai(server).chat.completions.create, QUESTION
    else:
        create, question = _anthropic(server).messages.create, MESSAGE
    with _for(cm), pytest.raises(Exception, match=str(status)) as raised:
        create(**question, extra_body={"temperature": status})

    assert type(raised.value).__name__ == error
    record = _only(cm, tmp_path)
    assert (record["outcome"], record["error_type"]) == ("error", error)


def test_a_message_of_anthropic_is_one_event(cm: Coalmine, server: LlmServer, tmp_path: Path) -> None:
    with _for(cm):
        _anthropic(server).messages.create(**MESSAGE)

    record = _only(cm, tmp_path)
    assert record["provider"] == "anthropic"
    assert record["response_model"] == ANTHROPIC_MESSAGE["model"]
    assert record["output_tokens"] == ANTHROPIC_MESSAGE["usage"]["output_tokens"]
    assert record["cost_nano_usd"] > 0


def test_a_stream_of_anthropic_is_one_event(cm: Coalmine, server: LlmServer, tmp_path: Path) -> None:
    with _for(cm):
        events = list(_anthropic(server).messages.create(**MESSAGE, stream=True))

    record = _only(cm, tmp_path)
    assert len(events) >= 3
    assert record["finish_reason"] == "end_turn"
    assert record["input_tokens"] > 0
    assert record["time_to_first_token_ms"] > 0


def test_responses_and_embeddings_are_events(cm: Coalmine, server: LlmServer, tmp_path: Path) -> None:
    client = _openai(server)
    with _for(cm):
        client.responses.create(model="gpt-4o-mini", input="Hello")
        client.embeddings.create(model="text-embedding-3-small", input="Hello")

    assert cm.flush(30)
    response, embeddings = requests_of(spooled(tmp_path))
    assert response["input_tokens"] == OPENAI_RESPONSE["usage"]["input_tokens"]
    assert embeddings["input_tokens"] == OPENAI_EMBEDDINGS["usage"]["prompt_tokens"]


def test_calls_outside_of_a_block_make_no_event(cm: Coalmine, server: LlmServer, tmp_path: Path) -> None:
    _openai(server).chat.completions.create(**QUESTION)
    assert cm.flush(30)
    assert requests_of(spooled(tmp_path)) == []


def test_no_package_of_a_provider_is_imported() -> None:
    code = (
        "import sys, coalmine.integrations.openai, coalmine.integrations.anthropic\n"
        "assert not {'openai', 'anthropic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

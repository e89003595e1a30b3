"""Services that instrument a client for each request, and streams as the libraries let them be used."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial, wraps
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from coalmine import Coalmine
from coalmine.integrations import bedrock, google_genai, pydantic_ai, using
from coalmine.integrations import litellm as our_litellm
from coalmine.integrations import openai as our_openai
from coalmine.integrations.calls import begin_call, measured, take_whole
from coalmine.integrations.http_pieces import MeasuredBody
from coalmine.integrations.streams import MeasuredStream
from tests.support.data.replies import OPENAI_CHAT
from tests.support.later import later
from tests.support.oracles.produced import requests_of, spooled
from tests.support.servers.llm import Reply, llm_server

if TYPE_CHECKING:
    import boto3  # type: ignore[import-untyped]
    import openai
    from google import genai
    from openai.types import chat
    from pydantic_ai import agent
    from pydantic_ai.models import test as test_models
else:
    boto3, openai, genai = later("boto3"), later("openai"), later("google.genai")
    chat, agent = later("openai.types.chat"), later("pydantic_ai.agent")
    test_models = later("pydantic_ai.models.test")

OFTEN = 1_200
"""More than Python lets functions lie in one another."""
QUESTION: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def cm(tmp_path: Path) -> Iterator[Coalmine]:
    with Coalmine("support-bot", home=tmp_path) as client:
        yield client


def _for(cm: Coalmine) -> Any:
    return using(partial(cm.call, "support-refund", version="1.2.0"))


def _records(cm: Coalmine, home: Path) -> list[dict[str, Any]]:
    assert cm.flush(30)
    return requests_of(spooled(home))


def test_a_client_that_is_instrumented_for_each_request_is_measured_once_as_told_last(
    cm: Coalmine, tmp_path: Path
) -> None:
    with (
        llm_server(lambda _: Reply(OPENAI_CHAT)) as server,
        openai.OpenAI(base_url=server.url, api_key="x", max_retries=0) as client,
    ):
        for number in range(OFTEN):
            our_openai.instrument(client, provider=f"gateway-{number}")
        with _for(cm):
            client.chat.completions.create(**QUESTION)
            client.with_options(timeout=9).chat.completions.create(**QUESTION)
    providers = [each["provider"] for each in _records(cm, tmp_path)]
    assert providers == [f"gateway-{OFTEN - 1}"] * 2


def test_a_model_of_pydantic_ai_that_is_instrumented_for_each_request(cm: Coalmine, tmp_path: Path) -> None:
    model = test_models.TestModel()
    for _ in range(OFTEN):
        pydantic_ai.instrument(model)

    async def streamed() -> None:
        async with agent.Agent(model).run_stream("x") as stream:
            assert await stream.get_output()

    with _for(cm):
        assert asyncio.run(agent.Agent(model).run("x")).output
        asyncio.run(streamed())
    assert len(_records(cm, tmp_path)) == 2


def _gemini() -> Any:
    return genai.Client(api_key="x", http_options={"base_url": "http://127.0.0.1:9"})


def _bedrock() -> Any:
    return boto3.client(
        "bedrock-runtime", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )


@pytest.mark.parametrize(
    ("make", "instrument", "method"),
    [
        (_gemini, google_genai.instrument, lambda client: client.models.generate_content),
        (_gemini, google_genai.instrument, lambda client: client.aio.models.embed_content),
        (_bedrock, bedrock.instrument, lambda client: client.converse_stream),
        (lambda: SimpleNamespace(completion=len), our_litellm.instrument, lambda each: each.completion),
    ],
    ids=["google", "google, asynchronous", "bedrock", "litellm"],
)
def test_functions_lie_one_deep_however_often(
    make: Callable[[], Any], instrument: Callable[[Any], Any], method: Callable[[Any], Any]
) -> None:
    client = make()
    before = method(client)
    for _ in range(3):
        instrument(client)
    assert method(client) != before
    assert method(client).__wrapped__ == before


def test_what_others_wrapped_around_a_measured_function_stays(cm: Coalmine, tmp_path: Path) -> None:
    seen: list[str] = []

    def begins(*_: Any) -> Any:
        call = begin_call(model=None, provider=None)
        return None if call is None else (call, take_whole)

    inner = measured(seen.append, begins)

    @wraps(inner)
    def traced(text: str) -> None:
        seen.append("traced")
        inner(text)

    with _for(cm):
        measured(traced, begins)("x")
    assert seen == ["traced", "x"]
    assert len(_records(cm, tmp_path)) == 1


def test_langchain_is_told_of_the_callback_once() -> None:
    code = """
from langchain_core.tracers import context
from coalmine.integrations.langchain import instrument
hooks = context._configure_hooks
before = len(hooks)
for _ in range(3):
    instrument()
assert len(hooks) == before + 1, hooks
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_measured_functions_of_litellm_go_to_other_processes() -> None:
    code = """
import os, pickle
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm
from coalmine.integrations.litellm import instrument
instrument(litellm)
for name in ("completion", "acompletion", "embedding", "responses"):
    function = getattr(litellm, name)
    assert pickle.loads(pickle.dumps(function)) is function, name
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


class _Stream:
    """A stream that may stand in `with`, as LiteLLM's."""

    def __init__(self) -> None:
        self.closed = 0

    def __enter__(self) -> "_Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.closed += 1

    async def __aenter__(self) -> "_Stream":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closed += 1

    def __iter__(self) -> Iterator[Any]:
        about = {"id": "x", "created": 1, "model": "gpt-4o", "object": "chat.completion.chunk"}
        for finish in (None, "stop"):
            choice = {"index": 0, "delta": {"content": "a"}, "finish_reason": finish}
            yield chat.ChatCompletionChunk.model_validate({**about, "choices": [choice]})


@pytest.mark.parametrize("stops", [False, True])
def test_a_stream_may_stand_in_with_where_the_librarys_may(
    cm: Coalmine, tmp_path: Path, *, stops: bool
) -> None:
    with _for(cm):
        calls = [begin_call(model="gpt-4o", provider="openai") for _ in range(2)]
    streams = [_Stream(), _Stream()]
    with MeasuredStream(streams[0], calls[0]) as pieces:
        assert next(pieces).choices
        assert stops or len(list(pieces)) == 1

    async def asynchronous() -> None:
        async with MeasuredStream(streams[1], calls[1]) as again:
            assert len([next(again)] if stops else list(again)) == 2 - stops

    asyncio.run(asynchronous())
    assert [each.closed for each in streams] == [1, 1]
    outcomes = [each["outcome"] for each in _records(cm, tmp_path)]
    assert outcomes == ["cancelled" if stops else "ok"] * 2


def test_a_piece_that_cannot_be_looked_at_reaches_the_service(cm: Coalmine, tmp_path: Path) -> None:
    class Unreadable:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    with _for(cm):
        call = begin_call(model="gpt-4o", provider="openai")
    assert len(list(MeasuredStream(iter([Unreadable(), Unreadable()]), call))) == 2
    assert [each["outcome"] for each in _records(cm, tmp_path)] == ["ok"]


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_a_long_body_costs_what_it_is_long(cm: Coalmine, kind: str) -> None:
    """Each chunk copied what had come before it: 3 s for 16 MiB, on the service's event loop."""

    def spent_s(chunks: int) -> float:
        response = httpx.Response(200, headers={"content-type": kind}, content=iter([b"x" * 1024] * chunks))
        with cm.call("p", version="1") as call:
            MeasuredBody.follow(response, call, hides_usage=False)
            began = time.process_time()
            assert sum(map(len, response.iter_bytes())) == chunks * 1024
            return time.process_time() - began

    few, many = (min(spent_s(chunks) for _ in range(3)) for chunks in (1_000, 8_000))
    assert many < few * 8 * 3

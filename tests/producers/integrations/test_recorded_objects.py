"""What `call.record` reads from the objects that libraries return, without any integration."""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coalmine import Coalmine
from tests.support.later import later
from tests.support.oracles.produced import requests_of, spooled
from tests.support.styles.answers import CACHED_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS
from tests.support.styles.check import Bench, bench
from tests.support.styles.style import MESSAGES, OPENAI_MODEL

if TYPE_CHECKING:
    import openai
else:
    openai = later("openai")

_QUESTION = "Where is my refund?"
_GPT = "gpt-4o-mini-2024-07-18"


def _google(root: str) -> object:
    genai = pytest.importorskip("google.genai")
    with genai.Client(api_key="x", http_options={"base_url": root}) as client:
        return client.models.generate_content(model="gemini-2.0-flash", contents=_QUESTION)


def _bedrock(root: str) -> object:
    boto3 = pytest.importorskip("boto3")
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
    client = boto3.client("bedrock-runtime", endpoint_url=root, **keys)
    try:
        messages = [{"role": "user", "content": [{"text": _QUESTION}]}]
        return client.converse(modelId="amazon.nova-lite-v1:0", messages=messages)
    finally:
        client.close()


def _litellm(root: str) -> object:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it asks the network for prices
    litellm = pytest.importorskip("litellm")
    return litellm.completion(f"openai/{OPENAI_MODEL}", MESSAGES, api_base=f"{root}/v1", api_key="x")


def _langchain(root: str) -> object:
    langchain_openai = pytest.importorskip("langchain_openai")
    return langchain_openai.ChatOpenAI(model=OPENAI_MODEL, base_url=f"{root}/v1", api_key="x").invoke(
        _QUESTION
    )


def _pydantic_ai(root: str) -> object:
    pydantic_ai = pytest.importorskip("pydantic_ai")
    models: Any = pytest.importorskip("pydantic_ai.models.openai")
    providers: Any = pytest.importorskip("pydantic_ai.providers.openai")

    async def ask() -> object:
        async with openai.AsyncOpenAI(base_url=f"{root}/v1", api_key="x") as client:
            model = models.OpenAIChatModel(
                OPENAI_MODEL, provider=providers.OpenAIProvider(openai_client=client)
            )
            return await pydantic_ai.Agent(model).run(_QUESTION)

    return asyncio.run(ask())


@pytest.fixture(scope="module")
def on() -> Iterator[Bench]:
    with bench() as running:
        yield running


@pytest.mark.filterwarnings("ignore:Items? .* on TypedDict class:UserWarning")  # of LiteLLM's import
@pytest.mark.parametrize(
    ("ask", "model"),
    [
        (_google, "gemini-2.0-flash-001"),
        (_bedrock, None),
        (_litellm, _GPT),
        (_langchain, _GPT),
        (_pydantic_ai, _GPT),
    ],
    ids=["google", "bedrock", "litellm", "langchain", "pydantic_ai"],
)
@pytest.mark.parametrize(("situation", "outcome"), [("ok", "ok"), ("length", "truncated")])
def test_a_librarys_reply_has_tokens_model_and_outcome(
    ask: Callable[[str], object], model: str | None, situation: str, outcome: str, on: Bench, tmp_path: Path
) -> None:
    on.providers.situation = situation
    reply = ask(on.root)
    with Coalmine("support-bot", home=tmp_path) as cm:
        with cm.call("support-refund", version="1.2.0", model="any") as call:
            call.record(reply)
        assert cm.flush(30)
    (record,) = requests_of(spooled(tmp_path))
    assert (record["input_tokens"], record["output_tokens"]) == (INPUT_TOKENS, OUTPUT_TOKENS)
    assert record["cached_input_tokens"] == CACHED_TOKENS
    assert (record["response_model"], record["outcome"]) == (model, outcome)

"""Providers against a real HTTP server that refuses, waits, talks nonsense, and tells them off."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from coalmine_evals.providers.api import ANTHROPIC, OPENAI, Api
from coalmine_evals.providers.http import HttpProvider, HttpSettings
from coalmine_evals.providers.provider import Message, ProviderRefused, Request
from coalmine_evals.records import Output
from coalmine_schemas.prices import PriceTable
from coalmine_schemas.retry import RetryPolicy
from tests.support.servers.llm import Asked, LlmServer, Reply, chat, llm_server

_KEY = "sk-secret-0123456789abcdef"
_SETTINGS = HttpSettings(timeout_s=5.0, patience_s=20.0, back_off=RetryPolicy(first_s=0.01, max_s=0.05))
_QUESTION = Request(
    "gpt-4o-mini",
    (Message("system", "Be brief."), Message("user", "Refund?")),
    {"temperature": 0.2, "max_tokens": 50},
)


def ask(
    server: LlmServer,
    *requests: Request,
    api: Api = OPENAI,
    settings: HttpSettings = _SETTINGS,
    path: str = "",
) -> list[Output]:
    async def all_of_them() -> list[Output]:
        provider = HttpProvider(api, server.url + path, _KEY, prices=PriceTable(), settings=settings)
        try:
            return await asyncio.gather(*(provider.answer(each) for each in requests or (_QUESTION,)))
        finally:
            await provider.close()

    return asyncio.run(all_of_them())


def in_turn(*replies: Reply) -> Callable[[Asked], Reply]:
    return lambda asked: replies[min(asked.number, len(replies)) - 1]


def test_an_answer_has_its_text_model_tokens_and_price() -> None:
    with llm_server(lambda _: Reply(chat("You get it back."))) as server:
        (output,) = ask(server)
    assert (output.text, output.error) == ("You get it back.", None)
    assert (output.response_model, output.input_tokens, output.output_tokens) == (
        "gpt-4o-mini-2024-07-18",
        100,
        10,
    )
    assert output.cost_nano_usd == 100 * 150 + 10 * 600
    assert output.latency_ms is not None
    assert output.answered_at is not None
    (asked,) = server.asked
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["authorization"] == f"Bearer {_KEY}"
    assert asked.body == {
        "model": "gpt-4o-mini",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Refund?"}],
        "temperature": 0.2,
        "max_tokens": 50,
    }


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, False),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": False}, False),
    ],
)
def test_a_schema_is_strict_where_the_api_would_take_it(schema: dict[str, object], strict: bool) -> None:
    with llm_server(lambda _: Reply(chat('{"a": 1}'))) as server:
        ask(server, replace(_QUESTION, response_schema=schema))  # type: ignore[arg-type]
    sent = server.asked[0].body["response_format"]["json_schema"]
    assert (sent["schema"], sent["strict"]) == (schema, strict)


def test_anthropics_api_gets_its_own_shape() -> None:
    message = {
        "type": "message",
        "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "text", "text": '{"verdict": "yes"}'}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 20, "output_tokens": 5},
    }
    schema = {"type": "object"}
    request = replace(_QUESTION, model="claude-sonnet-4-5", parameters={}, response_schema=schema)
    with llm_server(lambda _: Reply(message)) as server:
        (output,) = ask(server, request, api=ANTHROPIC)
    assert (output.text, output.input_tokens) == ('{"verdict": "yes"}', 20)
    assert output.cost_nano_usd == 20 * 3_000 + 5 * 15_000
    (asked,) = server.asked
    assert (asked.path, asked.headers["x-api-key"]) == ("/v1/messages", _KEY)
    assert asked.body == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 1024,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Refund?"}],
        "output_config": {"format": {"type": "json_schema", "schema": schema}},
    }


def test_azures_deployments_stand_in_the_address() -> None:
    with llm_server(lambda _: Reply(chat("Yes."))) as server:
        ask(server, path="/deployments/{model}?api-version=2024-10-21")
    (asked,) = server.asked
    assert asked.path == "/v1/deployments/gpt-4o-mini/chat/completions"
    assert asked.headers["api-key"] == _KEY


def test_too_many_requests_are_repeated_after_as_long_as_the_server_says_and_fewer_at_once() -> None:
    told = Reply({"error": {"message": "slow down"}}, 429, {"retry-after-ms": "20"})
    busy = [True]

    def answer(asked: Asked) -> Reply:
        if asked.number <= 4 or (asked.number % 7 == 0 and busy[0]):
            return told
        return Reply(chat(asked.last_message), after_s=0.01)

    questions = [replace(_QUESTION, messages=(Message("user", f"{n}"),)) for n in range(40)]
    with llm_server(answer) as server:
        outputs = ask(server, *questions)
    assert [each.text for each in outputs] == [f"{n}" for n in range(40)]
    assert server.most_at_once <= 4


def test_without_refusals_ever_more_requests_are_under_way() -> None:
    questions = [replace(_QUESTION, messages=(Message("user", f"{n}"),)) for n in range(150)]
    with llm_server(lambda asked: Reply(chat(asked.last_message), after_s=0.02)) as server:
        ask(server, *questions, settings=replace(_SETTINGS, concurrency=16))
    assert 4 < server.most_at_once <= 16
    assert len(server.asked) == 150


def test_who_is_told_to_wait_for_hours_comes_back_another_time() -> None:
    with (
        llm_server(lambda _: Reply({"error": "daily limit"}, 429, {"retry-after": "86400"})) as server,
        pytest.raises(ProviderRefused, match="wait for 86400 s"),
    ):
        ask(server)
    assert len(server.asked) == 1


def test_patience_with_a_limit_ends() -> None:
    with llm_server(lambda _: Reply({"error": "slow down"}, 429)) as server:
        (output,) = ask(server, settings=replace(_SETTINGS, patience_s=0.2))
    assert output.text is None
    assert output.error is not None
    assert output.error.startswith("rate_limit: too many requests for 0 s: HTTP 429: slow down")


@pytest.mark.parametrize("status", [500, 502, 503, 529, 408])
def test_a_failing_server_is_asked_again(status: int) -> None:
    failing = Reply("<html>Bad gateway</html>", status, {"retry-after": "0"})
    with llm_server(in_turn(failing, failing, Reply(chat("Yes.")))) as server:
        (output,) = ask(server)
    assert (output.text, len(server.asked)) == ("Yes.", 3)


def test_a_server_that_goes_on_failing_is_an_error_of_the_answer() -> None:
    with llm_server(
        lambda _: Reply({"error": {"message": "overloaded"}}, 503, {"retry-after": "0"})
    ) as server:
        (output,) = ask(server)
    assert (output.text, output.error) == (None, "server: HTTP 503: overloaded")
    assert len(server.asked) == 3


def test_an_answer_that_takes_too_long_is_an_error() -> None:
    settings = replace(_SETTINGS, timeout_s=0.1, attempts=1)
    with llm_server(lambda _: Reply(chat("late"), after_s=1.0)) as server:
        (output,) = ask(server, settings=settings)
    assert (output.text, output.error) == (None, "timeout: no answer within 0.1 s")


def test_nobody_there_is_an_error() -> None:
    with llm_server(lambda _: Reply("")) as server:
        pass
    (output,) = ask(server, settings=replace(_SETTINGS, attempts=1))
    assert output.error is not None
    assert output.error.startswith("connection: ")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("<html>It works!</html>", "malformed: not an answer of this API: <html>It works!</html>"),
        ("", "malformed: not an answer of this API: "),
        ('{"choices": [', "malformed"),
        ("[1, 2]", "malformed"),
        ('{"error": {"message": "upstream"}}', "malformed"),
        (chat(None), "empty: the answer has no text"),
        ({**chat(None), "choices": []}, "empty: the answer has no text"),
    ],
)
def test_what_is_no_answer_is_an_error(body: str | dict[str, object], error: str) -> None:
    with llm_server(lambda _: Reply(body)) as server:
        (output,) = ask(server)
    assert output.text is None
    assert output.error is not None
    assert output.error.startswith(error)
    assert len(server.asked) == 1


def test_half_an_emoji_is_replaced_and_two_halves_are_one() -> None:
    stream = [chat("Yes \ud83d", model="m\udc00"), chat("\ud83d\ude00")]
    with llm_server(in_turn(*(Reply(each) for each in stream))) as server:
        cut, *_ = ask(server)
        whole, *_ = ask(server)
    assert (cut.text, cut.response_model, whole.text) == ("Yes \ufffd", "m\ufffd", "\N{GRINNING FACE}")
    with llm_server(lambda _: Reply({"error": {"message": "no \ud83d"}}, status=400)) as server:
        (refused,) = ask(server)
    assert refused.error is not None
    assert "no \ufffd" in refused.error


def test_a_refusal_in_words_is_an_answer() -> None:
    with llm_server(lambda _: Reply(chat(None, refusal="I can't help with that."))) as server:
        (output,) = ask(server)
    assert (output.text, output.error) == ("I can't help with that.", None)


@pytest.mark.parametrize("status", [401, 402, 404])
def test_who_refuses_everything_ends_it(status: int) -> None:
    reply = Reply({"error": {"message": f"Incorrect API key provided: {_KEY}"}}, status)
    with llm_server(lambda _: reply) as server, pytest.raises(ProviderRefused) as refused:
        ask(server)
    assert _KEY not in str(refused.value)
    assert f"HTTP {status}" in str(refused.value)
    assert len(server.asked) == 1


def test_a_used_up_quota_is_not_waited_for() -> None:
    reply = Reply({"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}, 429)
    with llm_server(lambda _: reply) as server, pytest.raises(ProviderRefused, match="quota is used up"):
        ask(server)


def test_a_request_that_is_refused_is_an_error_of_this_answer_alone() -> None:
    refusal = Reply({"error": {"message": "content\nfiltered", "code": "content_filter"}}, 400)
    with llm_server(in_turn(refusal, Reply(chat("Yes.")))) as server:
        outputs = ask(server, _QUESTION, replace(_QUESTION, parameters={}))
    assert sorted(str(each.error) for each in outputs) == ["None", "refused: HTTP 400: content filtered"]


def test_a_stream_is_read_to_its_end() -> None:
    def piece(**delta: object) -> str:
        return json.dumps(
            {
                "object": "chat.completion.chunk",
                "model": "gpt-4o-mini-2024-07-18",
                "choices": [{"delta": delta, "finish_reason": None}],
            }
        )

    end = {
        "object": "chat.completion.chunk",
        "choices": [],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2},
    }
    pieces = (piece(role="assistant"), piece(content="You "), piece(content="get it."), json.dumps(end))
    with llm_server(in_turn(Reply("", pieces=(*pieces, "[DONE]")), Reply("", pieces=pieces))) as server:
        (whole,) = ask(server, replace(_QUESTION, parameters={"stream": True}))
        (cut,) = ask(server, replace(_QUESTION, parameters={"stream": True}))
    assert (whole.text, whole.input_tokens, whole.output_tokens) == ("You get it.", 9, 2)
    assert server.asked[0].body["stream_options"] == {"include_usage": True}
    assert cut.error is not None
    assert cut.error.startswith("malformed")


def test_a_key_is_in_no_representation() -> None:
    provider = HttpProvider(
        OPENAI, "http://user:word@localhost/v1", _KEY, prices=PriceTable(), settings=_SETTINGS
    )
    assert provider.address == "http://localhost/v1"
    assert _KEY not in repr(provider)

"""What is read out of providers' replies, by their shape alone."""

from collections.abc import Callable
from copy import deepcopy
from functools import reduce
from types import MappingProxyType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine.replies import ReplyFacts, is_first_token, merge, read_reply
from tests.support.data.replies import (
    ANTHROPIC_MESSAGE,
    ANTHROPIC_STREAM,
    OPENAI_CHAT,
    OPENAI_CHAT_STREAM,
    OPENAI_EMBEDDINGS,
    OPENAI_RESPONSE,
    OPENAI_RESPONSE_STREAM,
    as_object,
)

Shape = Callable[[Any], Any]
_SHAPES = pytest.mark.parametrize(
    "shape", [deepcopy, as_object, MappingProxyType], ids=["dict", "object", "mapping"]
)
_TEXT = "Your refund is on its way."


def _read(reply: object) -> ReplyFacts:
    facts = read_reply(reply, want_text=True)
    assert facts is not None
    return facts


@_SHAPES
def test_an_openai_chat_completion_counts_cached_tokens_in(shape: Shape) -> None:
    assert _read(shape(OPENAI_CHAT)) == ReplyFacts(
        response_model="gpt-4o-mini-2024-07-18",
        input_tokens=1200,
        cached_input_tokens=1024,
        output_tokens=80,
        finish_reason="stop",
        text=_TEXT,
    )


@_SHAPES
def test_an_openai_response_gets_the_finish_reason_of_a_chat_completion(shape: Shape) -> None:
    assert _read(shape(OPENAI_RESPONSE)) == ReplyFacts(
        response_model="gpt-4.1-2025-04-14",
        input_tokens=36,
        cached_input_tokens=12,
        output_tokens=87,
        finish_reason="stop",
        text=_TEXT,
    )


@_SHAPES
def test_an_anthropic_message_gets_its_cache_reads_and_writes_added(shape: Shape) -> None:
    assert _read(shape(ANTHROPIC_MESSAGE)) == ReplyFacts(
        response_model="claude-sonnet-4-5-20250929",
        input_tokens=50 + 248 + 1800,
        cached_input_tokens=1800,
        cache_write_tokens=248,
        cache_write_1h_tokens=100,
        output_tokens=503,
        finish_reason="end_turn",
        text=_TEXT,
    )


@pytest.mark.parametrize(
    ("stream", "whole"),
    [
        (OPENAI_CHAT_STREAM, OPENAI_CHAT),
        (OPENAI_RESPONSE_STREAM, OPENAI_RESPONSE),
        (ANTHROPIC_STREAM, ANTHROPIC_MESSAGE),
    ],
    ids=["openai chat", "openai responses", "anthropic"],
)
@pytest.mark.parametrize("shape", [deepcopy, as_object], ids=["dict", "object"])
def test_a_stream_says_in_the_end_what_the_whole_reply_says(
    shape: Shape, stream: list[dict[str, Any]], whole: dict[str, Any]
) -> None:
    pieces = [_read(shape(piece)) for piece in stream]
    assert reduce(merge, pieces, ReplyFacts())._replace(is_piece=False) == _read(whole)


@pytest.mark.parametrize(
    ("stream", "first"), [(OPENAI_CHAT_STREAM, 1), (OPENAI_RESPONSE_STREAM, 2), (ANTHROPIC_STREAM, 3)]
)
def test_the_first_token_of_a_stream_is_its_first_piece_of_text(
    stream: list[dict[str, Any]], first: int
) -> None:
    assert [is_first_token(piece) for piece in stream].index(True) == first


def test_texts_are_not_read_unless_wanted() -> None:
    for reply in (OPENAI_CHAT, OPENAI_RESPONSE, ANTHROPIC_MESSAGE, *OPENAI_CHAT_STREAM, *ANTHROPIC_STREAM):
        facts = read_reply(reply, want_text=False)
        assert facts is not None
        assert facts.text is None


def test_embeddings_write_no_tokens() -> None:
    facts = _read(OPENAI_EMBEDDINGS)
    assert (facts.input_tokens, facts.output_tokens) == (8, 0)
    facts = _read(SimpleNamespace(data=[], model="m", usage=SimpleNamespace(prompt_tokens=8, total_tokens=8)))
    assert (facts.input_tokens, facts.output_tokens) == (8, 0)


@pytest.mark.parametrize("reply", [OPENAI_CHAT, OPENAI_RESPONSE, ANTHROPIC_MESSAGE])
def test_a_reply_that_a_proxy_stripped_of_its_kind_is_known_by_its_fields(reply: dict[str, Any]) -> None:
    stripped = {name: value for name, value in reply.items() if name not in ("object", "type", "id")}
    assert _read(stripped) == _read(reply)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "incomplete", "incomplete_details": None}, "incomplete"),
        ({"status": "failed"}, "failed"),
        ({"output": [{"type": "function_call", "name": "refund", "arguments": "{}"}]}, "tool_calls"),
        ({"output": [{"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}]}, "refusal"),
    ],
)
def test_an_openai_response_says_why_it_ended(change: dict[str, Any], reason: str) -> None:
    assert _read({**OPENAI_RESPONSE, **change}).finish_reason == reason


def test_a_refused_chat_completion_says_so_though_it_stopped_in_order() -> None:
    reply = deepcopy(OPENAI_CHAT)
    reply["choices"][0]["message"].update(content=None, refusal="I cannot help with that.")
    facts = _read(reply)
    assert (facts.finish_reason, facts.text) == ("refusal", "I cannot help with that.")


def test_a_refusal_in_the_middle_of_a_stream_outlasts_its_end() -> None:
    refusal = {"object": "chat.completion.chunk", "choices": [{"delta": {"refusal": "I cannot"}}]}
    pieces = [_read(refusal), _read(OPENAI_CHAT_STREAM[3])]
    assert reduce(merge, pieces, ReplyFacts()).finish_reason == "refusal"


def test_content_given_in_parts_is_joined() -> None:
    reply = deepcopy(OPENAI_CHAT)
    reply["choices"][0]["message"]["content"] = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert _read(reply).text == "ab"


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": None}, {"prompt_tokens": "12"}, {"prompt_tokens": True}]
)
def test_a_reply_without_usable_usage_has_no_tokens(usage: object) -> None:
    facts = _read({**OPENAI_CHAT, "usage": usage})
    assert (facts.input_tokens, facts.cached_input_tokens, facts.output_tokens) == (None, None, None)
    assert facts.finish_reason == "stop"


@pytest.mark.parametrize("tokens", [-1, 1.5, float("nan"), float("inf"), "many", MagicMock()])
def test_what_is_no_count_is_not_taken_for_one(tokens: object) -> None:
    assert _read({**OPENAI_CHAT, "usage": {"prompt_tokens": tokens}}).input_tokens is None


@pytest.mark.parametrize(
    "reply",
    ["text", b"bytes", 3, object(), {}, [], {"usage": {}}, MagicMock(), {"object": "model"}, Exception("x")],
)
def test_a_reply_of_another_shape_is_not_known(reply: object) -> None:
    assert read_reply(reply, want_text=True) is None


_FIELDS = ["object", "type", "usage", "choices", "message", "delta", "content", "text", "output", "response"]
_FIELDS += ["prompt_tokens", "input_tokens", "completion_tokens", "status", "finish_reason", "model"]
_KINDS = ["message", "response", "chat.completion", "response.completed", "message_start"]
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_FIELDS), inner | st.sampled_from(_KINDS), max_size=5)
    ),
    max_leaves=20,
)


@given(_VALUES)
def test_no_reply_whatever_makes_reading_fail(reply: object) -> None:
    for shaped in (reply, as_object(reply)):
        read_reply(shaped, want_text=True)
        is_first_token(shaped)

"""What is read out of providers' replies, by their shape alone."""

from collections.abc import Callable
from copy import deepcopy
from functools import reduce
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine.replies import ReplyFacts, billed_usage, is_first_token, merge, read_reply
from tests.support.data.replies import (
    ANTHROPIC_MESSAGE,
    ANTHROPIC_STREAM,
    OPENAI_CHAT,
    OPENAI_CHAT_STREAM,
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
@pytest.mark.parametrize(
    ("reply", "model", "reason"),
    [
        (OPENAI_CHAT, "gpt-4o-mini-2024-07-18", "stop"),
        (OPENAI_RESPONSE, "gpt-4.1-2025-04-14", "stop"),
        (ANTHROPIC_MESSAGE, "claude-sonnet-4-5-20250929", "end_turn"),
    ],
    ids=["openai chat", "openai responses", "anthropic"],
)
def test_a_reply_says_who_answered_and_why_it_stopped(
    shape: Shape, reply: dict[str, Any], model: str, reason: str
) -> None:
    facts = _read(shape(reply))
    assert (facts.response_model, facts.finish_reason, facts.text) == (model, reason, _TEXT)


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
    told, expected = reduce(merge, pieces, ReplyFacts()), _read(whole)
    assert billed_usage(told, None).counts.items() <= billed_usage(expected, None).counts.items()
    for key in ("input_tokens", "cache_read_tokens", "output_tokens"):
        assert billed_usage(told, None).counts[key] == billed_usage(expected, None).counts[key]
    names = ("response_model", "finish_reason", "text")
    assert [getattr(told, name) for name in names] == [getattr(expected, name) for name in names]


def test_of_a_long_stream_two_usages_are_kept() -> None:
    piece = {"object": "chat.completion.chunk", "choices": []}
    pieces = [
        _read({**piece, "usage": {"prompt_tokens": 9, "completion_tokens": number}}) for number in range(999)
    ]
    told = reduce(merge, pieces, ReplyFacts())
    assert len(told.usages) == 2
    assert billed_usage(told, None).counts == {"input_tokens": 9, "output_tokens": 998}


@pytest.mark.parametrize(
    ("stream", "first"), [(OPENAI_CHAT_STREAM, 1), (OPENAI_RESPONSE_STREAM, 2), (ANTHROPIC_STREAM, 3)]
)
def test_the_first_token_of_a_stream_is_its_first_piece_of_text(
    stream: list[dict[str, Any]], first: int
) -> None:
    assert [is_first_token(piece) for piece in stream].index(True) == first
    helped = [{"type": "chunk", "chunk": piece} for piece in stream]
    assert [is_first_token(piece) for piece in helped].index(True) == first


def test_texts_are_not_read_unless_wanted() -> None:
    for reply in (OPENAI_CHAT, OPENAI_RESPONSE, ANTHROPIC_MESSAGE, *OPENAI_CHAT_STREAM, *ANTHROPIC_STREAM):
        facts = read_reply(reply, want_text=False)
        assert facts is not None
        assert facts.text is None


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
    "reply",
    ["text", b"bytes", 3, object(), {}, [], {"usage": {}}, {"object": "model"}, Exception("x")],
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
        facts = read_reply(shaped, want_text=True)
        if facts is not None:
            billed_usage(facts, None)
        is_first_token(shaped)

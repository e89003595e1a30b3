"""What becomes of the spans of one body: events, and an answer that says what to change."""

import json
import math
from typing import Any, cast

import pytest

from coalmine_schemas.codec import Decoder
from coalmine_schemas.events import EventName
from coalmine_schemas.identifiers import derived_uuid7
from coalmine_schemas.resolver import SchemaResolver
from coalmine_server.services.intake import EventReader
from coalmine_server.services.otlp import TooManySpans, Traces, read_traces
from coalmine_server.services.otlp.reader import MAX_EVENTS
from coalmine_server.services.otlp.spans import BadSpan, Span, SpanEvent
from tests.support.data.spans import CHAT, PROMPT, SPAN, START_NS, TRACE, evaluation, span

OWN_ID = "01a2226c-8b0f-7606-a212-c3f940cf2282"
DERIVED = derived_uuid7(START_NS // 1_000_000, TRACE, SPAN)


def read(*spans: Span | BadSpan, capture_text: bool = False) -> Traces:
    reader = EventReader(environment="prod", capture_text=capture_text)
    return read_traces(spans, reader, app="token", environment=None)


def events(traces: Traces) -> list[dict[str, Any]]:
    decoder = Decoder(SchemaResolver())
    # A record has the event's name in place of its topic until it is written.
    return [
        dict(decoder.decode(cast(EventName, record.topic), record.value)) for record in traces.reading.records
    ]


def test_a_call_with_evaluations_becomes_a_request_and_scores() -> None:
    traces = read(
        span(
            events=(
                evaluation(score_value=0.75, explanation="well founded"),
                evaluation("polite", score_label="fail"),
                SpanEvent("log", START_NS),
            )
        )
    )
    request, score, verdict = events(traces)
    assert (traces.outcomes, traces.message) == ({"stored": 1}, "")
    assert request["request_id"] == score["request_id"] == verdict["request_id"] == DERIVED
    assert (score["name"], score["value"], score["rationale"]) == ("groundedness", 0.75, None)
    assert (verdict["name"], verdict["value"], verdict["app"]) == ("polite", 0.0, "support-bot")


def test_sent_again_every_event_has_the_same_id() -> None:
    given = span(events=(evaluation(score_value=1.0), evaluation("user_feedback", score_label="up")))
    first, second = events(read(given)), events(read(given))
    assert first == second
    assert len({each.get("score_id") or each.get("feedback_id") or each["request_id"] for each in first}) == 3


def test_what_a_user_thought_is_feedback() -> None:
    said = (
        evaluation("user_feedback", score_label="thumbs_down", explanation="too long"),
        evaluation("user_feedback", score_value=1),
        evaluation("user_feedback", score_value=4.5),
    )
    _, down, up, rated = events(read(span(events=said), capture_text=True))
    assert (down["thumbs"], down["rating"], down["comment"]) == ("down", None, "too long")
    assert (up["thumbs"], up["rating"]) == ("up", None)
    assert (rated["thumbs"], rated["rating"]) == (None, 4.5)


def test_annotations_of_openinference_become_scores_with_their_source() -> None:
    said = {
        **CHAT,
        "annotations.0.annotation.name": "relevance",
        "annotations.0.annotation.score": 0.5,
        "annotations.0.annotation.annotator_kind": "LLM",
        "evaluations.1.evaluation.name": "exact",
        "evaluations.1.evaluation.label": "pass",
        "evaluations.1.evaluation.annotator_kind": "CODE",
    }
    _, judged, exact = events(read(span(said)))
    assert (judged["name"], judged["value"], judged["source"]) == ("relevance", 0.5, "judge")
    assert (exact["name"], exact["value"], exact["source"]) == ("exact", 1.0, "heuristic")


def test_a_later_evaluation_names_its_call() -> None:
    (score,) = events(read(span({"coalmine.request_id": OWN_ID}, events=(evaluation(score_value=1),))))
    assert score["request_id"] == OWN_ID
    traces = read(span({}, events=(evaluation(score_value=1),)))
    assert (traces.outcomes, traces.rejected) == ({"invalid": 1}, 1)
    assert "coalmine.request_id" in traces.message


def test_other_spans_are_ignored_and_nothing_is_said_of_them() -> None:
    traces = read(span({"http.route": "/"}), span({**CHAT, "gen_ai.operation.name": "invoke_agent"}))
    assert (traces.outcomes, traces.rejected, traces.message) == ({"ignored": 2}, 0, "")


def test_what_the_client_has_sent_itself_is_not_stored_again() -> None:
    attributes = {**CHAT, "coalmine.request_id": OWN_ID}
    assert read(span(attributes, scope="coalmine")).outcomes == {"ignored": 1}
    judged = read(span(attributes, scope="coalmine", events=(evaluation(score_value=1),)))
    assert [each["request_id"] for each in events(judged)] == [OWN_ID]


def test_each_reason_is_told_once_with_its_number() -> None:
    nameless = span({key: value for key, value in CHAT.items() if key not in PROMPT})
    traces = read(
        *(nameless, nameless, BadSpan("a span is no protobuf")),
        span({**CHAT, "gen_ai.usage.input_tokens": -5}),
        span({**CHAT, "coalmine.request_id": "seven"}),
        span(),
    )
    assert traces.outcomes == {"no_prompt": 2, "invalid": 3, "stored": 1}
    assert traces.rejected == 5
    assert "2 x names no prompt" in traces.message
    assert "1 x input_tokens is below 0: -5" in traces.message
    assert "1 x request_id is not a UUID" in traces.message


def test_a_bad_evaluation_costs_only_itself() -> None:
    traces = read(span(events=(evaluation("shade", score_label="greenish"), evaluation(score_value=1))))
    assert [each.get("name") for each in events(traces)] == [None, "groundedness"]
    assert (traces.outcomes, traces.rejected) == ({"stored": 1}, 0)
    assert "value is missing" in traces.message


def test_a_call_that_is_not_stored_is_rejected_whatever_is_said_of_it() -> None:
    traces = read(span({**CHAT, "gen_ai.usage.input_tokens": -5}, events=(evaluation(score_value=1),)))
    assert [each.get("name") for each in events(traces)] == ["groundedness"]
    assert (traces.outcomes, traces.rejected) == ({"invalid": 1}, 1)
    assert "input_tokens is below 0" in traces.message


def test_an_answer_is_short_however_much_is_wrong() -> None:
    spans = [span({**CHAT, "gen_ai.usage.input_tokens": -number}) for number in range(1, 201)]
    traces = read(*spans, span({**CHAT, "coalmine.request_id": "x" * 10_000}))
    assert traces.rejected == 201
    assert len(traces.message) < 5_000
    assert "and 191 other reasons" in traces.message


def test_a_body_of_very_many_evaluations_is_refused() -> None:
    said = span(events=(evaluation(score_value=1.0),) * 1_000)
    with pytest.raises(TooManySpans, match="evaluations"):
        read(*[said] * (MAX_EVENTS // 1_000 + 1))


def test_a_span_whose_id_is_all_zeros_is_named() -> None:
    traces = read(span(span_id="0" * 16), span(trace_id="0" * 32))
    assert (traces.outcomes, traces.rejected) == ({"invalid": 2}, 2)
    assert "2 x has no valid trace and span id" in traces.message


def test_texts_among_the_parameters_of_a_call_are_no_parameters() -> None:
    given = {
        **dict.fromkeys(("messages", "input", "prompt", "system", "instructions", "contents"), "who I am"),
        "temperature": 0.5,
    }
    (event,) = events(read(span({**CHAT, "llm.invocation_parameters": json.dumps(given)})))
    assert event["request_parameters"] == {"temperature": "0.5"}


def test_what_a_library_was_called_with_is_no_parameter_unless_it_is_a_number_or_a_known_word() -> None:
    given = {
        **dict.fromkeys(("api_key", "user", "message", "preamble", "inputText", "suffix"), "a secret"),
        **{"user": 17, "chat_history": [{"a": "secret"}], "inputs": [1, 2], "tool_choice": "a secret"},
        **{"extra_headers": {"Authorization": "Bearer secret"}, "prediction": {"content": "a secret"}},
        **{"response_format": {"type": "json_object"}, "reasoning_effort": "low", "metadata": {"id": 17}},
        **{"thinking": {"type": "enabled", "budget_tokens": 1024}, "logprobs": True, "stop": ["\n\n", "END"]},
        "deep": {"a": {"b": {"c": 1}}},
    }
    (event,) = events(read(span({**CHAT, "llm.invocation_parameters": json.dumps(given)})))
    assert event["request_parameters"] == {
        "response_format": '{"type": "json_object"}',
        "reasoning_effort": '"low"',
        "thinking": '{"type": "enabled", "budget_tokens": 1024}',
        "logprobs": "true",
        "stop": '["\\n\\n", "END"]',
    }


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("openai.RateLimitError", "RateLimitError"),
        ("java.net.SocketException$Reset", "SocketException$Reset"),
        ("std::io::Error", "std::io::Error"),
        ("429", "429"),
        ("openai.BadRequestError: Mr. Jones may not. Ask", "BadRequestError"),
        ("Mr. Jones may not", "error"),
    ],
)
def test_of_an_error_its_name_is_kept_and_no_message(said: str, kept: str) -> None:
    (event,) = events(read(span({**CHAT, "error.type": said})))
    assert event["error_type"] == kept


@pytest.mark.parametrize(
    ("said", "reason", "outcome"),
    [('["length"]', "length", "truncated"), ('["SAFETY", "STOP"]', "SAFETY", "refused"), ("[]", None, "ok")],
)
def test_a_list_of_finish_reasons_may_be_a_text_as_spring_ai_has_it(
    said: str, reason: str | None, outcome: str
) -> None:
    (event,) = events(read(span({**CHAT, "gen_ai.response.finish_reasons": said})))
    assert (event["finish_reason"], event["outcome"]) == (reason, outcome)


def test_parameters_and_models_of_spring_ai_are_texts() -> None:
    given = {"temperature": "0.7", "stop_sequences": '["END"]', "max_tokens": "200", "reasoning.level": "low"}
    attributes = {f"gen_ai.request.{name}": text for name, text in given.items()}
    (event,) = events(read(span({**CHAT, **attributes, "gen_ai.response.model": "none"})))
    assert event["request_parameters"] == {
        **{"temperature": "0.7", "stop": '["END"]', "max_tokens": "200", "reasoning_effort": '"low"'}
    }
    assert (event["response_model"], event["request_model"]) == (None, CHAT["gen_ai.request.model"])


@pytest.mark.parametrize("unknown", [math.nan, "NaN", math.inf, "-Infinity"])
def test_a_number_that_is_not_known_costs_no_call(unknown: float | str) -> None:
    given = {"gen_ai.response.time_to_first_chunk": unknown, "gen_ai.usage.output_tokens": unknown}
    (event,) = events(read(span({**CHAT, **given, "gen_ai.request.top_p": math.nan})))
    assert event["request_parameters"] == {}
    assert (event["time_to_first_token_ms"], event["output_tokens"]) == (None, None)


def test_a_parameter_of_hundreds_of_digits_is_a_number_or_is_left_out() -> None:
    given = {"llm.invocation_parameters": f'{{"seed": {10**400}, "top_k": {10**600}, "n": 1e999}}'}
    (event,) = events(read(span({**CHAT, **given, "gen_ai.request.seed": "9" * 5_000})))
    assert event["request_parameters"] == {"seed": str(10**400)}


def test_a_finish_reason_that_begins_like_a_list_is_itself() -> None:
    (event,) = events(read(span({**CHAT, "gen_ai.response.finish_reasons": "[stop"})))
    assert event["finish_reason"] == "[stop"


def test_texts_are_kept_only_if_they_are_captured() -> None:
    given = span({**CHAT, "gen_ai.input.messages": "[]", "gen_ai.output.messages": "[1]"})
    (without,), (with_texts,) = events(read(given)), events(read(given, capture_text=True))
    assert (without["input_text"], without["output_text"]) == (None, None)
    assert (with_texts["input_text"], with_texts["output_text"]) == ("[]", "[1]")

"""What the client says of an answer's text without sending it."""

from pathlib import Path
from typing import Any

import pytest

from coalmine import Coalmine
from coalmine_schemas.limits import NAMES_PER_EVENT
from tests.support.data.replies import ANTHROPIC_STREAM, OPENAI_CHAT
from tests.support.oracles.produced import requests_of, spooled

_JSON: dict[str, Any] = {"response_format": {"type": "json_object"}}
_LONG_JSON: dict[str, Any] = {
    "response_format": {
        "type": "json_schema",
        "json_schema": {"schema": {"properties": {f"field{number}": {} for number in range(100)}}},
    }
}
"""Longer than what an event keeps of a parameter."""


def _metrics(home: Path, answer: str, parameters: dict[str, Any] | None = None) -> dict[str, float]:
    with (
        Coalmine("bot", home=home, signals=True) as cm,
        cm.call("p", version="1", parameters=parameters) as call,
    ):
        call.record(output_text=answer)
    (record,) = requests_of(spooled(home))
    assert record["output_text"] is None
    found: dict[str, float] = record["metrics"]
    return found


@pytest.mark.parametrize(
    ("answer", "parameters", "metrics"),
    [
        ("It is on its way.", None, {"output_words": 5, "refusal_worded": 0}),
        ("I\u2019m  sorry, but I can\u2019t\nhelp you.", None, {"output_words": 7, "refusal_worded": 1}),
        ("Das kann ich Ihnen nicht beantworten.", None, {"output_words": 6, "refusal_worded": 1}),
        ('{"refund": 20}', None, {"output_words": 2, "refusal_worded": 0, "json_valid": 1}),
        ('```json\n{"refund": 20}\n```', None, {"output_words": 4, "refusal_worded": 0, "json_valid": 1}),
        ('{"refund": 20', None, {"output_words": 2, "refusal_worded": 0, "json_valid": 0}),
        ("Sure, here it is!", _JSON, {"output_words": 4, "refusal_worded": 0, "json_valid": 0}),
        ('{"refund": NaN}', None, {"output_words": 2, "refusal_worded": 0, "json_valid": 0}),
        ("[-Infinity]", None, {"output_words": 1, "refusal_worded": 0, "json_valid": 0}),
        ("Sure, here it is!", _LONG_JSON, {"output_words": 4, "refusal_worded": 0, "json_valid": 0}),
        ("[" * 90_000, None, {"output_words": 1, "refusal_worded": 0, "json_valid": 0}),
        (" \n", _JSON, {}),
    ],
)
def test_an_answer_is_described_and_its_text_stays(
    tmp_path: Path, answer: str, parameters: dict[str, Any] | None, metrics: dict[str, float]
) -> None:
    assert _metrics(tmp_path, answer, parameters) == metrics


def test_replies_and_streams_are_read(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path, signals=True) as cm:
        with cm.call("p", version="1") as call:
            call.record(OPENAI_CHAT, input_text="Where is it?")
        with cm.call("p", version="1") as call:
            for piece in ANTHROPIC_STREAM:
                call.record(piece)
    chat, stream = requests_of(spooled(tmp_path))
    assert (chat["input_text"], chat["output_text"], chat["metrics"]["output_words"]) == (None, None, 6)
    assert stream["metrics"]["output_words"] > 0


def test_nothing_is_read_unless_asked_for(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path) as cm, cm.call("p", version="1") as call:
        call.record(output_text="It is on its way.")
    (record,) = requests_of(spooled(tmp_path))
    assert record["metrics"] == {}


def test_what_was_cut_or_failed_says_nothing_of_the_prompt(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path, signals=True) as cm:
        with cm.call("p", version="1") as call:
            call.record(output_text="It is")
            call.error("Timeout")
        stream = _answering(cm)
        next(stream)
        stream.close()
    assert [record["metrics"] for record in requests_of(spooled(tmp_path))] == [{}, {}]


def _answering(cm: Coalmine) -> Any:
    with cm.call("p", version="1") as call:
        call.record(output_text="It is")
        yield


def test_a_services_own_metrics_win(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path, signals=True) as cm:
        with cm.call("p", version="1") as call:
            call.record(output_text="It is on its way.")
            call.metric("output_words", 42)
        with cm.call("p", version="1") as call:
            call.record(output_text="It is on its way.")
            for number in range(NAMES_PER_EVENT):
                call.metric(f"m{number}", 1)
    own, many = requests_of(spooled(tmp_path))
    assert own["metrics"]["output_words"] == 42
    assert len(many["metrics"]) == NAMES_PER_EVENT
    assert "output_words" not in many["metrics"]


def test_a_parameter_that_is_no_json_costs_no_event(tmp_path: Path) -> None:
    circle: list[Any] = []
    circle.append(circle)
    parameters = {"response_format": circle, "logit_bias": {(1, 2): 3}, "temperature": 0.5}
    with Coalmine("bot", home=tmp_path, signals=True) as cm:
        with cm.call("p", version="1", parameters=parameters) as call:
            call.record(output_text="It is on its way.", input_tokens=7)
        assert cm.flush(30)
        assert cm.stats().problems == {"bad_value": 2}
    (record,) = requests_of(spooled(tmp_path))
    assert (record["input_tokens"], record["request_parameters"]) == (7, {"temperature": "0.5"})
    assert record["metrics"]["output_words"] == 5

"""Feedback and scores, and whole events given to the client."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from coalmine import Coalmine
from coalmine_schemas.events import PromptFeedback, PromptRequest, PromptScore
from coalmine_schemas.identifiers import unit_group, uuid7
from tests.support.oracles.produced import requests_of, spooled

_LAST_MONTH = datetime(2025, 11, 3, 4, 5, 6, 789, tzinfo=UTC)
_REQUEST = PromptRequest(
    request_id=uuid7(),
    event_time=_LAST_MONTH,
    app="other-app",
    environment="staging",
    prompt="p",
    version="1.0.0",
    unit_group=unit_group("u"),
    resolution="fixed",
    unit_id="u",
    request_model="gpt-4o-mini",
    input_tokens=1000,
    output_tokens=100,
    latency_ms=1234.5,
    input_text="a secret",
)


@pytest.fixture
def cm(tmp_path: Path) -> Iterator[Coalmine]:
    with Coalmine("support-bot", home=tmp_path) as client:
        yield client


@pytest.fixture
def capturing(tmp_path: Path) -> Iterator[Coalmine]:
    with Coalmine("support-bot", home=tmp_path, capture_text=True) as client:
        yield client


def test_feedback_carries_what_the_person_said(capturing: Coalmine, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    request_id = uuid7()
    assert capturing.feedback(
        request_id,
        thumbs="down",
        rating=2,
        comment="promised a refund",
        correction="No refunds.",
        unit_id="user-7",
        metadata={"channel": "email"},
    )
    capturing.flush(30)
    (one,) = spooled(tmp_path)
    assert (one.event, one.key) == ("feedback", request_id.encode())
    assert before <= one.record.pop("event_time") <= datetime.now(UTC)
    assert one.record == {
        "feedback_id": one.id,
        "request_id": request_id,
        "app": "support-bot",
        "thumbs": "down",
        "rating": 2.0,
        "comment": "promised a refund",
        "correction": "No refunds.",
        "unit_id": "user-7",
        "metadata": {"channel": "email"},
    }


def test_a_score_carries_its_source(capturing: Coalmine, tmp_path: Path) -> None:
    request_id = uuid7()
    assert capturing.score(
        request_id,
        "quality",
        1,
        source="judge",
        scorer="rubric@3",
        rationale="polite",
        event_time=_LAST_MONTH,
    )
    capturing.flush(30)
    (one,) = spooled(tmp_path)
    assert (one.event, one.key) == ("scores", request_id.encode())
    assert one.record == {
        "score_id": one.id,
        "request_id": request_id,
        "event_time": _LAST_MONTH,
        "app": "support-bot",
        "name": "quality",
        "value": 1.0,
        "source": "judge",
        "scorer": "rubric@3",
        "rationale": "polite",
        "unit_id": None,
        "session_id": None,
        "prompt": None,
    }


def test_a_late_outcome_says_whose_it_is_and_no_call(cm: Coalmine, tmp_path: Path) -> None:
    assert cm.outcome(unit_id="user-7", name="spent_usd", value=19.9, prompt="refund", event_time=_LAST_MONTH)
    assert cm.outcome("reopened", session_id="s-3")
    cm.flush(30)
    spent, reopened = (one.record for one in spooled(tmp_path))
    assert spent == {
        "score_id": spent["request_id"],
        "request_id": spent["score_id"],
        "event_time": _LAST_MONTH,
        "app": "support-bot",
        "name": "spent_usd",
        "value": 19.9,
        "source": "unknown",
        "scorer": None,
        "rationale": None,
        "unit_id": "user-7",
        "session_id": None,
        "prompt": "refund",
    }
    assert (reopened["value"], reopened["unit_id"], reopened["session_id"]) == (1.0, None, "s-3")
    assert reopened["score_id"] != spent["score_id"]
    assert [one.event for one in spooled(tmp_path)] == ["scores", "scores"]


def test_an_outcome_sent_again_by_its_own_id_is_the_same_event(cm: Coalmine, tmp_path: Path) -> None:
    later = _LAST_MONTH.replace(day=4)
    for name, own_id, at in (
        ("paid", "order-1", _LAST_MONTH),
        ("paid", "order-1", _LAST_MONTH),
        ("paid", "order-2", _LAST_MONTH),
        ("cancelled", "order-1", _LAST_MONTH),
        ("paid", "order-1", later),
    ):
        assert cm.outcome(name, unit_id="u", outcome_id=own_id, event_time=at)
    cm.flush(30)
    first, again, *others = (one.id for one in spooled(tmp_path))
    assert first == again
    assert len({first, *others}) == 4


def test_an_outcomes_unit_is_hashed_like_that_of_its_calls(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path, unit_ids="hashed", unit_id_key="k") as cm:
        with cm.call("p", version="1.0.0", model="m", unit_id="ann", session_id="s"):
            pass
        cm.outcome("converted", unit_id="ann")
        cm.outcome("converted", session_id="s")
    call, of_unit, of_session = (one.record for one in spooled(tmp_path))
    assert of_unit["unit_id"] == call["unit_id"] != "ann"
    assert of_session["session_id"] == call["session_id"] != "s"


def test_texts_stay_in_the_process_unless_they_are_captured(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path) as cm:
        cm.feedback(uuid7(), thumbs="up", comment="I am Ada", correction="She is Ada")
        cm.feedback(uuid7(), thumbs="up")
        cm.score(uuid7(), "quality", 1.0, rationale="Ada said so")
        whole: dict[str, Any] = {"feedback_id": uuid7(), "request_id": uuid7(), "event_time": _LAST_MONTH}
        cm.emit_feedback(PromptFeedback(**whole, app="bot", comment="Ada", thumbs="up"))
    commented, plain, score, emitted = (one.record for one in spooled(tmp_path))
    assert (commented["comment"], plain["comment"], score["rationale"], emitted["comment"]) == (None,) * 4
    # That there was a correction is a measurement, and no text.
    assert (commented["correction"], plain["correction"]) == ("", None)


@pytest.mark.parametrize(
    "arguments",
    [{"thumbs": "sideways"}, {"rating": float("nan")}, {"rating": "five"}, {"request_id": "12", "rating": 1}],
)
def test_feedback_that_breaks_the_rules_is_dropped_and_counted(
    cm: Coalmine, arguments: dict[str, Any]
) -> None:
    assert not cm.feedback(**{"request_id": uuid7(), "thumbs": "up", **arguments})
    assert cm.stats().dropped == {"invalid": 1}


@pytest.mark.parametrize("metadata", [5, ["a"]])
def test_feedback_that_cannot_be_made_raises_nothing(cm: Coalmine, metadata: Any) -> None:
    assert not cm.feedback(uuid7(), metadata=metadata)
    assert not cm.score(uuid7(), "quality", [metadata])  # type: ignore[arg-type]
    assert (cm.stats().produced, cm.stats().dropped) == (2, {"invalid": 2})


def test_a_whole_event_is_sent_with_the_times_it_says(cm: Coalmine, tmp_path: Path) -> None:
    cm.emit_request(_REQUEST)
    cm.flush(30)
    (one,) = spooled(tmp_path)
    expected = _REQUEST.to_record()
    expected["input_text"] = None  # this client captures no texts
    expected["cost_nano_usd"] = 1000 * 150 + 100 * 600
    expected |= {"cost_source": "price_list", "provider": "openai", "outcome": "ok"}
    assert one.record == expected
    assert one.key == b"u"


def test_a_whole_events_own_cost_is_kept(cm: Coalmine, tmp_path: Path) -> None:
    cm.emit_request(replace(_REQUEST, cost_nano_usd=5))
    cm.flush(30)
    assert spooled(tmp_path)[0].record["cost_nano_usd"] == 5


def test_whole_feedback_and_scores_are_sent_as_they_are(cm: Coalmine, tmp_path: Path) -> None:
    feedback = PromptFeedback(
        feedback_id=uuid7(), request_id=uuid7(), event_time=_LAST_MONTH, app="a", thumbs="up"
    )
    score = PromptScore(
        score_id=uuid7(),
        request_id=uuid7(),
        event_time=_LAST_MONTH,
        app="a",
        name="n",
        value=0.5,
        source="human",
    )
    assert cm.emit_feedback(feedback)
    assert cm.emit_score(score)
    cm.flush(30)
    assert [one.record for one in spooled(tmp_path)] == [feedback.to_record(), score.to_record()]


def test_the_same_event_sent_twice_keeps_its_identity(cm: Coalmine, tmp_path: Path) -> None:
    cm.emit_request(_REQUEST)
    cm.emit_request(_REQUEST)
    cm.flush(30)
    assert [one.id for one in spooled(tmp_path)] == [_REQUEST.request_id] * 2


@pytest.mark.parametrize(
    "change", [{"latency_ms": float("nan")}, {"prompt": ""}, {"latency_ms": "slow"}, {"version": None}]
)
def test_a_whole_event_that_breaks_the_rules_is_dropped_and_counted(
    cm: Coalmine, change: dict[str, Any]
) -> None:
    cm.emit_request(replace(_REQUEST, **change))
    assert cm.flush(30)
    assert cm.stats().dropped == {"invalid": 1}


def test_a_whole_event_needs_no_more_than_what_only_the_service_knows(cm: Coalmine, tmp_path: Path) -> None:
    assert cm.emit_request(PromptRequest(prompt="p", version="1.0.0", latency_ms=5.0))
    assert cm.emit_request(PromptRequest(prompt="p", version="1.0.0", latency_ms=5.0, session_id="s"))
    cm.flush(30)
    alone, of_session = requests_of(spooled(tmp_path))
    assert (alone["app"], alone["environment"]) == (cm.settings.app, cm.settings.environment)
    assert alone["unit_id"] == alone["request_id"]
    assert (of_session["unit_id"], of_session["unit_group"]) == ("s", unit_group("s"))
    assert of_session["resolution"] == "fixed"
    assert abs((datetime.now(UTC) - alone["event_time"]).total_seconds()) < 3600


@pytest.mark.parametrize("arguments", [{}, {"comment": ""}, {"unit_id": "u", "metadata": {"page": "3"}}])
def test_feedback_that_says_nothing_is_refused_and_says_what_to_give(
    cm: Coalmine, tmp_path: Path, caplog: pytest.LogCaptureFixture, arguments: dict[str, Any]
) -> None:
    request_id = uuid7()
    assert not cm.feedback(request_id, **arguments)
    empty = PromptFeedback(
        feedback_id=uuid7(), request_id=request_id, event_time=datetime.now(UTC), app="bot"
    )
    cm.emit_feedback(empty)
    assert cm.flush(30)
    assert not spooled(tmp_path)
    assert cm.stats().dropped == {"invalid": 2}
    assert all("thumbs, rating, comment" in record.getMessage() for record in caplog.records)

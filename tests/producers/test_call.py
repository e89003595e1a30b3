"""What one call leaves behind, as a collector reads it."""

import asyncio
import copy
import logging
import math
import uuid
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from uuid import UUID

import pytest

from coalmine import Call, Coalmine, UnknownPrompt
from coalmine_schemas.events import PromptRequest
from coalmine_schemas.identifiers import unit_group
from tests.support.data.replies import (
    ANTHROPIC_MESSAGE,
    ANTHROPIC_STREAM,
    OPENAI_CHAT,
    OPENAI_CHAT_STREAM,
    as_object,
)
from tests.support.oracles.produced import requests_of, spooled


@pytest.fixture
def cm(tmp_path: Path) -> Iterator[Coalmine]:
    with Coalmine("support-bot", "staging", home=tmp_path) as client:
        yield client


def _only(cm: Coalmine, home: Path) -> dict[str, Any]:
    assert cm.flush(30)
    (record,) = requests_of(spooled(home))
    return record


def test_a_call_says_everything_the_event_has_room_for(cm: Coalmine, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    with cm.call(
        "support-refund",
        version="1.2.0",
        model="gpt-4o-mini",
        provider="openai",
        parameters={"temperature": 0.2, "stop": ["\n"], "top_p": None, "tools": ["x" * 600]},
        unit_id="user-7",
        session_id="session-3",
        segments={"tier": "enterprise"},
        label="latest",
        variant="treatment",
        experiment="tone",
        allocation_epoch=4,
        resolution="cached",
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        parent_request_id="0199aaaa-0000-7000-8000-000000000000",
    ) as call:
        assert call.model == "gpt-4o-mini"
        assert call.version == "1.2.0"
        call.record(as_object(OPENAI_CHAT))
        call.metric("quality", 0.75)
    after = datetime.now(UTC)

    record = _only(cm, tmp_path)
    assert set(record) == {field.name for field in fields(PromptRequest)}
    assert before <= record.pop("event_time") <= after
    made_ms = UUID(record["request_id"]).int >> 80
    assert before.timestamp() * 1000 - 1 <= made_ms <= after.timestamp() * 1000
    assert 0 < record.pop("latency_ms") <= (after - before).total_seconds() * 1000
    assert record == {
        "request_id": call.request_id,
        "app": "support-bot",
        "environment": "staging",
        "prompt": "support-refund",
        "version": "1.2.0",
        "label": "latest",
        "variant": "treatment",
        "experiment": "tone",
        "allocation_epoch": 4,
        "unit_group": unit_group("user-7"),
        "resolution": "cached",
        "unit_id": "user-7",
        "session_id": "session-3",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "parent_request_id": "0199aaaa-0000-7000-8000-000000000000",
        "provider": "openai",
        "request_model": "gpt-4o-mini",
        "response_model": "gpt-4o-mini-2024-07-18",
        "request_parameters": {"temperature": "0.2", "stop": '["\\n"]'},
        "service_tier": "default",
        "input_tokens": 1200,
        "cached_input_tokens": 1024,
        "cache_creation_input_tokens": None,
        "cache_creation_5m_input_tokens": None,
        "cache_creation_1h_input_tokens": None,
        "audio_input_tokens": 0,
        "image_input_tokens": None,
        "output_tokens": 80,
        "reasoning_output_tokens": 0,
        "audio_output_tokens": 0,
        "image_output_tokens": None,
        "other_usage": {},
        "cost_nano_usd": (1200 - 1024) * 150 + 1024 * 75 + 80 * 600,
        "cost_source": "price_list",
        "outcome": "ok",
        "time_to_first_token_ms": None,
        "finish_reason": "stop",
        "error_type": None,
        "metrics": {"quality": 0.75},
        "segments": {"tier": "enterprise"},
        "input_text": None,
        "output_text": None,
        "client_version": record["client_version"],
    }
    assert record["client_version"]


def test_a_call_that_says_nothing_more_is_an_event_with_nulls(cm: Coalmine, tmp_path: Path) -> None:
    with cm.call("p", version="1.0.0") as call:
        pass
    assert call.model == ""
    record = _only(cm, tmp_path)
    assert record["request_model"] == "unknown"
    assert record["resolution"] == "fixed"
    optional = {field.name for field in fields(PromptRequest) if field.default is None}
    assert {name for name, value in record.items() if value is None} == optional - {"client_version"}


def test_the_unit_is_the_user_else_the_session_else_the_request(cm: Coalmine, tmp_path: Path) -> None:
    with cm.call("p", version="1", unit_id="u", session_id="s"):
        pass
    with cm.call("p", version="1", session_id="s"):
        pass
    with cm.call("p", version="1") as alone:
        pass
    cm.flush(30)
    produced = spooled(tmp_path)
    assert [one.record["unit_id"] for one in produced] == ["u", "s", alone.request_id]
    assert [one.key for one in produced] == [b"u", b"s", alone.request_id.encode()]


class BrokenAnswer(Exception):
    """Something a service raises."""


def test_an_exception_is_recorded_and_passed_on_untouched(cm: Coalmine, tmp_path: Path) -> None:
    error = BrokenAnswer("secret words")
    with pytest.raises(BrokenAnswer) as caught, cm.call("p", version="1"):
        raise error
    assert caught.value is error
    record = _only(cm, tmp_path)
    assert record["error_type"] == "BrokenAnswer"
    assert "secret words" not in str(record)


def test_an_error_that_was_caught_can_be_named(cm: Coalmine, tmp_path: Path) -> None:
    for error in ("ContentPolicy", BrokenAnswer("x"), ""):
        with cm.call("p", version="1") as call:
            call.error(error)
    cm.flush(30)
    named = [record["error_type"] for record in requests_of(spooled(tmp_path))]
    assert named == ["ContentPolicy", "BrokenAnswer", "error"]


def test_async_with_works_as_with_does(cm: Coalmine, tmp_path: Path) -> None:
    async def service(number: int) -> str:
        async with cm.call("p", version="1", unit_id=f"u{number}") as call:
            await asyncio.sleep(0.02)
            call.record(OPENAI_CHAT)
        return call.request_id

    async def cancelled() -> None:
        async with cm.call("p", version="1", unit_id="cancelled"):
            await asyncio.sleep(3600)

    async def run() -> list[str]:
        doomed = asyncio.create_task(cancelled())
        done = await asyncio.gather(*(service(number) for number in range(50)))
        doomed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doomed
        return done

    made = asyncio.run(run())
    cm.flush(30)
    by_unit = {record["unit_id"]: record for record in requests_of(spooled(tmp_path))}
    gone = by_unit.pop("cancelled")
    assert (gone["outcome"], gone["error_type"]) == ("cancelled", None)
    assert {record["request_id"] for record in by_unit.values()} == set(made)
    assert all(record["latency_ms"] >= 20 for record in by_unit.values())
    assert all(record["output_tokens"] == 80 for record in by_unit.values())


def test_a_stream_gives_its_first_token_and_its_last_usage(cm: Coalmine, tmp_path: Path) -> None:
    with cm.call("p", version="1") as call:
        for chunk in OPENAI_CHAT_STREAM:
            call.record(chunk)
    record = _only(cm, tmp_path)
    assert 0 < record["time_to_first_token_ms"] <= record["latency_ms"]
    assert (record["input_tokens"], record["output_tokens"], record["finish_reason"]) == (1200, 80, "stop")


def test_the_first_token_can_be_marked_by_hand_and_counts_once(cm: Coalmine, tmp_path: Path) -> None:
    with cm.call("p", version="1") as call:
        call.first_token()
        first = call.first_token_ns
        call.first_token()
        for event in ANTHROPIC_STREAM:
            call.record(event)
        assert call.first_token_ns == first
    record = _only(cm, tmp_path)
    assert record["input_tokens"] == 2098
    assert record["time_to_first_token_ms"] is not None


def test_a_cost_counts_what_anthropic_writes_to_its_cache(cm: Coalmine, tmp_path: Path) -> None:
    with cm.call("p", version="1", model="claude-sonnet-4-5") as call:
        call.record(ANTHROPIC_MESSAGE)
    record = _only(cm, tmp_path)
    assert (record["input_tokens"], record["cached_input_tokens"]) == (2098, 1800)
    assert record["cost_nano_usd"] == 50 * 3000 + 1800 * 300 + 148 * 3750 + 100 * 6000 + 503 * 15000


def test_an_unknown_models_cost_is_null(cm: Coalmine, tmp_path: Path) -> None:
    with cm.call("p", version="1", model="our-own-7b") as call:
        call.record({**OPENAI_CHAT, "model": "our-own-7b"})
    record = _only(cm, tmp_path)
    assert record["input_tokens"] == 1200
    assert record["cost_nano_usd"] is None


def test_arguments_win_over_the_reply(cm: Coalmine, tmp_path: Path) -> None:
    with cm.call("p", version="1") as call:
        call.record(
            OPENAI_CHAT,
            response_model="other",
            input_tokens=5,
            cached_input_tokens=0,
            output_tokens=6,
            finish_reason="length",
            cost_nano_usd=7,
        )
    record = _only(cm, tmp_path)
    assert record["response_model"] == "other"
    assert [record[f"{kind}_tokens"] for kind in ("input", "cached_input", "output")] == [5, 0, 6]
    assert (record["finish_reason"], record["cost_nano_usd"]) == ("length", 7)


def test_texts_are_off_by_default(cm: Coalmine, tmp_path: Path) -> None:
    with cm.call("p", version="1") as call:
        call.record(OPENAI_CHAT, input_text="a secret", output_text="another")
    record = _only(cm, tmp_path)
    assert (record["input_text"], record["output_text"]) == (None, None)


def test_texts_are_captured_when_asked_for(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Where is my refund? é"}]
    with Coalmine("bot", home=tmp_path, capture_text=True) as cm:
        with cm.call("p", version="1") as call:
            call.record(OPENAI_CHAT, input_text=messages)
            messages.clear()  # as services do
        with cm.call("p", version="1") as call:
            call.record(OPENAI_CHAT, input_text="Where?", output_text="There.")
    first, second = requests_of(spooled(tmp_path))
    assert first["input_text"] == '[{"role": "user", "content": "Where is my refund? é"}]'
    assert first["output_text"] == "Your refund is on its way."
    assert (second["input_text"], second["output_text"]) == ("Where?", "There.")


def test_a_reply_nobody_knows_is_counted_and_logged_and_costs_nothing(
    cm: Coalmine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "coalmine"):
        for _ in range(3):
            with cm.call("p", version="1") as call:
                call.record(SimpleNamespace(answer="a secret"))
    assert cm.flush(30)
    assert cm.stats().problems == {"unknown_reply": 3}
    (line,) = (record.getMessage() for record in caplog.records)
    assert line.startswith(
        "record() does not know the reply types.SimpleNamespace; its event goes without tokens"
    )
    assert len(requests_of(spooled(tmp_path))) == 3


class Hostile:
    """A reply whose every property raises."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)


def test_a_reply_whose_properties_raise_is_counted_and_raises_nothing(cm: Coalmine, tmp_path: Path) -> None:
    with cm.call("p", version="1") as call:
        call.record(Hostile())
    _only(cm, tmp_path)
    assert cm.stats().problems == {"internal": 1}


@pytest.mark.parametrize("value", [math.nan, math.inf, "high", None, 10**400])
def test_a_metric_that_is_no_finite_number_is_left_out(cm: Coalmine, tmp_path: Path, value: Any) -> None:
    with cm.call("p", version="1") as call:
        call.metric("bad", value)
        call.metric("good", 1)
    assert _only(cm, tmp_path)["metrics"] == {"good": 1.0}
    assert cm.stats().problems == {"bad_value": 1}


def test_a_call_that_ends_with_its_thread_of_execution_is_cancelled(cm: Coalmine, tmp_path: Path) -> None:
    greenlet_exit = type("GreenletExit", (BaseException,), {})  # of gevent
    for kind in (greenlet_exit, KeyboardInterrupt, SystemExit):
        with pytest.raises(kind), cm.call("p", version="1"):
            raise kind
    assert cm.flush(30)
    found = [(record["outcome"], record["error_type"]) for record in requests_of(spooled(tmp_path))]
    assert found == [("cancelled", None)] * 3


class _Raises:
    """What has neither a text, nor a hash, nor a truth."""

    def __str__(self) -> str:
        raise LookupError("gone")

    __hash__ = __bool__ = __str__  # type: ignore[assignment]


class ClientError(Exception):
    """Named as botocore's, with something else in its place."""

    response: ClassVar = {"Error": "text"}


@pytest.mark.parametrize(
    "error", [{"code": 429}, ["x"], _Raises(), ClientError()], ids=lambda e: type(e).__name__
)
def test_an_error_may_be_anything(cm: Coalmine, tmp_path: Path, error: Any) -> None:
    with cm.call("p", version="1") as call:
        call.error(error)
        call.metric(_Raises(), 1.0)  # type: ignore[arg-type]
    assert _only(cm, tmp_path)["prompt"] == "p"


def test_what_has_no_text_is_left_out_of_a_prompt_and_its_event(tmp_path: Path) -> None:
    (tmp_path / "prompts" / "hello").mkdir(parents=True)
    (tmp_path / "prompts" / "hello" / "1.0.0.md").write_text("Hello\n")
    odd: Any = _Raises()
    with Coalmine("bot", home=tmp_path, prompts=tmp_path / "prompts") as cm:
        prompt = cm.prompt("hello", odd, session_id=odd, segments={"a": odd, "tier": "x"}, prefer=odd)
        with prompt.call(model=odd, provider=odd):
            pass
        for wrong in (
            {"name": odd},
            {"name": "hello", "version": odd},
            {"name": "hello", "environment": odd},
        ):
            with pytest.raises(UnknownPrompt):
                cm.prompt(**wrong)
        record = _only(cm, tmp_path)
    assert (record["unit_id"], record["session_id"]) == (record["request_id"], None)
    assert (record["segments"], record["provider"]) == ({"tier": "x"}, None)


def test_a_copy_of_what_holds_a_client_holds_the_same_client(tmp_path: Path) -> None:
    (tmp_path / "prompts" / "hello").mkdir(parents=True)
    (tmp_path / "prompts" / "hello" / "1.0.0.md").write_text("Hello\n")
    with Coalmine("bot", home=tmp_path, prompts=tmp_path / "prompts") as cm:
        prompt = cm.prompt("hello")
        with prompt.call() as call:
            state = {"client": cm, "prompt": prompt, "call": call}
            assert copy.deepcopy(state) == state


@pytest.mark.parametrize("closing", [GeneratorExit, asyncio.CancelledError])
def test_a_stream_that_its_reader_closes_is_cancelled_and_no_error(
    cm: Coalmine, tmp_path: Path, closing: type[BaseException]
) -> None:
    def answers(chunks: int) -> Iterator[Any]:
        with cm.call("p", version="1", unit_id=str(chunks)) as call:
            for chunk in OPENAI_CHAT_STREAM[:chunks]:
                call.record(chunk)
                yield chunk
            yield "whatever else"

    for chunks in (2, 4):
        stream: Any = answers(chunks)
        for _ in range(chunks):
            next(stream)
        with pytest.raises(closing):
            stream.throw(closing)
    cm.flush(30)
    early, complete = requests_of(spooled(tmp_path))
    assert (early["outcome"], early["error_type"], early["cost_nano_usd"]) == ("cancelled", None, None)
    assert (complete["outcome"], complete["error_type"]) == ("ok", None)
    with cm.call("p", version="1") as call:
        call.error(closing())
    cm.flush(30)
    assert requests_of(spooled(tmp_path))[2]["outcome"] == "cancelled"


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("stop", "ok"),
        ("end_turn", "ok"),
        ("tool_calls", "ok"),
        ("length", "truncated"),
        ("max_tokens", "truncated"),
        ("MAX_TOKENS", "truncated"),
        ("content_filter", "refused"),
        ("refusal", "refused"),
        ("SAFETY", "refused"),
        (None, "ok"),
    ],
)
def test_the_outcome_tells_apart_how_answers_end(
    cm: Coalmine, tmp_path: Path, reason: str | None, outcome: str
) -> None:
    with cm.call("p", version="1") as call:
        call.record(finish_reason=reason)
    with pytest.raises(BrokenAnswer), cm.call("p", version="1") as call:
        call.record(finish_reason=reason)
        raise BrokenAnswer
    cm.flush(30)
    assert [record["outcome"] for record in requests_of(spooled(tmp_path))] == [outcome, "error"]


def test_streams_without_usage_are_counted_and_said_once(
    cm: Coalmine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "coalmine"):
        for _ in range(3):
            with cm.call("p", version="1", model="gpt-4o-mini") as call:
                for chunk in OPENAI_CHAT_STREAM[:-1]:
                    call.record(chunk)
        cm.flush(30)
    (said,) = [record.getMessage() for record in caplog.records]
    assert "include_usage" in said
    assert cm.stats().problems == {"no_usage": 3}
    assert all(record["cost_nano_usd"] is None for record in requests_of(spooled(tmp_path)))


def test_what_a_gateway_says_a_call_cost_wins_over_the_list(cm: Coalmine, tmp_path: Path) -> None:
    usage = {**OPENAI_CHAT["usage"], "cost": 0.00123}
    for number in (None, 7):
        with cm.call("p", version="1") as call:
            call.record({**OPENAI_CHAT, "usage": usage}, cost_nano_usd=number)
    cm.flush(30)
    by_gateway, by_service = requests_of(spooled(tmp_path))
    assert (by_gateway["cost_nano_usd"], by_gateway["cost_source"]) == (1_230_000, "gateway")
    assert (by_service["cost_nano_usd"], by_service["cost_source"]) == (7, "service")


def test_the_provider_is_the_one_whose_model_it_is_unless_the_service_says(
    cm: Coalmine, tmp_path: Path
) -> None:
    for provider in (None, "a-gateway"):
        with cm.call("p", version="1", model="groq/llama-3.3-70b-versatile", provider=provider) as call:
            call.record(input_tokens=1000, output_tokens=100)
    cm.flush(30)
    records = requests_of(spooled(tmp_path))
    assert [record["provider"] for record in records] == ["groq", "a-gateway"]
    assert [record["cost_nano_usd"] for record in records] == [669_000, 669_000]


def test_unusable_counts_are_left_out(cm: Coalmine, tmp_path: Path) -> None:
    with cm.call("p", version="1") as call:
        call.record(input_tokens=-5, output_tokens=1 << 70, cost_nano_usd=True)
    record = _only(cm, tmp_path)
    assert (record["input_tokens"], record["output_tokens"], record["cost_nano_usd"]) == (None, None, None)
    assert cm.stats().problems == {"bad_value": 3}


def test_identifiers_and_segments_may_be_anything_with_a_text(cm: Coalmine, tmp_path: Path) -> None:
    user = uuid.uuid4()
    segments: Any = {"age": 30, "plan": None, "trial": True}
    anything: Any = {"version": 1.2, "unit_id": user, "session_id": 99}
    with cm.call("p", segments=segments, **anything):
        pass
    record = _only(cm, tmp_path)
    assert (record["version"], record["unit_id"], record["session_id"]) == ("1.2", str(user), "99")
    assert record["segments"] == {"age": "30", "trial": "true"}


def test_a_segment_changed_after_the_call_began_stays_as_it_was(cm: Coalmine, tmp_path: Path) -> None:
    segments = {"tier": "free"}
    with cm.call("p", version="1", segments=segments):
        segments["tier"] = "paid"
    assert _only(cm, tmp_path)["segments"] == {"tier": "free"}


def test_what_is_added_to_parameters_for_the_request_does_not_leave(cm: Coalmine, tmp_path: Path) -> None:
    parameters: dict[str, object] = {"temperature": 0.2}
    with cm.call("p", version="1", parameters=parameters):
        parameters["messages"] = [{"role": "user", "content": "a secret"}]
    assert _only(cm, tmp_path)["request_parameters"] == {"temperature": "0.2"}


@pytest.mark.parametrize(
    "arguments",
    [{"prompt": ""}, {"prompt": None}, {"version": ""}, {"resolution": "magic"}],
)
def test_an_event_that_cannot_be_built_is_counted_and_logged(
    cm: Coalmine, caplog: pytest.LogCaptureFixture, arguments: dict[str, Any]
) -> None:
    with caplog.at_level(logging.WARNING, "coalmine"):
        with cm.call(**{"prompt": "p", "version": "1", **arguments}):
            pass
        assert cm.flush(30)
    assert cm.stats().dropped == {"invalid": 1}
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [({"segments": 5}, "bad_value"), ({"segments": ["a"]}, "bad_value"), ({"version": ["1"]}, "internal")],
)
def test_arguments_of_the_wrong_kind_raise_nothing(
    cm: Coalmine, arguments: dict[str, Any], problem: str
) -> None:
    with cm.call(**{"prompt": "p", "version": "1", **arguments}) as call:
        call.record(OPENAI_CHAT)
    assert cm.flush(30)
    assert cm.stats().problems[problem] == 1
    assert cm.stats().spooled == 1


def test_half_a_surrogate_pair_does_not_cost_the_event(tmp_path: Path) -> None:
    broken = "\ud83d half"
    with (
        Coalmine("bot", home=tmp_path, capture_text=True) as cm,
        cm.call("p", version="1", unit_id=broken, segments={broken: broken}) as call,
    ):
        call.record(OPENAI_CHAT, output_text=broken)
    (record,) = requests_of(spooled(tmp_path))
    assert record["unit_id"] == record["output_text"] == "? half"
    assert record["segments"] == {"? half": "? half"}
    assert record["unit_group"] == unit_group("? half")


def test_an_event_too_large_for_kafka_goes_without_its_texts(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path, capture_text=True, max_message_bytes=2000) as cm:
        with cm.call("p", version="1") as call:
            call.record(OPENAI_CHAT, input_text="x" * 20_000)
        with cm.call("p", version="1", segments={f"part-{part}": "x" * 400 for part in range(50)}):
            pass
        cm.flush(30)
        assert cm.stats().dropped == {"too_large": 1}
        assert cm.stats().problems == {"text_too_long": 2}
    (record,) = requests_of(spooled(tmp_path))
    assert (record["input_text"], record["output_tokens"]) == (None, 80)


def test_a_call_used_twice_is_one_event(cm: Coalmine, tmp_path: Path) -> None:
    with cm.call("p", version="1") as call:
        pass
    with call:
        pass
    call.record(OPENAI_CHAT)
    call.metric("late", 1)
    call.error("Late")
    record = _only(cm, tmp_path)
    assert (record["input_tokens"], record["metrics"], record["error_type"]) == (None, {}, None)
    assert cm.stats().problems == {"misuse": 4}


def test_a_call_never_entered_is_no_event(cm: Coalmine) -> None:
    assert isinstance(cm.call("p", version="1"), Call)
    assert cm.flush(30)
    assert cm.stats().produced == 0


def test_a_call_that_began_earlier_counts_from_there(cm: Coalmine, tmp_path: Path) -> None:
    began = datetime.now(UTC) - timedelta(seconds=2)
    with cm.call("p", version="1", started_at=began) as call:
        call.first_token()
    record = _only(cm, tmp_path)
    assert record["event_time"] == began
    assert 2000 <= record["time_to_first_token_ms"] <= record["latency_ms"]


def test_a_start_in_the_future_does_not_shorten_the_call(cm: Coalmine, tmp_path: Path) -> None:
    with cm.call("p", version="1", started_at=datetime.now(UTC) + timedelta(hours=1)):
        pass
    assert _only(cm, tmp_path)["latency_ms"] >= 0


def test_names_beyond_the_limits_are_shortened_and_their_event_is_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Coalmine("bot", home=tmp_path) as cm:
        for _ in range(3):
            with cm.call("p" * 5000, version="1", unit_id="u" * 900_000, segments={"tier": "t" * 9000}):
                pass
        assert cm.flush(30)
        stats = cm.stats()
    assert (stats.dropped, stats.problems) == ({}, {"shortened": 3})
    (line,) = (record.getMessage() for record in caplog.records)
    assert line.startswith("prompt is longer than 200 characters: 5000; it was shortened, and its event sent")
    (sent, *_) = requests_of(spooled(tmp_path))
    assert (len(sent["prompt"]), len(sent["unit_id"]), len(sent["segments"]["tier"])) == (200, 500, 500)

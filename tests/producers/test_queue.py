"""The queue between a service and the background thread: bounded, counted, on time."""

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coalmine import Coalmine, Stats, TextField, UnknownEnvironment, pipeline
from coalmine.prompts.feed import EnvironmentFeed
from coalmine.record_builder import RecordBuilder
from coalmine_schemas.events import PromptScore
from coalmine_schemas.identifiers import uuid7
from tests.support.campaign import size
from tests.support.data.replies import OPENAI_CHAT
from tests.support.eventually import eventually
from tests.support.oracles.produced import ids, requests_of, spooled


class _Gate:
    """A redaction hook that holds up the background thread until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.reached = threading.Event()

    def __call__(self, text: str, field: TextField) -> str | None:
        self.reached.set()
        assert self.opened.wait(60)
        return text


@contextmanager
def _held_up(home: Path, **arguments: Any) -> Iterator[tuple[Coalmine, _Gate]]:
    """A client whose background thread stands still over its first event until the gate is opened."""
    gate = _Gate()
    cm = Coalmine("bot", home=home, redact=gate, **arguments)
    try:
        cm.feedback(uuid7(), thumbs="up", unit_id="hold")
        assert gate.reached.wait(60)
        yield cm, gate
    finally:
        gate.opened.set()
        cm.close(30)


def _call(cm: Coalmine) -> str:
    with cm.call("p", version="1") as call:
        pass
    return call.request_id


def _adds_up(stats: Stats) -> bool:
    return stats.produced == stats.delivered + stats.spooled + sum(stats.dropped.values()) + stats.queued


def test_a_full_queue_drops_and_counts_and_logs_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with _held_up(tmp_path, max_queued_events=10) as (cm, gate):
        kept = [_call(cm) for _ in range(10)]
        lost = [_call(cm) for _ in range(90)]
        assert cm.stats().dropped == {"queue_full": 90}
        assert cm.stats().produced == 101
        assert not cm.flush(0)
        gate.opened.set()
        assert cm.flush(30)
        later = _call(cm)
    found = {record["request_id"] for record in requests_of(spooled(tmp_path))}
    assert found == {*kept, later}
    assert not found & set(lost)
    assert [record.message.split(";")[0] for record in caplog.records] == [
        "events are made faster than they can be written"
    ]
    assert cm.stats().spooled == 12
    assert _adds_up(cm.stats())


def test_a_tool_may_wait_for_room_and_loses_nothing(tmp_path: Path) -> None:
    with _held_up(tmp_path, max_queued_events=10, on_full="wait") as (cm, gate):
        with ThreadPoolExecutor(3) as pool:
            made = [pool.submit(_call, cm) for _ in range(200)]
            eventually(lambda: cm.stats().queued >= 11)
            gate.opened.set()
            expected = {future.result(60) for future in made}
        assert cm.flush(30)
        assert cm.stats().dropped == {}
    assert {record["request_id"] for record in requests_of(spooled(tmp_path))} == expected


def test_one_event_may_wait_for_room_for_a_given_time(tmp_path: Path) -> None:
    with _held_up(tmp_path, max_queued_events=1) as (cm, gate):
        cm.feedback(uuid7(), thumbs="up")
        score = PromptScore(
            score_id=uuid7(),
            request_id=uuid7(),
            event_time=datetime.now(UTC),
            app="a",
            name="quality",
            value=1.0,
            source="judge",
        )
        assert not cm.emit_score(score, wait_s=0.05)
        assert cm.stats().dropped == {"queue_full": 1}
        threading.Timer(0.1, gate.opened.set).start()
        assert cm.emit_score(score, wait_s=60)
        assert cm.flush(30)
    assert [one.event for one in spooled(tmp_path)] == ["feedback", "feedback", "scores"]


def test_text_that_waits_is_bounded_and_events_go_without(tmp_path: Path) -> None:
    with _held_up(tmp_path, capture_text=True, max_queued_text_chars=1000) as (cm, gate):
        for _ in range(25):
            with cm.call("p", version="1") as call:
                call.record(input_text="x" * 400)
        assert cm.stats().problems == {"text_backlog": 23}
        gate.opened.set()
        assert cm.flush(30)
        with cm.call("p", version="1") as call:
            call.record(input_text="x" * 900)  # the room was given back
        cm.feedback(call.request_id, comment="y" * 1001)
    texts = [record["input_text"] for record in requests_of(spooled(tmp_path))]
    assert [text and len(text) for text in texts] == [400, 400, *[None] * 23, 900]
    assert spooled(tmp_path)[-1].record["comment"] is None


def test_a_large_queue_is_emptied_without_rests_as_a_small_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _held_up(tmp_path, max_queued_events=1_000_000) as (cm, gate):
        parts = cm._pipeline._parts
        assert parts is not None
        due_in_s, rests = parts.emitter.due_in_s, []

        def counted() -> float:
            rests.append(due_in_s())
            return rests[-1]

        monkeypatch.setattr(parts.emitter, "due_in_s", counted)
        request_id = uuid7()
        for _ in range(20_000):
            cm.score(request_id, "quality", 1.0)
        gate.opened.set()
        assert cm.flush(60)
        assert cm.stats().spooled == 20_001
        # At 500 events a step, only of the last 5,000: else 50 ms after each.
        assert len(rests) < 20


def test_other_greenlets_run_while_a_long_queue_is_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that gevent has replaced run until they sleep."""
    with _held_up(tmp_path, max_queued_events=100_000) as (cm, gate):
        slept: list[float] = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)

        monkeypatch.setattr(pipeline, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
        request_id = uuid7()
        for _ in range(20_000):
            cm.score(request_id, "quality", 1.0)
        gate.opened.set()
        assert cm.flush(60)
    # After each 500 of the first 15,000, and each 8 of the rest.
    assert len(slept) >= 30 + 10 * (500 // 8)


def test_what_replaces_threads_after_a_client_was_made_wakes_its_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As gevent does in workers of a server that loaded the service before: a lock of old stops them all."""
    with Coalmine("bot", home=tmp_path, server_url="http://127.0.0.1:9", startup_wait_s=0) as cm:
        feed = cm._prompts.feed("prod")
        assert isinstance(feed, EnvironmentFeed)
        locks: list[object] = []
        make, start = threading.Lock, threading.Thread.start

        def make_lock() -> object:
            locks.append(make())
            return locks[-1]

        def start_while_others_run(thread: threading.Thread) -> None:
            assert not feed._start_lock.locked()
            start(thread)

        monkeypatch.setattr(threading, "Lock", make_lock)
        monkeypatch.setattr(threading.Thread, "start", start_while_others_run)
        with pytest.raises(UnknownEnvironment):
            cm.prompt("p")
        _call(cm)
        assert cm.flush(30)
        waited_for = [cm._pipeline._wake._asleep, cm._pipeline._ended._cond._lock, feed._wake._cond._lock]  # type: ignore[attr-defined]
    assert all(each in locks for each in waited_for)


def test_flush_waits_for_what_was_made_before_it(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path) as cm:
        assert cm.flush(0)  # nothing yet
        for made in range(1, 20):
            _call(cm)
            assert cm.flush(30)
            assert len(spooled(tmp_path)) == made


def test_flush_keeps_its_deadline(tmp_path: Path) -> None:
    with _held_up(tmp_path) as (cm, gate):
        began = time.monotonic()
        assert not cm.flush(0.2)
        assert 0.2 <= time.monotonic() - began < 30
        gate.opened.set()
        assert cm.flush(30)


def test_flush_may_be_called_from_many_threads_while_events_are_made(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path) as cm, ThreadPoolExecutor(8) as pool:

        def work(_: int) -> tuple[str, bool]:
            return _call(cm), cm.flush(60)

        done = list(pool.map(work, range(100)))
    assert all(flushed for _, flushed in done)
    assert len(spooled(tmp_path)) == 100


def test_close_keeps_its_deadline_and_the_thread_goes_on(tmp_path: Path) -> None:
    with _held_up(tmp_path) as (cm, gate):
        for _ in range(5):
            _call(cm)
        began = time.monotonic()
        assert not cm.close(0.2)
        assert time.monotonic() - began < 30
        assert cm.stats().queued == 6
        gate.opened.set()
        eventually(lambda: cm.stats().spooled == 6)
        assert cm.close(30)
    assert len(spooled(tmp_path)) == 6


def test_an_event_after_close_is_dropped_and_counted(tmp_path: Path) -> None:
    cm = Coalmine("bot", home=tmp_path)
    _call(cm)
    assert cm.close(30)
    _call(cm)
    assert not cm.feedback(uuid7(), thumbs="up")
    assert cm.close(30)
    assert cm.stats().dropped == {"closed": 2}
    assert cm.stats().spooled == 1
    assert _adds_up(cm.stats())


def test_closing_a_client_that_made_nothing_takes_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    cm = Coalmine("bot", home=tmp_path)
    assert threading.active_count() == before
    assert cm.close(0)
    assert not (tmp_path / "spool").exists()


EACH = size(150, 500)


def test_many_threads_lose_nothing(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path, max_queued_events=100_000) as cm, ThreadPoolExecutor(8) as pool:

        def work(thread: int) -> list[str]:
            made = []
            for number in range(EACH):
                with cm.call("p", version="1", unit_id=f"{thread}-{number}") as call:
                    call.record(OPENAI_CHAT)
                made.append(call.request_id)
            return made

        made = [request_id for batch in pool.map(work, range(8)) for request_id in batch]
        assert cm.flush(60)
        assert cm.stats() == Stats(
            produced=8 * EACH, delivered=0, spooled=8 * EACH, drained=0, queued=0, dropped={}, problems={}
        )
    assert ids(spooled(tmp_path)) == dict.fromkeys(made, 1)


def test_an_event_is_there_for_readers_soon_without_flush_also_after_a_pause(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path) as cm:
        for made in range(1, 4):
            _call(cm)
            eventually(lambda made=made: len(spooled(tmp_path)) == made)  # type: ignore[misc]
            eventually(lambda: cm._pipeline._is_asleep)


def test_a_bug_in_the_background_costs_one_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    honest = RecordBuilder.build

    def build(self: RecordBuilder, draft: Any) -> Any:
        if getattr(draft, "prompt", None) == "bug":
            raise MemoryError("secret")
        return honest(self, draft)

    monkeypatch.setattr(RecordBuilder, "build", build)
    with caplog.at_level(logging.WARNING), Coalmine("bot", home=tmp_path) as cm:
        with cm.call("bug", version="1"):
            pass
        _call(cm)
        assert cm.flush(30)
        assert sum(cm.stats().dropped.values()) == 1
        assert _adds_up(cm.stats())
    assert len(spooled(tmp_path)) == 1
    assert "secret" not in caplog.text


def test_without_a_thread_to_be_had_events_are_written_when_the_client_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    cm = Coalmine("bot", home=tmp_path)
    made = [_call(cm) for _ in range(5)]
    assert not cm.flush(0)
    assert cm.stats().queued == 5
    assert cm.close(30)
    assert cm.stats().spooled == 5
    assert ids(spooled(tmp_path)) == dict.fromkeys(made, 1)
    assert len(caplog.records) == 1


def test_a_thread_that_could_not_start_is_started_by_a_later_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with Coalmine("bot", home=tmp_path) as cm:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            _call(cm)
        _call(cm)
        assert cm.flush(30)
        assert cm.stats().spooled == 2

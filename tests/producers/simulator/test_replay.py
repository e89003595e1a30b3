"""Replay against the recorder: exact tokens, exact times, nothing sent of a bad file."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_schemas.identifiers import unit_group
from coalmine_simulator.client import RecordingClient
from coalmine_simulator.clock import VirtualClock
from coalmine_simulator.errors import InvalidConfig, InvalidTrace
from coalmine_simulator.replay import (
    ReplayOptions,
    ReplayProgress,
    ReplaySummary,
    parse_speed,
    replay_trace,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TRACE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:00:00.0000000,100,10
2023-11-16 18:00:30.5000000,200,20
2023-11-16 18:01:00.0000000,300,30
"""
FIRST = datetime(2023, 11, 16, 18, tzinfo=UTC)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "chat.csv"
    path.write_text(TRACE)
    return path


def replayed(
    path: Path, options: ReplayOptions | None = None
) -> tuple[ReplaySummary, RecordingClient, VirtualClock]:
    client = RecordingClient()
    clock = VirtualClock(NOON)
    return replay_trace(path, client, options, clock=clock), client, clock


def test_every_row_becomes_one_request_with_its_own_tokens_and_time(trace: Path) -> None:
    summary, client, clock = replayed(trace)
    assert [
        (event.event_time - FIRST, event.input_tokens, event.output_tokens) for event in client.requests
    ] == [
        (timedelta(seconds=0), 100, 10),
        (timedelta(seconds=30.5), 200, 20),
        (timedelta(seconds=60), 300, 30),
    ]
    assert (summary.rows, summary.input_tokens, summary.output_tokens) == (3, 600, 60)
    assert (summary.first_event_time, summary.last_event_time) == (FIRST, FIRST + timedelta(seconds=60))
    assert (summary.stats.produced, summary.flushed, summary.stopped) == (3, True, False)
    assert clock.waited_s == 0.0


def test_requests_say_only_what_is_known(trace: Path) -> None:
    _, client, _ = replayed(trace)
    for event in client.requests:
        assert (event.prompt, event.version, event.app, event.environment) == (
            "chat",
            "1.0.0",
            "replay",
            "prod",
        )
        assert (event.request_model, event.response_model, event.cost_nano_usd) == ("unknown", None, None)
        assert (event.unit_id, event.unit_group) == (event.request_id, unit_group(event.request_id))
        assert (event.resolution, event.experiment, event.error_type) == ("fixed", None, None)
        assert UUID(event.request_id).version == 7
    assert len({event.request_id for event in client.requests}) == 3


def test_names_can_be_given(trace: Path) -> None:
    options = ReplayOptions(
        prompt="other", version="2.1.0", model="gpt-4o-mini", provider="openai", app="bot", environment="dev"
    )
    summary, client, _ = replayed(trace, options)
    event = client.requests[0]
    assert (event.prompt, event.version, event.request_model) == ("other", "2.1.0", "gpt-4o-mini")
    assert (event.provider, event.app, event.environment) == ("openai", "bot", "dev")
    assert (summary.prompt, summary.version) == ("other", "2.1.0")


def test_latencies_are_the_same_for_the_same_seed_and_differ_for_another(trace: Path) -> None:
    def latencies(seed: int) -> list[float]:
        return [event.latency_ms for event in replayed(trace, ReplayOptions(seed=seed))[1].requests]

    assert latencies(1) == latencies(1)
    assert latencies(1) != latencies(2)


@pytest.mark.parametrize(("speed", "waited_s"), [(1.0, 60.0), (60.0, 1.0), (0.5, 120.0)])
def test_a_speed_sets_how_long_it_takes_and_leaves_the_times_alone(
    trace: Path, speed: float, waited_s: float
) -> None:
    _, client, clock = replayed(trace, ReplayOptions(speed=speed))
    assert clock.waited_s == pytest.approx(waited_s)
    assert [event.event_time for event in client.requests][-1] == FIRST + timedelta(seconds=60)


def test_moved_to_now_at_full_speed_the_last_row_happens_now(trace: Path) -> None:
    _, client, _ = replayed(trace, ReplayOptions(at="now"))
    assert [NOON - event.event_time for event in client.requests] == [
        timedelta(seconds=60),
        timedelta(seconds=29.5),
        timedelta(0),
    ]


def test_moved_to_now_at_a_speed_rows_happen_when_they_are_sent(trace: Path) -> None:
    _, client, clock = replayed(trace, ReplayOptions(at="now", speed=10.0))
    assert [event.event_time - NOON for event in client.requests] == [
        timedelta(0),
        timedelta(seconds=3.05),
        timedelta(seconds=6),
    ]
    assert client.requests[-1].event_time == clock.now()


def test_rows_out_of_order_are_sent_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    header, first, *others = TRACE.splitlines()
    path.write_text("\n".join([header, *others, first]))
    summary, client, clock = replayed(path, ReplayOptions(speed=1.0))
    assert [event.input_tokens for event in client.requests] == [200, 300, 100]
    assert clock.waited_s == pytest.approx(60.0)
    assert summary.first_event_time == FIRST


def test_nothing_of_a_file_with_a_bad_row_is_sent(trace: Path) -> None:
    trace.write_text(TRACE + "2023-11-16 18:02:00,12,many\n")
    client = RecordingClient()
    with pytest.raises(InvalidTrace, match=r"line 5, column GeneratedTokens: 'many'"):
        replay_trace(trace, client)
    assert client.requests == []


def test_progress_ends_with_all_rows(trace: Path) -> None:
    seen: list[ReplayProgress] = []
    replay_trace(trace, RecordingClient(), clock=VirtualClock(NOON), progress=seen.append)
    assert seen[-1] == ReplayProgress(3, 3)


def test_a_replay_can_be_stopped(trace: Path) -> None:
    stop = Event()

    class StopsAtSecond(RecordingClient):
        def emit_request(self, event: object, /) -> None:
            super().emit_request(event)  # type: ignore[arg-type]
            if len(self.requests) == 2:
                stop.set()

    client = StopsAtSecond()
    for speed in (math.inf, 1.0):
        stop.clear()
        client.requests.clear()
        summary = replay_trace(trace, client, ReplayOptions(speed=speed), clock=VirtualClock(NOON), stop=stop)
        assert (summary.rows, summary.input_tokens, summary.stopped) == (2, 300, True)


@pytest.mark.parametrize(
    ("text", "speed"), [("max", math.inf), ("60", 60.0), ("2.5x", 2.5), (" MAX ", math.inf)]
)
def test_speeds_are_read_as_people_write_them(text: str, speed: float) -> None:
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["", "fast", "0", "-1", "inf", "nan", "x"])
def test_a_speed_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfig, match="speed"):
        parse_speed(text)


@pytest.mark.parametrize(
    "wrong", [{"speed": 0.0}, {"speed": math.nan}, {"version": ""}, {"prompt": ""}, {"app": ""}]
)
def test_impossible_options_are_refused(wrong: dict[str, object]) -> None:
    [key] = wrong
    with pytest.raises(InvalidConfig, match=key):
        ReplayOptions(**wrong)  # type: ignore[arg-type]


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(0, 10**12), st.integers(0, 10**12)),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from([math.inf, 1.0, 100.0]),
    st.sampled_from(["trace", "now"]),
)
def test_no_token_is_lost_at_any_speed(rows: list[tuple[int, int, int]], speed: float, at: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        lines = [f"{FIRST + timedelta(seconds=s):%Y-%m-%d %H:%M:%S},{i},{o}" for s, i, o in rows]
        path.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *lines]))
        options = ReplayOptions(speed=speed, at=at)  # type: ignore[arg-type]
        summary, client, clock = replayed(path, options)
    assert summary.rows == len(client.requests) == len(rows)
    assert summary.input_tokens == sum(event.input_tokens or 0 for event in client.requests)
    assert summary.output_tokens == sum(o for _, _, o in rows)
    if at == "now":
        assert all(event.event_time <= clock.now() for event in client.requests)

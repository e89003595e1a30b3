"""Playing against the recorder and a clock that moves only when waited on: times, order, sameness."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from threading import Event

import pytest

from coalmine_schemas.events import PromptFeedback, PromptScore
from coalmine_schemas.identifiers import unit_group
from coalmine_simulator.client import RecordingClient
from coalmine_simulator.clock import VirtualClock
from coalmine_simulator.errors import InvalidConfig
from coalmine_simulator.playback import Playback, Progress, SimulationResult, Steps, run
from coalmine_simulator.scenarios import scenario
from coalmine_simulator.simulation import Simulation
from coalmine_simulator.truth import truth_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Services:
    """One recording client for each service."""

    def __init__(self) -> None:
        self.clients: dict[tuple[str, str], RecordingClient] = {}

    def __call__(self, app: str, environment: str) -> RecordingClient:
        assert (app, environment) not in self.clients
        client = self.clients[app, environment] = RecordingClient()
        return client

    def all(self) -> RecordingClient:
        """Everything in one, in order of time within a kind."""
        merged = RecordingClient()
        for client in self.clients.values():
            merged.requests += client.requests
            merged.feedback += client.feedback
            merged.scores += client.scores
        merged.requests.sort(key=lambda event: event.event_time)
        return merged


def played(
    playback: Playback, *, seed: int = 1, services: Services | None = None, clock: VirtualClock | None = None
) -> tuple[SimulationResult, RecordingClient, VirtualClock]:
    services = services or Services()
    clock = clock or VirtualClock(NOON)
    config = scenario("demo", 1200.0)
    result = run(Simulation(config, seed), services, playback, clock=clock)
    return result, services.all(), clock


@cache
def history() -> tuple[SimulationResult, RecordingClient, VirtualClock]:
    """Twenty minutes, played once for all who only look."""
    return played(Playback(history_s=1200.0))


def test_history_is_put_right_before_the_present_without_waiting() -> None:
    result, sent, clock = history()
    assert clock.waited_s == 0.0
    assert result.began_at == NOON - timedelta(seconds=1200)
    times = [event.event_time for event in sent.requests]
    assert result.began_at <= times[0] < result.began_at + timedelta(seconds=30)
    assert NOON - timedelta(seconds=30) < times[-1] < NOON
    assert all(event.event_time <= NOON for event in sent.feedback)


def test_live_events_are_sent_when_their_moment_has_come() -> None:
    sent_at: list[tuple[datetime, datetime]] = []
    clock = VirtualClock(NOON)

    class Watched(RecordingClient):
        def emit_feedback(self, event: object, /) -> None:
            sent_at.append((clock.now(), event.event_time))  # type: ignore[attr-defined]

    run(
        Simulation(scenario("demo", 600.0), 1),
        lambda _app, _environment: Watched(),
        Playback(live_s=600.0),
        clock=clock,
    )
    assert sent_at
    for sent, said in sent_at:
        assert abs(sent - said) < timedelta(milliseconds=1)
    assert clock.now() == NOON + timedelta(seconds=600)


def test_a_live_run_ten_times_as_fast_has_the_same_events_in_a_tenth_of_the_time() -> None:
    slow, slow_sent, _ = played(Playback(live_s=600.0))
    fast, fast_sent, clock = played(Playback(live_s=60.0, speed=10.0))
    assert fast.produced == slow.produced
    assert clock.now() == NOON + timedelta(seconds=60)
    for ours, theirs in zip(fast_sent.requests, slow_sent.requests, strict=True):
        assert ours.latency_ms == theirs.latency_ms
        assert (theirs.event_time - NOON) / 10 - (ours.event_time - NOON) < timedelta(microseconds=10)
        assert ours.event_time <= clock.now()


def test_history_and_live_join_without_a_seam() -> None:
    _, sent, _ = played(Playback(history_s=600.0, live_s=600.0))
    times = [event.event_time for event in sent.requests]
    longest = max(after - before for before, after in pairwise(times))
    assert longest < timedelta(seconds=20)
    assert times[0] < NOON < times[-1]


def test_at_each_step_everything_until_then_was_sent_and_nothing_later_was_chosen() -> None:
    sent = RecordingClient()
    steps: list[tuple[float, datetime, int]] = []
    clock = VirtualClock(NOON)

    def act(at_s: float, moment: datetime) -> None:
        assert all(event.event_time <= moment for event in sent.requests)
        assert all(event.event_time <= moment for event in sent.feedback)
        steps.append((at_s, moment, len(sent.requests)))

    run(
        Simulation(scenario("demo", 1200.0), 1),
        lambda _app, _environment: sent,
        Playback(history_s=600.0, live_s=30.0),
        clock=clock,
        steps=Steps(act=act, history_s=200.0, live_s=10.0),
    )
    assert [at_s for at_s, _, _ in steps] == [200.0, 400.0, 600.0, 610.0, 620.0, 630.0]
    assert [moment - NOON for _, moment, _ in steps] == [
        timedelta(seconds=seconds) for seconds in (-400, -200, 0, 10, 20, 30)
    ]
    counts = [count for _, _, count in steps]
    assert 0 < counts[0] < counts[1] < counts[2]


def test_the_same_seed_sends_the_same_events_except_for_ids() -> None:
    def without_ids(sent: RecordingClient) -> list[object]:
        requests = [replace(event, request_id="", parent_request_id=None) for event in sent.requests]
        feedback = [replace(event, feedback_id="", request_id="") for event in sent.feedback]
        scores = [replace(event, score_id="", request_id="") for event in sent.scores]
        return [requests, feedback, scores]

    _, first, _ = played(Playback(history_s=600.0), seed=9)
    _, again, _ = played(Playback(history_s=600.0), seed=9)
    _, other, _ = played(Playback(history_s=600.0), seed=10)
    assert without_ids(first) == without_ids(again)
    assert without_ids(first) != without_ids(other)
    assert not {event.request_id for event in first.requests} & {event.request_id for event in again.requests}


def test_feedback_and_scores_and_child_calls_name_requests_that_were_sent() -> None:
    _, sent, _ = history()
    requests = {event.request_id: event for event in sent.requests}
    assert len(requests) == len(sent.requests)
    reactions: list[PromptFeedback | PromptScore] = [*sent.feedback, *sent.scores]
    for event in reactions:
        assert event.event_time > requests[event.request_id].event_time
        assert event.app == requests[event.request_id].app
    children = [event for event in sent.requests if event.parent_request_id]
    assert children
    for child in children:
        assert requests[child.parent_request_id or ""].trace_id == child.trace_id


def test_the_result_counts_what_the_clients_got() -> None:
    result, sent, _ = history()
    assert result.produced == {
        "requests": len(sent.requests),
        "feedback": len(sent.feedback),
        "scores": len(sent.scores),
    }
    assert result.total == result.stats.produced == result.stats.delivered
    assert result.flushed
    per_version = Counter((event.prompt, event.version) for event in sent.requests)
    assert {key: truth.requests for key, truth in result.versions.items()} == per_version
    assert dict(result.versions) == truth_of(Simulation(scenario("demo", 1200.0), 1).until(1200.0))


def test_each_service_has_one_client_and_sends_only_its_own_events() -> None:
    services = Services()
    played(Playback(history_s=1200.0), services=services)
    assert set(services.clients) == {
        ("support-bot", "prod"),
        ("docs-search", "prod"),
        ("review-assistant", "prod"),
    }
    for (app, environment), client in services.clients.items():
        assert {(event.app, event.environment) for event in client.requests} == {(app, environment)}


def test_events_carry_what_experiments_need() -> None:
    _, sent, _ = history()
    inside = [event for event in sent.requests if event.experiment]
    assert {event.resolution for event in inside} == {"live"}
    assert {event.variant for event in inside} == {"treatment", "control"}
    assert all(event.unit_group == unit_group(event.unit_id) for event in sent.requests)
    assert all(set(event.segments) == {"country", "language", "tier"} for event in sent.requests)


def test_setting_stop_ends_a_run_that_would_go_on_for_ever() -> None:
    stop = Event()
    seen: list[Progress] = []

    def report(progress: Progress) -> None:
        seen.append(progress)
        if progress.at_s > 300:
            stop.set()

    services = Services()
    result = run(
        Simulation(scenario("steady"), 1),
        services,
        Playback(live_s=None),
        clock=VirtualClock(NOON),
        stop=stop,
        progress=report,
    )
    assert 300 < seen[-1].at_s < 330
    assert seen[-1].produced == result.produced
    assert [progress.at_s for progress in seen] == sorted(progress.at_s for progress in seen)


def test_by_default_nothing_is_played() -> None:
    result = run(Simulation(scenario("steady"), 1), Services(), clock=VirtualClock(NOON))
    assert result.total == 0


@pytest.mark.parametrize(
    "wrong", [{"history_s": -1.0}, {"live_s": float("nan")}, {"speed": 0.0}, {"speed": float("inf")}]
)
def test_an_impossible_playback_is_refused(wrong: dict[str, float]) -> None:
    [key] = wrong
    with pytest.raises(InvalidConfig, match=key):
        Playback(**wrong)

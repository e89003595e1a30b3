"""Plays a simulation through clients: history at once, then live, at any speed."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING, Literal

from coalmine_schemas.identifiers import uuid7
from coalmine_simulator.actions import Action, FeedbackAction, RequestAction
from coalmine_simulator.client import Client, ClientFactory, SentStats, total_stats
from coalmine_simulator.clock import Clock, SystemClock
from coalmine_simulator.errors import InvalidConfig
from coalmine_simulator.events import feedback_event, request_event, score_event
from coalmine_simulator.truth import VersionKey, VersionTruth, record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from coalmine_simulator.simulation import Simulation

__all__ = ["Playback", "Progress", "SimulationResult", "Steps", "run"]

Kind = Literal["requests", "feedback", "scores"]

_REPORT_EVERY_S = 0.2
"""Least time between two calls of the progress callback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """How simulated time becomes real time.

    The first `history_s` simulated seconds are put right before the present and sent as fast as the
    client takes them. After that a simulated second takes `1/speed` real seconds, and an event is
    sent, and says it happened, when its moment has come: never in the future. Latencies inside events
    stay as simulated at any speed.
    """

    history_s: float = 0.0
    """Simulated seconds played into the past; their events carry the times of that past."""
    live_s: float | None = 0.0
    """Real seconds to go on after that; None: until stopped."""
    speed: float = 1.0
    """Simulated seconds per real second while live."""
    flush_timeout_s: float = 30.0
    """How long the clients may take at the end to bring out what they hold."""

    def __post_init__(self) -> None:
        for key, value in (("history_s", self.history_s), ("live_s", self.live_s or 0.0)):
            if not (math.isfinite(value) and value >= 0):
                raise InvalidConfig(key, value, "a number of seconds of at least 0")
        if not (math.isfinite(self.speed) and self.speed > 0):
            raise InvalidConfig("speed", self.speed, "a finite number above 0")

    @property
    def end_s(self) -> float:
        """Simulated seconds at which playing ends."""
        return math.inf if self.live_s is None else self.history_s + self.live_s * self.speed

    def moment(self, at_s: float, present: datetime) -> datetime:
        """The date of a simulated moment, when live playing began at `present`."""
        if at_s < self.history_s:
            return present - timedelta(seconds=self.history_s - at_s)
        return present + timedelta(seconds=(at_s - self.history_s) / self.speed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Moments at which time stands still while somebody acts: all that happened until then has been sent."""

    act: Callable[[float, datetime], None]
    """Called with the simulated seconds that were played, and their date."""
    history_s: float
    """Simulated seconds between two moments of the history."""
    live_s: float
    """Real seconds between two moments while live."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far playing has come."""

    at_s: float
    """Simulated seconds played."""
    end_s: float
    """Simulated seconds to play in all; infinite when it goes on until stopped."""
    produced: Mapping[Kind, int]


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """What was played, and what measuring it should give."""

    produced: Mapping[Kind, int]
    """Events given to the clients, by kind."""
    versions: Mapping[VersionKey, VersionTruth]
    """The truth by prompt and version."""
    began_at: datetime
    """The date of the simulation's moment 0."""
    ended_at: datetime
    stats: SentStats
    """What became of the events in the clients, all together."""
    flushed: bool
    """Whether the clients delivered everything in time."""

    @property
    def total(self) -> int:
        """Events of all kinds."""
        return sum(self.produced.values())


@dataclass(slots=True)
class _Player:
    """Clients by service, and the ids of calls that something will still refer to."""

    make_client: ClientFactory
    clients: dict[tuple[str, str], Client] = field(default_factory=dict)
    ids: dict[int, tuple[str, int]] = field(default_factory=dict)
    """Request id and outstanding references by call number."""
    produced: Counter[Kind] = field(default_factory=Counter)

    def send(self, action: Action, playback: Playback, present: datetime) -> None:
        client = self._client(action.app, action.environment)
        if isinstance(action, RequestAction):
            request_id = uuid7()
            if action.followups:
                self.ids[action.number] = (request_id, action.followups)
            event = request_event(
                action,
                request_id=request_id,
                parent_request_id=None if action.parent is None else self._refer(action.parent),
                began_at=playback.moment(action.started_at_s, present),
            )
            client.emit_request(event)
            self.produced["requests"] += 1
            return
        request_id = self._refer(action.request)
        at = playback.moment(action.at_s, present)
        if isinstance(action, FeedbackAction):
            client.emit_feedback(feedback_event(action, request_id=request_id, at=at))
            self.produced["feedback"] += 1
        else:
            client.emit_score(score_event(action, request_id=request_id, at=at))
            self.produced["scores"] += 1

    def _client(self, app: str, environment: str) -> Client:
        key = (app, environment)
        if key not in self.clients:
            self.clients[key] = self.make_client(app, environment)
        return self.clients[key]

    def _refer(self, number: int) -> str:
        request_id, left = self.ids[number]
        if left == 1:
            del self.ids[number]
        else:
            self.ids[number] = (request_id, left - 1)
        return request_id


def run(
    simulation: Simulation,
    make_client: ClientFactory,
    playback: Playback | None = None,
    *,
    clock: Clock | None = None,
    stop: Event | None = None,
    progress: Callable[[Progress], None] | None = None,
    steps: Steps | None = None,
) -> SimulationResult:
    """Play a simulation through real clients.

    Args:
        simulation: What happens.
        make_client: Makes each service's client. Give it `on_full="wait"`, or a history played at full
            speed may drop events. The caller closes the clients.
        playback: When it happens; by default nothing is played.
        clock: Tells the time and waits.
        stop: Set it to end playing early, from a signal handler or another thread.
        progress: Called every now and then from the playing thread.
        steps: Played in steps; what is still under way at the end of one was chosen before it.
    """
    playback = playback or Playback()
    clock = clock or SystemClock()
    stop = stop or Event()
    player = _Player(make_client)
    truths: dict[VersionKey, VersionTruth] = {}
    present = clock.now()
    report_due = present
    played_s = 0.0
    step_s = math.inf if steps is None else steps.history_s
    for action in simulation:
        while steps is not None and step_s <= min(action.at_s, playback.end_s) and not stop.is_set():
            moment = playback.moment(step_s, present)
            if _wait_until(moment, clock, stop):
                break
            for client in player.clients.values():
                client.flush(playback.flush_timeout_s)
            steps.act(step_s, moment)
            is_live = step_s >= playback.history_s
            step_s += steps.live_s * playback.speed if is_live else steps.history_s
        if action.at_s >= playback.end_s:
            # What is left lies beyond the end; a live run still lasts as long as it was told to.
            if not _wait_until(playback.moment(playback.end_s, present), clock, stop):
                played_s = playback.end_s
            break
        if _wait_until(playback.moment(action.at_s, present), clock, stop):
            break
        player.send(action, playback, present)
        record(truths, action)
        played_s = action.at_s
        if progress is not None and clock.now() >= report_due:
            progress(Progress(action.at_s, playback.end_s, dict(player.produced)))
            report_due = clock.now() + timedelta(seconds=_REPORT_EVERY_S)
    clients = list(player.clients.values())
    late = [client for client in clients if not client.flush(playback.flush_timeout_s)]
    if progress is not None:
        progress(Progress(played_s, playback.end_s, dict(player.produced)))
    return SimulationResult(
        produced=dict(player.produced),
        versions=truths,
        began_at=playback.moment(0.0, present),
        ended_at=clock.now(),
        stats=total_stats(clients),
        flushed=not late,
    )


def _wait_until(moment: datetime, clock: Clock, stop: Event) -> bool:
    """Wait for a moment; whether playing was stopped."""
    return clock.wait((moment - clock.now()).total_seconds(), stop)

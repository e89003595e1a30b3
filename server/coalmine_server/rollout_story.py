"""The story of the demonstration: simulated services ask the registry, and the controller decides.

Nothing of what becomes of the rollouts is written down. Time goes in steps: services are simulated for some
minutes, through real clients; what they sent is stored; the controller decides at that time; clients follow.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.resources import as_file, files
from typing import Final

from coalmine import Coalmine
from coalmine_alerts.results.story import readable
from coalmine_alerts.storage.sent import told_transitions
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_rollouts.commands import Rollouts
from coalmine_rollouts.plan import RolloutPlan, read_plan
from coalmine_schemas.prompt_files.folder import read_folder
from coalmine_schemas.prompts import ServedPrompt, ServeExperiment
from coalmine_server.errors import CheckFailed
from coalmine_server.kafka import make_client
from coalmine_server.services.owned_store import OwnedStore, SimulatedTime
from coalmine_server.settings import Settings
from coalmine_simulator import (
    Playback,
    Progress,
    RegistryChooser,
    Simulation,
    SimulationConfig,
    SimulationResult,
    Steps,
    rollout_scenario,
    run,
)

STORY_S: Final = 4 * 3600.0
"""Both rollouts have just ended when the pages open."""
CALLS_PER_S = 2.0
"""Simulated calls per simulated second: about 30,000 over the story."""
STEP_S: Final = 300.0
"""Simulated seconds between two decisions; the stages count their time in as many."""
LIVE_STEP_S: Final = 5.0
ENVIRONMENT: Final = "prod"
MOST_ALERTS: Final = 1_000
WAIT_S: Final = 300.0
POLL_S: Final = 0.01
ASK_EVERY_S: Final = 1.0

AUTHOR: Final = Actor("demo-author", Role.AUTHOR, "demo")
APPROVER: Final = Actor("demo-approver", Role.APPROVER, "demo")

PLAN: Final = read_plan(
    {
        "stages": [
            {"weight": "20%", "min_time": "1h", "min_units": 100, "gate": "no_harm"},
            {"weight": "50%", "min_time": "30m", "min_units": 300, "gate": "not_worse"},
        ],
        "bake": {"time": "30m", "holdback": "5%"},
        "metrics": {
            "error_rate": {"role": "must_prove", "margin": "2pt"},
            "refusal_rate": {"role": "must_prove", "margin": "2pt"},
        },
    }
)


@dataclass(frozen=True, slots=True)
class Planned:
    """A rollout that somebody starts."""

    at_s: float
    prompt: str
    version: str
    plan: RolloutPlan = PLAN


ROLLOUTS: Final = (
    Planned(900.0, "search-answer", "4.0.0"),
    Planned(3_600.0, "support-refund", "1.4.0"),
)
PLAYED: Final = ("requests", "feedback", "scores")
"""Events that services send."""
_READ: Final = "SELECT coalesce(sum(consumed), 0) AS events FROM batches WHERE list_contains($events, event)"
_FIRST: Final = ("3.1.0", "1.3.0", "2.0.1", "0.9.2")
"""Versions that are served from the start."""


@dataclass(frozen=True, slots=True)
class PlayedRollout:
    """What became of a rollout."""

    prompt: str
    treatment: str
    control: str
    state: str
    stage_weights: list[float]
    treated_units: int
    decisions: int
    """How many were made."""
    reason: str
    """Why it came into this state."""


@dataclass(frozen=True, slots=True)
class PlayedAlert:
    """Something that people were to be told."""

    rule: str
    environment: str | None
    prompt: str | None
    version: str | None
    state: str
    severity: str
    at: datetime
    summary: str
    delivered: list[str]
    """Channels that took it."""


class StoryClock:
    """The story's time while it is told, and the machine's from then on."""

    def __init__(self) -> None:
        self.moment: datetime | None = datetime.now(UTC) - timedelta(seconds=STORY_S)

    def __call__(self) -> datetime:
        """The present."""
        return self.moment or datetime.now(UTC)

    @property
    def simulated(self) -> SimulatedTime:
        """As a server takes it."""
        return SimulatedTime(self, 2 * STEP_S)


def register_prompts(registry: Registry) -> int:
    """Registers the versions, and serves the first ones; returns how many there are.

    A registry that has prompts already, from an earlier demonstration in the same home, stays as it is.
    """
    if registry.prompts(limit=1).items:
        return 0
    with as_file(files("coalmine_simulator") / "data" / "prompts") as folder:
        prompts = read_folder(folder)
    for file in prompts:
        registry.register(AUTHOR, file.name, file.version, file.content)
    for file in prompts:
        if file.version in _FIRST:
            registry.promote(APPROVER, file.name, file.version, ENVIRONMENT)
    return len(prompts)


class Story:
    """Plays it on a server of this process.

    Args:
        settings: Of the demonstration.
        owned: The server's store.
        clock: Of the server.
    """

    def __init__(self, settings: Settings, owned: OwnedStore, clock: StoryClock) -> None:
        self._settings = settings
        self._owned = owned
        self._clock = clock
        self._rollouts = Rollouts(owned.known_registry)
        self._due = [] if self._rollouts.rollouts(limit=1).items else list(ROLLOUTS)
        self._clients: dict[tuple[str, str], Coalmine] = {}
        self.before = self.read()
        """Events that were read before."""

    def play(
        self,
        *,
        seconds: float | None,
        seed: int,
        stop: threading.Event,
        progress: Callable[[Progress], None],
    ) -> SimulationResult:
        """Plays the story through real clients into the past, at once, and goes on live as time passes.

        Args:
            seconds: Real seconds to go on live; until stopped if None.
            seed: The same seed gives the same users and calls.
            stop: Ends playing early.
            progress: Told how far it has come.
        """
        config: SimulationConfig = rollout_scenario(STORY_S).with_rate(CALLS_PER_S)
        with ExitStack() as opened:

            def client_of(app: str, environment: str) -> Coalmine:
                key = (app, environment)
                if key not in self._clients:
                    self._clients[key] = opened.enter_context(make_client(self._settings, app, environment))
                    self._clients[key].wait_for_registry(WAIT_S)
                return self._clients[key]

            return run(
                Simulation(config, seed, RegistryChooser(client_of)),
                client_of,
                Playback(history_s=STORY_S, live_s=seconds),
                stop=stop,
                progress=progress,
                steps=Steps(act=self._step, history_s=STEP_S, live_s=LIVE_STEP_S),
            )

    def read(self) -> int:
        """Events of services that the server has read since its store was created."""
        (row,) = self._owned.store.reader().rows(_READ, {"events": list(PLAYED)})
        return int(row["events"])

    def rollouts(self) -> list[PlayedRollout]:
        """What became of the rollouts, oldest first."""
        found = []
        for each in reversed(self._rollouts.rollouts(ENVIRONMENT).items):
            decisions = self._rollouts.decisions(each.id).items
            found.append(
                PlayedRollout(
                    prompt=each.prompt,
                    treatment=each.treatment,
                    control=each.control,
                    state=each.state,
                    stage_weights=[each.plan.weight(stage) for stage in range(each.plan.last + 1)],
                    treated_units=self._owned.controller.status(each.id).units,
                    decisions=len(decisions),
                    reason="; ".join(next(one for one in decisions if one.to_state == each.state).reasons),
                )
            )
        return found

    def alerts(self) -> list[PlayedAlert]:
        """What people were to be told, oldest first."""
        found = told_transitions(self._owned.alerts.database, limit=MOST_ALERTS).items
        return [
            PlayedAlert(
                rule=each.rule,
                environment=each.labels.get("environment"),
                prompt=each.labels.get("prompt"),
                version=each.labels.get("version"),
                state=each.transition.to_state,
                severity=each.transition.severity,
                at=each.transition.at,
                summary=readable(each.transition.summary),
                delivered=[one.channel for one in each.deliveries if one.state in ("delivered", "merged")],
            )
            for each in reversed(found)
            if each.transition.told
        ]

    def _step(self, at_s: float, moment: datetime) -> None:
        """Everything until this moment was sent: decides, and has the clients follow."""
        if at_s <= STORY_S:
            self._wait_until_stored()
            self._clock.moment = moment
        if at_s >= STORY_S:
            self._clock.moment = None
        changed = False
        while self._due and self._due[0].at_s <= at_s:
            planned = self._due.pop(0)
            self._rollouts.start(
                APPROVER, planned.prompt, planned.version, planned.plan, environment=ENVIRONMENT
            )
            changed = True
        if self._owned.controller.tick() or changed:
            self._follow()
        self._tell()

    def _tell(self) -> None:
        """Evaluates alerts as of the story's time, and sends what is due by then."""
        alerting = self._owned.alerts
        alerting.engine.tick(self._clock())
        alerting.sender.send_due()

    def _wait_until_stored(self) -> None:
        sent = self.before + sum(client.stats().produced for client in self._clients.values())
        batches, asked_at = -1, time.monotonic()

        def stored() -> bool:
            nonlocal batches, asked_at
            health = None if self._owned.ingest is None else self._owned.ingest.health()
            now = time.monotonic()
            # Asking the store takes the collector's time; a batch may be counted before it can be read.
            if health is None or (health.batches == batches and now - asked_at < ASK_EVERY_S):
                return False
            batches, asked_at = health.batches, now
            return self.read() >= sent

        _wait(stored, "events to be stored")

    def _follow(self) -> None:
        """Waits until every client serves what the registry serves."""
        served = self._owned.known_registry.snapshot(ENVIRONMENT).prompts
        for client in self._clients.values():
            _wait(partial(_follows, client, served), "clients to follow the registry")


def _follows(client: Coalmine, served: Mapping[str, ServedPrompt]) -> bool:
    for prompt, expected in served.items():
        found = client.prompt(prompt, "somebody", environment=ENVIRONMENT)
        default = expected.default
        if isinstance(default, ServeExperiment):
            epoch = expected.experiments[default.experiment].allocation_epoch
            if (found.experiment, found.allocation_epoch) != (default.experiment, epoch):
                return False
        elif (found.experiment, found.version) != (None, default.version):
            return False
    return True


def _wait(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not ready():
        if time.monotonic() > deadline:
            raise CheckFailed(f"{what} took longer than {WAIT_S:.0f} s")
        time.sleep(POLL_S)

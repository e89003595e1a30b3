"""The demonstration: a server on spool and DuckDB in this process, and simulated services that feed it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from coalmine import Coalmine
from coalmine_registry.prompt_files.folder import read_folder
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_schemas.discovery import read_local_token
from coalmine_schemas.prompts import Arm
from coalmine_server.client import Client
from coalmine_server.errors import CheckFailed
from coalmine_server.kafka import make_client
from coalmine_server.serve import Server
from coalmine_server.services.prompt_registry import open_registry
from coalmine_server.settings import KafkaSettings, SchemaSettings, Settings, SpoolSettings
from coalmine_simulator import Playback, Progress, Release, Simulation, SimulationResult, run, scenario

HOUR_S = 3600.0
STORY_S = 6 * HOUR_S
"""A good canary goes all the way, a bad one is taken back. It has just happened when the pages open."""

CALLS_PER_S = 2.0
"""Simulated calls per simulated second: about 50,000 over the story."""

ENVIRONMENT = "prod"
DRAIN_TIMEOUT_S = 60.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What was produced, and what became of it."""

    produced: int
    stored: int
    duplicates: int
    dead_lettered: int
    spooled: int
    """Events that still wait in the spool."""
    unattributed_feedback: int
    versions: list[Any]
    """Rows of `/v1/versions`, as parsed JSON."""

    @property
    def adds_up(self) -> bool:
        """True if nothing was lost and nothing counted twice."""
        return self.produced == self.stored + self.duplicates + self.dead_lettered + self.spooled


def demo_settings(settings: Settings, home: Path, port: int) -> Settings:
    """The given settings with everything in `home`, on the spool alone, on one free or given port."""
    return settings.model_copy(
        update={
            "home": home,
            "token": None,
            "kafka": KafkaSettings(),
            "schema_": SchemaSettings(),
            "spool": SpoolSettings(),
            "server": settings.server.model_copy(update={"host": "127.0.0.1", "port": port, "url": None}),
        }
    )


@dataclass(frozen=True, slots=True)
class Story:
    """What the registry knows of it."""

    versions: int
    """Versions of prompts that were registered."""
    changes: int
    """Changes of what is served; each is an event."""


AUTHOR = Actor("demo-author", Role.AUTHOR, "demo")
APPROVER = Actor("demo-approver", Role.APPROVER, "demo")


def register_story(settings: Settings) -> Story:
    """Does in the registry what the story tells, at the story's times: push, promote, experiment, stop.

    A registry that has prompts already, from an earlier demonstration in the same home, stays as it is.
    """
    now = began_at = datetime.now(UTC) - timedelta(seconds=STORY_S)
    with (
        open_registry(settings, clock=lambda: now) as registry,
        as_file(files("coalmine_simulator") / "data" / "prompts") as folder,
    ):
        if registry.prompts(limit=1).items:
            return Story(0, 0)
        prompts = read_folder(folder)
        for file in prompts:
            registry.register(AUTHOR, file.name, file.version, file.content)
        releases = [
            (release, prompt.name)
            for prompt in scenario("demo", STORY_S).prompts
            for release in prompt.releases
        ]
        running: dict[str, str] = {}
        for release, prompt in sorted(releases, key=lambda each: each[0].at_s):
            now = began_at + timedelta(seconds=release.at_s)
            _release(registry, prompt, release, running)
        return Story(len(prompts), len(releases))


def _release(registry: Registry, prompt: str, release: Release, running: dict[str, str]) -> None:
    """Serves what a release of the story serves; `running` has the experiment of each prompt."""
    arms = [Arm(arm.variant, arm.version, arm.weight) for arm in release.arms]
    if release.experiment is not None and prompt in running:
        registry.set_weights(APPROVER, release.experiment, {arm.variant: arm.weight for arm in arms})
    elif release.experiment is not None:
        registry.start_experiment(APPROVER, ENVIRONMENT, prompt, release.experiment, arms)
        running[prompt] = release.experiment
    elif prompt not in running:
        registry.promote(APPROVER, prompt, arms[0].version, ENVIRONMENT)
    else:
        name = running.pop(prompt)
        kept = {arm.version: arm.variant for arm in registry.experiment(name).arms}[arms[0].version]
        reason = "quality fell" if kept == "control" else "better and cheaper"
        registry.stop_experiment(APPROVER, name, keep=kept, reason=reason)


@contextmanager
def running_server(settings: Settings) -> Iterator[Client]:
    """A client of a server in this process, for the length of a block."""
    server = Server(settings)
    server.start()
    try:
        while server.stores.why_not_ready() is not None:
            if server.ingest.wait_ended(POLL_S):
                raise CheckFailed(f"the server did not start: {server.ingest.failure}")
        client = Client(server.url, read_local_token(settings.home))
        yield client
        client.close()
    finally:
        server.stop()


def play(
    settings: Settings,
    *,
    seconds: float | None,
    seed: int,
    stop: threading.Event,
    progress: Callable[[Progress], None],
) -> SimulationResult:
    """Plays the story through real clients into the past, at once, and goes on live as time passes.

    Args:
        settings: Of the demonstration.
        seconds: Real seconds to go on live; until stopped if None.
        seed: The same seed gives the same story.
        stop: Ends playing early.
        progress: Told how far it has come.
    """
    config = scenario("demo", STORY_S).with_rate(CALLS_PER_S)
    playback = Playback(history_s=STORY_S, live_s=seconds)
    clients: list[Coalmine] = []

    def client_of(app: str, environment: str) -> Coalmine:
        clients.append(make_client(settings, app, environment))
        return clients[-1]

    try:
        return run(Simulation(config, seed), client_of, playback, stop=stop, progress=progress)
    finally:
        for client in clients:
            client.close()


def consumed(client: Client, *, at_least: int = 0) -> int:
    """Messages that the server has read since its store was created; waits until they are enough."""
    deadline = time.monotonic() + DRAIN_TIMEOUT_S
    while True:
        count = int(client.get("/v1/ingest")["counts"]["consumed"])
        if count >= at_least or time.monotonic() > deadline:
            return count
        time.sleep(POLL_S)


def report(client: Client, produced: int) -> DemoReport:
    """Waits until everything produced is accounted for, and reports what became of it."""
    consumed(client, at_least=produced)
    status = client.get("/v1/ingest")
    counts = status["counts"]
    return DemoReport(
        produced=produced,
        stored=counts["stored"],
        duplicates=counts["duplicates"],
        dead_lettered=counts["dead_lettered"],
        spooled=status["lag"] or 0,
        unattributed_feedback=status["unattributed_feedback"],
        versions=client.items("/v1/versions"),
    )

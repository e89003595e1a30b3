"""The demonstration: a server on spool and DuckDB in this process, and simulated services that feed it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coalmine import Coalmine
from coalmine_schemas.discovery import read_local_token
from coalmine_server.client import Client
from coalmine_server.errors import CheckFailed
from coalmine_server.kafka import make_client
from coalmine_server.serve import Server
from coalmine_server.settings import KafkaSettings, SchemaSettings, Settings, SpoolSettings
from coalmine_simulator import Playback, Progress, Simulation, SimulationResult, run, scenario

HOUR_S = 3600.0
STORY_S = 6 * HOUR_S
"""A good canary goes all the way, a bad one is taken back. It has just happened when the pages open."""

CALLS_PER_S = 2.0
"""Simulated calls per simulated second: about 50,000 over the story."""

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


def consumed(client: Client) -> int:
    """Messages that the server has read since its store was created."""
    return int(client.get("/v1/ingest")["counts"]["consumed"])


def report(client: Client, produced: int) -> DemoReport:
    """Waits until everything produced is accounted for, and reports what became of it."""
    deadline = time.monotonic() + DRAIN_TIMEOUT_S
    while consumed(client) < produced and time.monotonic() < deadline:
        time.sleep(POLL_S)
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

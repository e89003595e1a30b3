"""The demonstration: a server on spool and DuckDB in this process, and what became of what it was sent."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from coalmine_schemas.discovery import read_local_token
from coalmine_server.client import Client
from coalmine_server.errors import CheckFailed
from coalmine_server.rollout_story import PLAYED, PlayedAlert, PlayedRollout, Story
from coalmine_server.serve import Server
from coalmine_server.services.owned_store import OwnedStore, SimulatedTime
from coalmine_server.settings import (
    AlertsSettings,
    KafkaSettings,
    SchemaSettings,
    Settings,
    SpoolSettings,
)
from coalmine_server.slack_stand_in import Message, SlackStandIn

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
    rollouts: list[PlayedRollout]
    alerts: list[PlayedAlert]
    """What people were told, oldest first."""
    slack_messages: list[Message]
    """As they were sent to what stood in for Slack."""

    @property
    def adds_up(self) -> bool:
        """True if nothing was lost and nothing counted twice."""
        return self.produced == self.stored + self.duplicates + self.dead_lettered + self.spooled


def demo_settings(settings: Settings, home: Path, port: int, slack_url: str) -> Settings:
    """The given settings with everything in `home`, on the spool alone, on one free or given port.

    Nothing is told anywhere but at `slack_url`.
    """
    return settings.model_copy(
        update={
            "home": home,
            "token": None,
            "kafka": KafkaSettings(),
            "schema_": SchemaSettings(),
            "spool": SpoolSettings(),
            "alerts": AlertsSettings(slack_webhook_url=SecretStr(slack_url)),
            "server": settings.server.model_copy(update={"host": "127.0.0.1", "port": port, "url": None}),
        }
    )


@contextmanager
def running_server(settings: Settings, simulated: SimulatedTime) -> Iterator[tuple[Client, OwnedStore]]:
    """A server in this process with a client of it, for the length of a block."""
    server = Server(settings, simulated=simulated)
    server.start()
    try:
        while server.stores.why_not_ready() is not None:
            if server.ingest.wait_ended(POLL_S):
                raise CheckFailed(f"the server did not start: {server.ingest.failure}")
        client = Client(server.url, read_local_token(settings.home))
        yield client, server.stores.owned_store()
        client.close()
    finally:
        server.stop()


def report(client: Client, story: Story, produced: int, slack: SlackStandIn) -> DemoReport:
    """Waits until everything produced is accounted for, and reports what became of it."""
    deadline = time.monotonic() + DRAIN_TIMEOUT_S
    while story.read() < produced and time.monotonic() < deadline:
        time.sleep(POLL_S)
    status = client.get("/v1/ingest")
    counts = [each for event, each in status["by_event"].items() if event in PLAYED]
    stored, duplicates, dead_lettered = (
        sum(each[name] for each in counts) for name in ("stored", "duplicates", "dead_lettered")
    )
    return DemoReport(
        produced=produced,
        stored=stored,
        duplicates=duplicates,
        dead_lettered=dead_lettered,
        spooled=status["lag"] or 0,
        unattributed_feedback=status["unattributed_feedback"],
        versions=client.items("/v1/versions"),
        rollouts=story.rollouts(),
        alerts=story.alerts(),
        slack_messages=list(slack.messages),
    )

"""Alerts while other things go wrong: a rollout that takes itself back, a registry whose database is away."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from coalmine_alerts.configuration.records import default_configuration
from coalmine_alerts.delivery.channels import SlackWebhookSettings
from coalmine_alerts.delivery.open import open_channels
from coalmine_alerts.delivery.sender import Sender
from coalmine_alerts.engine import Engine
from coalmine_alerts.facts import Facts, Source
from coalmine_alerts.reading.reader import FactReader, Sources
from coalmine_alerts.results.alerts import Transition
from coalmine_alerts.storage.open import open_database
from coalmine_registry.storage.database import Database
from tests.support.data.rollout_case import GOOD, Rig
from tests.support.servers.receiver import Receiver, receiver

FAILS = replace(GOOD, errors=1.0)
SETTLES = 16
"""Minutes after a rollout, in which what is measured of its version is held back."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "alerts.db")
    yield opened
    opened.close()


def engine_of(rig: Rig, database: Database) -> Engine[Facts]:
    rules = default_configuration().rules
    reader = FactReader(Sources(store=rig.store, registry=rig.registry))
    return Engine(database, rules, reader, lambda _: ["slack"])


def pages(made: list[Transition]) -> list[str]:
    return [each.summary for each in made if each.told and each.severity == "page"]


def test_a_rollback_that_worked_holds_back_the_page_of_the_same_cause(
    tmp_path: Path, database: Database
) -> None:
    with Rig(tmp_path) as rig:
        application = rig.serve("1.0.0", treatment="1.1.0")
        application.behaviours, application.per_minute = {"1.1.0": FAILS}, 300
        engine = engine_of(rig, database)
        wanted: tuple[Source, ...] = ("limits",)
        read = FactReader(Sources(store=rig.store, registry=rig.registry), wanted)
        rollout = rig.start()
        made, broken = [], False
        for _ in range(40):
            rig.minutes(1)
            made += engine.tick(rig.clock.now)
            broken |= any(
                watch.key.version == "1.1.0" and watch.log_e >= 16.0 for watch in read(rig.clock.now).limits
            )
            if rig.rollouts.rollout(rollout.id).state == "rolled_back":
                break
        for _ in range(SETTLES // 2):
            rig.minutes(1, step=2)
            made += engine.tick(rig.clock.now)
        assert broken  # alone it would have been a page
        assert rig.rollouts.rollout(rollout.id).state == "rolled_back"
        assert pages(made) == []
        assert any(
            "Rolled back" in each.summary or "rolled back" in each.summary for each in made if each.told
        )
        # The same without a rollout wakes somebody.
        rig.applications["support-refund"][0].behaviours = {"1.0.0": FAILS}
        for _ in range(6):
            rig.minutes(1)
            made += engine.tick(rig.clock.now)
        assert any("breaks its limit" in each for each in pages(made))


def test_that_the_registrys_database_is_away_is_told(tmp_path: Path, database: Database) -> None:
    with Rig(tmp_path) as rig, receiver() as slack:
        rig.serve("1.0.0")
        rig.minutes(2)
        engine, sender = engine_of(rig, database), sender_of(rig, database, slack)
        engine.tick(rig.clock.now)
        rig.registry.close()
        for each in tmp_path.glob("registry.db*"):
            each.unlink()
        (tmp_path / "registry.db").mkdir()  # nothing that can be opened
        for _ in range(4):
            rig.clock.move(seconds=31)
            engine.tick(rig.clock.now)
            sender.send_due()
        sender.close()
        told = [each.json()["text"] for each in slack.requests]
        assert sum("cannot be read" in each for each in told) == 1, told
        assert "unable to open database file" in told[-1]
        assert "rollouts" in slack.requests[-1].body.decode()


def sender_of(rig: Rig, database: Database, slack: Receiver) -> Sender:
    channels = open_channels(
        [SlackWebhookSettings(name="slack")],
        {"COALMINE_ALERTS_SLACK_WEBHOOK_URL": f"{slack.url}/services/T0/B0/secret-of-the-hook"},
        dashboard_url=None,
    )
    return Sender(database, channels, clock=rig.clock)

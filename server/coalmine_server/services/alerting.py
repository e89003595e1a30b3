"""Alerts of this process: rules, channels and owners as configured, and what works with them."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from coalmine_alerts.commands import Commands
from coalmine_alerts.delivery.channels import (
    CHANGE_RULES,
    ChannelSettings,
    PagerDutySettings,
    SlackWebhookSettings,
)
from coalmine_alerts.delivery.open import open_channels
from coalmine_alerts.delivery.sender import Sender
from coalmine_alerts.engine import Engine
from coalmine_alerts.facts import Facts, Health
from coalmine_alerts.reading.reader import FactReader, Sources
from coalmine_alerts.results.alerts import Alert
from coalmine_alerts.rules.drift import DRIFT_RULES
from coalmine_alerts.rules.ingest import (
    ControllerSilent,
    DeadLetters,
    DiskFull,
    IngestStale,
    SourceGap,
    SourceUnavailable,
    UnattributedFeedback,
)
from coalmine_alerts.rules.limits import KillLimit
from coalmine_alerts.rules.rollouts import RollbackIncomplete, RolloutDecided, RolloutHeld
from coalmine_alerts.storage.open import open_database
from coalmine_registry.storage.database import Database
from coalmine_server.services.drift import drift_plan
from coalmine_server.settings import Settings

if TYPE_CHECKING:
    from coalmine_server.services.owned_store import OwnedStore

_SECRETS: Final = (
    "slack_webhook_url",
    "slack_bot_token",
    "slack_app_token",
    "pagerduty_routing_key",
    "webhook_secret",
)


RULES: Final[Sequence[Any]] = (
    *DRIFT_RULES,
    KillLimit(),
    RolloutDecided(),
    RolloutHeld(),
    RollbackIncomplete(),
    IngestStale(),
    SourceGap(),
    DeadLetters(),
    UnattributedFeedback(),
    DiskFull(),
    ControllerSilent(),
    SourceUnavailable(),
)


class Alerting:
    """What evaluates, tells and answers for alerts; each part is made when it is first asked for."""

    def __init__(self, owned: "OwnedStore") -> None:
        self._owned = owned
        self.clock: Callable[[], datetime] = _utc_now if owned.simulated is None else owned.simulated.clock

    @cached_property
    def database(self) -> Database:
        """The database of alerts.

        Raises:
            DatabaseTooNew: A newer version of Coalmine has used it.
            DatabaseUnavailable: The file cannot be used now.
        """
        return open_database(self._owned.settings.alerts_database)

    @cached_property
    def channels(self) -> Mapping[str, ChannelSettings]:
        """Settings of the channels, by name."""
        return {each.name: each for each in channels_of(self._owned.settings)}

    @cached_property
    def commands(self) -> Commands:
        """What people do with alerts."""
        return Commands(self.database, self._route, self.clock)

    @cached_property
    def engine(self) -> Engine[Facts]:
        """Evaluates the rules."""
        owned, rules = self._owned, RULES
        sources = Sources(
            store=owned.store,
            registry=owned.registry,
            # Detectors keep the machine's time; sums that are kept can be judged as of any.
            drifts=owned.drifts if owned.simulated is None else None,
            readouts=owned.readouts,
            health=self._health,
            plan=owned.plan,
            drift_plan=drift_plan(owned.settings),
        )
        needed = frozenset(source for rule in rules for source in rule.needs)
        return Engine(self.database, rules, FactReader(sources, needed), self._route)

    @cached_property
    def sender(self) -> Sender:
        """Sends what is due."""
        settings = self._owned.settings
        opened = open_channels(
            self.channels.values(), secrets_of(settings), dashboard_url=dashboard_url(settings)
        )
        return Sender(self.database, opened, clock=self.clock)

    def close(self) -> None:
        """Closes the database, if it was opened."""
        if "database" in self.__dict__:
            self.database.close()

    def _health(self) -> Health:
        """What only this process knows."""
        owned, ingest = self._owned, self._owned.ingest
        health = None if ingest is None else ingest.health()
        disk = shutil.disk_usage(owned.settings.home)
        return Health(
            waiting_for=None if ingest is None else ingest.waiting_for,
            lag_messages=None if health is None else health.lag.messages,
            lag_s=owned.source_lag_s(),
            rollouts_tick_age_s=None if ingest is None else ingest.rollout_tick_age_s(),
            disk_free=disk.free / disk.total,
        )

    def _route(self, alert: Alert) -> Sequence[str]:
        """Every channel; PagerDuty only gets what pages, or what changed."""
        return [
            name
            for name, channel in self.channels.items()
            if not isinstance(channel, PagerDutySettings)
            or alert.severity == "page"
            or alert.rule in CHANGE_RULES
        ]


def _utc_now() -> datetime:
    return datetime.now(UTC)


def channels_of(settings: Settings) -> Sequence[ChannelSettings]:
    """Returns the channels that a secret alone suffices for."""
    found: list[ChannelSettings] = []
    if settings.alerts.slack_webhook_url is not None:
        found.append(SlackWebhookSettings(name="slack"))
    if settings.alerts.pagerduty_routing_key is not None:
        found.append(PagerDutySettings(name="pagerduty"))
    return found


def secrets_of(settings: Settings) -> Mapping[str, str]:
    """Returns secrets by the names that channels refer to: those of settings, else of the environment."""
    given = {f"COALMINE_ALERTS_{name.upper()}": getattr(settings.alerts, name) for name in _SECRETS}
    own = {name: secret.get_secret_value() for name, secret in given.items() if secret is not None}
    return {**os.environ, **own}


def dashboard_url(settings: Settings) -> str:
    """Returns what links of messages are below."""
    if settings.alerts.dashboard_url is not None:
        return settings.alerts.dashboard_url.rstrip("/")
    return f"http://{settings.dashboard.host}:{settings.dashboard.port}"

"""Alerts of this process: rules, channels and owners as configured, and what works with them."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

from coalmine_alerts.commands import Commands
from coalmine_alerts.configuration.read import read_configuration
from coalmine_alerts.configuration.records import Configuration, default_configuration
from coalmine_alerts.delivery.channels import ChannelSettings, PagerDutySettings, SlackWebhookSettings
from coalmine_alerts.delivery.health import channel_health
from coalmine_alerts.delivery.open import open_channels
from coalmine_alerts.delivery.sender import Sender
from coalmine_alerts.engine import Engine
from coalmine_alerts.facts import Facts, Health
from coalmine_alerts.reading.reader import FactReader, Sources
from coalmine_alerts.results.digest import Digest
from coalmine_alerts.rule import Rule
from coalmine_alerts.rules.weekly_digest import WeeklyDigest
from coalmine_alerts.storage.open import open_database
from coalmine_alerts.weekly import digest_of
from coalmine_consumers import queries
from coalmine_registry.storage.database import Database
from coalmine_schemas.errors import InvalidParameter
from coalmine_server.errors import ConfigurationError
from coalmine_server.services.drift import drift_plan
from coalmine_server.services.prompt_registry import utc_now
from coalmine_server.settings import Settings

if TYPE_CHECKING:
    from coalmine_alerts.delivery.channels import Channel
    from coalmine_server.services.owned_store import OwnedStore

Week = tuple[str, datetime, datetime]
"""Name, begin and end."""
MOST_VERSIONS: Final = 100_000
"""Versions whose traffic is looked at, to say which are unused."""

_SECRETS: Final = (
    "slack_webhook_url",
    "slack_bot_token",
    "slack_app_token",
    "pagerduty_routing_key",
    "webhook_secret",
)


class Alerting:
    """What evaluates, tells and answers for alerts; each part is made when it is first asked for."""

    def __init__(self, owned: "OwnedStore") -> None:
        self._owned = owned
        self.clock: Callable[[], datetime] = owned.clock

    @cached_property
    def database(self) -> Database:
        """The database of alerts.

        Raises:
            DatabaseTooNew: A newer version of Coalmine has used it.
            DatabaseUnavailable: The file cannot be used now.
        """
        return open_database(self._owned.settings.alerts_database)

    @cached_property
    def configuration(self) -> Configuration:
        """Rules, channels and owners.

        Raises:
            ConfigurationError: The file is not valid.
        """
        return configuration_of(self._owned.settings)

    @cached_property
    def channels(self) -> Mapping[str, ChannelSettings]:
        """Settings of the channels, by name."""
        return {each.name: each for each in self.configuration.channels}

    @cached_property
    def commands(self) -> Commands:
        """What people do with alerts."""
        found = self.configuration
        return Commands(self.database, found.channels_of, self.clock, found.digest)

    @property
    def sources(self) -> Sources:
        """What facts are read from."""
        owned = self._owned
        return Sources(
            store=owned.store,
            registry=owned.registry,
            evals=lambda: owned.evaluations.database,
            # Detectors keep the machine's time; the sums that are kept can be judged as of any.
            drifts=owned.drifts if owned.simulated is None else None,
            readouts=owned.readouts,
            health=self._health,
            plan=owned.plan,
            drift_plan=drift_plan(owned.settings),
            limits=self.configuration.limits,
            channels=lambda now: channel_health(self.database, [*self.channels], now),
        )

    @cached_property
    def engine(self) -> Engine[Facts]:
        """Evaluates the rules."""
        configuration = self.configuration
        reader = FactReader(self.sources, configuration.needs)
        rules: list[Rule[Facts]] = [*configuration.rules, WeeklyDigest(self.digest, configuration.digest)]
        return Engine(self.database, rules, reader, configuration.channels_of, configuration.digest)

    def digest(self, week: Week, environment: str | None = None) -> Digest:
        """What a week brought.

        Args:
            week: As `coalmine_alerts.weekly` names it.
            environment: None: all of them.
        """
        owned = self._owned
        rows = queries.versions(owned.store.reader(), limit=MOST_VERSIONS).items
        last_used = {(row.prompt, row.version): row.last_event_time for row in rows if row.last_event_time}
        return digest_of(
            owned.registry, self.database, week=week, environment=environment, last_used=last_used
        )

    @cached_property
    def sender(self) -> Sender:
        """Sends what is due."""
        opened = opened_channels(self._owned.settings, self.configuration.channels, self.clock)
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


def configuration_of(settings: Settings) -> Configuration:
    """Reads the file of rules, channels and owners; where it names no channels, a secret makes one.

    Raises:
        ConfigurationError: The file is not valid; names each mistake with its place and remedy.
    """
    file = settings.alerts_file
    if file is None:
        return default_configuration(_channels_of_secrets(settings))
    try:
        found = read_configuration(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {file}: {error}") from error
    except InvalidParameter as error:
        raise ConfigurationError(f"{file} is not valid:\n{error}", "see docs/alerts.md") from error
    return found if found.channels else replace(found, channels=tuple(_channels_of_secrets(settings)))


def opened_channels(
    settings: Settings, channels: Sequence[ChannelSettings], clock: Callable[[], datetime] = utc_now
) -> Mapping[str, "Channel"]:
    """Opens channels with the secrets of settings and environment; nothing is connected to yet.

    Raises:
        ConfigurationError: A secret is missing, or a package is not installed.
    """
    try:
        return open_channels(channels, _secrets(settings), dashboard_url=dashboard_url(settings), clock=clock)
    except InvalidParameter as error:
        raise ConfigurationError(str(error)) from error


def check_alerts(settings: Settings) -> None:
    """Refuses what alerts could not be told with, before a server starts.

    Raises:
        ConfigurationError: File or secrets are not valid.
    """
    opened_channels(settings, configuration_of(settings).channels)


def dashboard_url(settings: Settings) -> str:
    """Returns what links of messages are below."""
    if settings.alerts.dashboard_url is not None:
        return settings.alerts.dashboard_url.rstrip("/")
    return f"http://{settings.dashboard.host}:{settings.dashboard.port}"


def _channels_of_secrets(settings: Settings) -> list[ChannelSettings]:
    """The channels that a secret alone suffices for."""
    found: list[ChannelSettings] = []
    if settings.alerts.slack_webhook_url is not None:
        found.append(SlackWebhookSettings(name="slack"))
    if settings.alerts.pagerduty_routing_key is not None:
        found.append(PagerDutySettings(name="pagerduty"))
    return found


def _secrets(settings: Settings) -> Mapping[str, str]:
    """Secrets by the names that channels refer to: those of settings, else of the environment."""
    given = {f"COALMINE_ALERTS_{name.upper()}": getattr(settings.alerts, name) for name in _SECRETS}
    own = {name: secret.get_secret_value() for name, secret in given.items() if secret is not None}
    return {**os.environ, **own}

"""From settings to the clients of Kafka: how to log in, and the producing client of commands."""

import logging
from typing import TYPE_CHECKING

from pydantic import SecretStr

from coalmine_schemas.kafka_config import SECURITY
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_schemas.registry_client import SchemaRegistryClient
from coalmine_server.settings import KafkaSettings, SchemaSettings, Settings

if TYPE_CHECKING:
    from coalmine import Coalmine
    from coalmine_schemas.kafka_errors import LibrdkafkaLog

_LOG = RateLimitedLogger(logging.getLogger("coalmine.kafka"))


def kafka_security_config(settings: KafkaSettings) -> dict[str, str | int | bool]:
    """How to log in to the brokers, as librdkafka's settings. Holds the password: do not log it."""
    given = {theirs: getattr(settings, ours) for ours, theirs in SECURITY.items()}
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in given.items()
        if value is not None
    }


def schema_registry(settings: SchemaSettings) -> SchemaRegistryClient | None:
    """A client of the schema registry, if there is one.

    Raises:
        InvalidParameter: Its address or its CA file cannot be used.
    """
    return SchemaRegistryClient.configured(
        settings.registry_url,
        settings.registry_username,
        secret(settings.registry_password),
        settings.registry_ca_location,
    )


def secret(value: SecretStr | None) -> str | None:
    """What it hides."""
    return None if value is None else value.get_secret_value()


def librdkafka_log() -> "LibrdkafkaLog":
    """The logger of every Kafka client of this process; one rate limits the lines of all."""
    from coalmine_schemas.kafka_errors import LibrdkafkaLog  # noqa: PLC0415 - imports the Kafka client

    return LibrdkafkaLog(_LOG)


def make_client(settings: Settings, app: str, environment: str) -> "Coalmine":
    """A producing client that waits when its queue is full: it loses nothing, however fast events come."""
    from coalmine import Coalmine  # noqa: PLC0415 - what only wants to log in needs no client

    kafka = settings.kafka
    servers = kafka.bootstrap_servers
    return Coalmine(
        app,
        environment,
        home=settings.home,
        spool_dir=settings.spool_dir,
        server_url=settings.server.url,
        token=secret(settings.token),
        kafka_bootstrap_servers=servers,
        kafka_config=None if servers is None else kafka_security_config(kafka),
        schema_registry_url=settings.schema_.registry_url,
        schema_registry_username=settings.schema_.registry_username,
        schema_registry_password=secret(settings.schema_.registry_password),
        schema_registry_ca_location=settings.schema_.registry_ca_location,
        topic_prefix=settings.kafka.topic_prefix,
        capture_text=settings.capture_text,
        on_full="wait",
    )

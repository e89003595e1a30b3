"""Assembles the way to Kafka; imported only where that is configured: librdkafka comes with an extra."""

from confluent_kafka import KafkaException, Producer

from coalmine.emitters import Emitter, SpoolEmitter
from coalmine.emitters.kafka import KafkaEmitter
from coalmine.framing import KafkaFraming, PlainFraming, RegistryFraming
from coalmine.settings import ClientSettings
from coalmine.stats import Counters
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.kafka_config import producer_config
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_schemas.registry_client import SchemaRegistryClient


def check_settings(settings: ClientSettings) -> None:
    """Tries Kafka's settings; neither connects nor writes to stderr, as librdkafka does without a logger.

    Raises:
        InvalidParameter: librdkafka does not take them, or the schema registry's cannot be used.
    """
    _schema_registry(settings)
    if not settings.kafka_config:
        return
    try:
        Producer({**_kafka_config(settings), "bootstrap.servers": "", "log_level": 0})
    except (KafkaException, ValueError, TypeError) as error:
        raise InvalidParameter(f"kafka_config: {_without_secrets(str(error), settings)}") from None


def make_emitter(
    settings: ClientSettings, spool: SpoolEmitter, counters: Counters, log: RateLimitedLogger
) -> Emitter:
    """Makes the emitter to Kafka, or returns the spool where librdkafka cannot start.

    Args:
        settings: The client's settings.
        spool: Catches what Kafka does not take.
        counters: Counts events.
        log: Reports losses.
    """
    try:
        return KafkaEmitter(
            _kafka_config(settings),
            topic_prefix=settings.topic_prefix,
            framing=_make_framing(settings, log),
            spool=spool,
            counters=counters,
            log=log,
        )
    except (KafkaException, ValueError, TypeError) as error:
        counters.problem("kafka_config")
        log.report("kafka_config", "no Kafka producer, events go to the spool: %s", type(error).__name__)
        return spool


def _make_framing(settings: ClientSettings, log: RateLimitedLogger) -> KafkaFraming:
    client = _schema_registry(settings)
    if client is None:
        return PlainFraming()
    return RegistryFraming(client, topic_prefix=settings.topic_prefix, log=log)


def _schema_registry(settings: ClientSettings) -> SchemaRegistryClient | None:
    return SchemaRegistryClient.configured(
        settings.schema_registry_url,
        settings.schema_registry_username,
        settings.schema_registry_password,
        settings.schema_registry_ca_location,
    )


def _kafka_config(settings: ClientSettings) -> dict[str, object]:
    return producer_config(
        settings.kafka_bootstrap_servers or "",
        client_id="coalmine",
        delivery_timeout_s=settings.kafka_delivery_timeout_s,
        max_message_bytes=settings.max_message_bytes,
        extra=settings.kafka_config,
    )


def _without_secrets(text: str, settings: ClientSettings) -> str:
    """Librdkafka quotes values it does not like."""
    for value in settings.kafka_config.values():
        if isinstance(value, str) and len(value) > 2:
            text = text.replace(value, "***")
    return text

"""Assembles the parts of a client's background thread."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from confluent_kafka import KafkaException, Producer

from coalmine.emitters import Emitter, KafkaEmitter, SpoolEmitter
from coalmine.framing import PRODUCED, KafkaFraming, PlainFraming, RegistryFraming
from coalmine.pipeline import PipelineParts
from coalmine.preparer import Preparer
from coalmine.record_builder import RecordBuilder
from coalmine.redaction import Redactor
from coalmine.settings import ClientSettings
from coalmine.stats import Counters
from coalmine_schemas.catalogue import latest
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.kafka_config import producer_config
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_schemas.prices import load_prices
from coalmine_schemas.registry_client import SchemaRegistryClient


def prepare_process(settings: ClientSettings) -> None:
    """Does what should be done once, by the thread that makes a client.

    Loads what is loaded at first use, since a fork while a thread imports leaves the child with locked
    modules; and tries Kafka's settings, since a mistake in them should not wait for the first event.

    Raises:
        InvalidParameter: librdkafka does not take the settings, or the schema registry's cannot be used.
    """
    _schema_registry(settings)
    load_prices()
    _client_version()
    for event in PRODUCED:
        latest(event)
    if settings.kafka_bootstrap_servers and settings.kafka_config:
        # Neither connects nor writes to stderr, as librdkafka does before it has a logger.
        config = {**_kafka_config(settings), "bootstrap.servers": "", "log_level": 0}
        try:
            Producer(config)
        except (KafkaException, ValueError, TypeError) as error:
            raise InvalidParameter(f"kafka_config: {_without_secrets(str(error), settings)}") from None


def make_parts(settings: ClientSettings, counters: Counters, log: RateLimitedLogger) -> PipelineParts:
    """Makes the parts; called on the background thread, and again in each forked child that sends events.

    Args:
        settings: The client's settings.
        counters: Counts events.
        log: Reports losses.
    """
    builder = RecordBuilder(
        app=settings.app,
        environment=settings.environment,
        client_version=_client_version(),
        capture_text=settings.capture_text,
        redactor=Redactor(settings.redact, counters, log),
        counters=counters,
        log=log,
    )
    preparer = Preparer(builder, max_message_bytes=settings.max_message_bytes, counters=counters, log=log)
    return PipelineParts(preparer, _make_emitter(settings, counters, log))


def _make_emitter(settings: ClientSettings, counters: Counters, log: RateLimitedLogger) -> Emitter:
    spool = SpoolEmitter(
        settings.spool_dir,
        max_bytes=settings.spool_max_bytes,
        max_pending=settings.max_queued_events,
        counters=counters,
        log=log,
    )
    if not settings.kafka_bootstrap_servers:
        return spool
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
    if settings.schema_registry_url is None:
        return None
    auth = None
    if settings.schema_registry_username is not None:
        auth = settings.schema_registry_username, settings.schema_registry_password or ""
    return SchemaRegistryClient(
        settings.schema_registry_url, auth, ca_location=settings.schema_registry_ca_location
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


@cache
def _client_version() -> str | None:
    try:
        return version("coalmine")
    except PackageNotFoundError:
        return None

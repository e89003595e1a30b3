"""Assembles the parts of a client's background thread."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from coalmine.emitters import Emitter, SpoolEmitter
from coalmine.framing import PRODUCED
from coalmine.pipeline import PipelineParts
from coalmine.preparer import Preparer
from coalmine.record_builder import RecordBuilder
from coalmine.redaction import Redactor
from coalmine.settings import ClientSettings
from coalmine.stats import Counters
from coalmine_schemas.catalogue import latest
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_schemas.prices import load_prices


def prepare_process(settings: ClientSettings) -> None:
    """Does what should be done once, by the thread that makes a client.

    Loads what is loaded at first use, since a fork while a thread imports leaves the child with locked
    modules; and tries Kafka's settings, since a mistake in them should not wait for the first event.

    Raises:
        InvalidParameter: librdkafka is not there, or does not take the settings.
    """
    load_prices()
    _client_version()
    for event in PRODUCED:
        latest(event)
    if settings.kafka_bootstrap_servers:
        _kafka().check_settings(settings)


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
    emitter: Emitter = _kafka().make_emitter(settings, spool, counters, log)
    return emitter


def _kafka() -> ModuleType:
    """What is needed with Kafka only, and installed by an extra."""
    try:
        from coalmine import kafka_assembly  # noqa: PLC0415
    except ImportError as error:
        raise InvalidParameter(
            f"kafka_bootstrap_servers is given, but confluent-kafka cannot be imported ({error}); "
            "remedy: pip install 'coalmine[kafka]', or do without Kafka: events then go to the spool"
        ) from None
    return kafka_assembly


@cache
def _client_version() -> str | None:
    try:
        return version("coalmine")
    except PackageNotFoundError:
        return None

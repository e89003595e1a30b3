"""Assembles the parts of a client's background thread."""

from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

from coalmine.emitters import Emitter, SpoolEmitter
from coalmine.framing import PRODUCED
from coalmine.mistakes import Mistakes
from coalmine.pipeline import PipelineParts
from coalmine.preparer import Preparer
from coalmine.record_builder import RecordBuilder
from coalmine.redaction import Redactor
from coalmine.settings import ClientSettings
from coalmine.stats import Counters
from coalmine.texts import Draft
from coalmine_schemas.catalogue import latest
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_schemas.prices import load_prices
from coalmine_schemas.prompts import Snapshot


def prepare_process(settings: ClientSettings) -> Snapshot | None:
    """Does what should be done once, by the thread that makes a client.

    Loads what is loaded at first use, since a fork while a thread imports leaves the child with locked
    modules; and tries Kafka's settings and reads the folder of prompts, since a mistake in them should not
    wait for the first event or request.

    Returns:
        What the folder of prompts holds, where one is given.

    Raises:
        InvalidParameter: librdkafka is not there, or the settings of Kafka or its schema registry are wrong;
            or the folder of prompts cannot be used.
    """
    load_prices()
    _client_version()
    for event in PRODUCED:
        latest(event)
    if settings.kafka_bootstrap_servers:
        _kafka().check_settings(settings)
    return None if settings.prompts is None else _prompts_of(settings.prompts)


def make_parts(settings: ClientSettings, mistakes: Mistakes) -> PipelineParts:
    """Makes the parts; called on the background thread, and again in each forked child that sends events.

    Args:
        settings: The client's settings.
        mistakes: Counts events and problems.
    """
    key = settings.unit_id_key if settings.unit_ids == "hashed" else None
    hook, longest = settings.redact, None
    if isinstance(hook, str):
        # Only a client that asks for it compiles its patterns.
        from coalmine.redaction_presets import StandardRedaction  # noqa: PLC0415

        hook = StandardRedaction(hashed=key is not None)
        longest = settings.max_message_bytes  # ten million characters would take half a minute
    redactor = Redactor(hook, mistakes, unit_id_key=key, longest=longest)
    emitter = make_emitter(settings, mistakes.counters, mistakes.log)
    return PipelineParts(_make_preparer(settings, redactor, mistakes), emitter)


def make_check(settings: ClientSettings, log: RateLimitedLogger) -> Callable[[Draft], object]:
    """Makes what a strict client checks each event with before it queues it: it raises."""
    mistakes = Mistakes(Counters(), log, strict=True)
    return _make_preparer(settings, Redactor(None, mistakes), mistakes, tells=False).prepare


def _make_preparer(
    settings: ClientSettings, redactor: Redactor, mistakes: Mistakes, *, tells: bool = True
) -> Preparer:
    builder = RecordBuilder(
        app=settings.app,
        environment=settings.environment,
        client_version=_client_version(),
        capture_text=settings.capture_text,
        signals=settings.signals,
        redactor=redactor,
        mistakes=mistakes,
    )
    return Preparer(builder, max_message_bytes=settings.max_message_bytes, mistakes=mistakes, tells=tells)


def make_emitter(settings: ClientSettings, counters: Counters, log: RateLimitedLogger) -> Emitter:
    """Makes the way out of the process: Kafka, or the spool.

    Args:
        settings: The client's settings.
        counters: Counts events.
        log: Reports losses.
    """
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


def _prompts_of(directory: Path) -> Snapshot:
    """What a folder of prompts holds; what reads it is installed by an extra."""
    try:
        from coalmine.prompts.folder import read_prompts  # noqa: PLC0415
    except ImportError as error:
        raise InvalidParameter(
            f"prompts is given, but {error.name} cannot be imported; remedy: pip install 'coalmine[prompts]'"
        ) from None
    return read_prompts(directory)


@cache
def _client_version() -> str | None:
    try:
        return version("coalmine")
    except PackageNotFoundError:
        return None

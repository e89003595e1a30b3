"""Ingests what the spool holds, to its end, without a server."""

from collections.abc import Callable
from dataclasses import dataclass

from coalmine_consumers.collector.collector import Collector
from coalmine_consumers.sources.spool import SpoolSource
from coalmine_consumers.store import Store
from coalmine_schemas.spool_format import list_open, list_sealed
from coalmine_server.services.wiring import collector_settings, decoding, pricer
from coalmine_server.settings import Settings

LOOK_EVERY_S = 0.2
STOP_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """How far it has come."""

    consumed: int
    waiting: int
    """Messages that wait; a lower bound."""


CatchUpProgress = Callable[[CaughtUp], None]


def catch_up(store: Store, settings: Settings, progress: CatchUpProgress | None = None) -> None:
    """Reads the spool until nothing more comes. Events of other processes may come in meanwhile.

    Where Kafka is the source, the spool is only on its way there, and nothing is done.
    """
    if settings.kafka.bootstrap_servers is not None or not _anything_spooled(settings):
        return
    with decoding(settings) as decoder:
        source = SpoolSource(settings.spool_dir)
        collector = Collector(
            source,
            store,
            decoder,
            pricer=pricer(settings),
            settings=collector_settings(settings.ingest),
        )
        _run_dry(collector, progress)


def _run_dry(collector: Collector, progress: CatchUpProgress | None) -> None:
    collector.start()
    try:
        while not collector.wait_until_dry(LOOK_EVERY_S):
            if progress is not None:
                health = collector.health()
                progress(CaughtUp(health.consumed, health.lag.messages))
    finally:
        collector.stop(STOP_TIMEOUT_S)
    if progress is not None:
        progress(CaughtUp(collector.health().consumed, 0))


def _anything_spooled(settings: Settings) -> bool:
    """Returns True if there is a sealed file, or an open one that may belong to a dead writer."""
    directory = settings.spool_dir
    return bool(list_sealed(directory) or list_open(directory))

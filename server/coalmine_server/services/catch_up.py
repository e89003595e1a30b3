"""Ingests what the spool holds when a command begins, without a server."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coalmine_consumers.store import Store
from coalmine_schemas.spool_format import list_sealed, recover
from coalmine_server.settings import Settings

if TYPE_CHECKING:
    from coalmine_consumers.collector.collector import Collector

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
    """Reads the files that are sealed now, those of dead writers included.

    What services seal in the meantime is for the next command: while they produce, there is always more.
    Where Kafka is the source, the spool is only on its way there, and nothing is done.
    """
    if settings.kafka.bootstrap_servers is not None:
        return
    recover(settings.spool_dir)
    sealed = frozenset(list_sealed(settings.spool_dir))
    if not sealed:
        return
    # Most commands find nothing new, and do without all this.
    from coalmine_consumers.collector.collector import Collector  # noqa: PLC0415
    from coalmine_consumers.sources.spool import SpoolSource  # noqa: PLC0415
    from coalmine_server.services.wiring import collector_settings, decoding, pricer  # noqa: PLC0415

    with decoding(settings) as decoder:
        source = SpoolSource(settings.spool_dir, sealed)
        collector = Collector(
            source,
            store,
            decoder,
            pricer=pricer(settings),
            settings=collector_settings(settings.ingest),
        )
        _run_dry(collector, progress)


def _run_dry(collector: "Collector", progress: CatchUpProgress | None) -> None:
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

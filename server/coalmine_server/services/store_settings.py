"""From settings to those of the store; apart from `wiring`, which imports all that ingests."""

from coalmine_consumers.store import StoreSettings
from coalmine_server.settings import StoreSection
from coalmine_server.settings.readout import ReadoutSettings


def store_settings(settings: StoreSection, readout: ReadoutSettings) -> StoreSettings:
    """What the store may take, and what experiments are counted by."""
    return StoreSettings(
        memory_limit_mb=settings.memory_limit_mb,
        threads=settings.threads,
        clock_tolerance_s=settings.clock_tolerance_s,
        names_per_day=settings.names_per_day,
        names_per_app=settings.names_per_app,
        ranges=readout.ranges,
        segments=readout.segments,
    )

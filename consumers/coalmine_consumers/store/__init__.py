"""The store of events, rollups and experiment cells."""

from coalmine_consumers.store.manifest import (
    live_segments,
    missing_files,
    record_segment,
    remove_strays,
    retire_segments,
)
from coalmine_consumers.store.segments import ID_COLUMN, Segment, write_segment
from coalmine_consumers.store.settings import StoreSettings
from coalmine_consumers.store.store import Store
from coalmine_consumers.store.views import refresh_view, refresh_views, segment_scan

__all__ = [
    "ID_COLUMN",
    "Segment",
    "Store",
    "StoreSettings",
    "live_segments",
    "missing_files",
    "record_segment",
    "refresh_view",
    "refresh_views",
    "remove_strays",
    "retire_segments",
    "segment_scan",
    "write_segment",
]

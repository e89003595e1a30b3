"""The store of events, rollups and experiment cells."""

from coalmine_consumers.store.ledger import CommitResult, EventCounts
from coalmine_consumers.store.manifest import (
    live_segments,
    missing_files,
    record_segment,
    remove_strays,
    retire_segments,
)
from coalmine_consumers.store.narrowed import Stretch, narrow, widen
from coalmine_consumers.store.reader import Reader, Snapshot
from coalmine_consumers.store.segments import ID_COLUMN, Segment, write_segment
from coalmine_consumers.store.settings import StoreSettings
from coalmine_consumers.store.store import Settled, Store
from coalmine_consumers.store.views import (
    raw_relation,
    refresh_view,
    refresh_views,
    segment_scan,
    with_outcomes,
)

__all__ = [
    "ID_COLUMN",
    "CommitResult",
    "EventCounts",
    "Reader",
    "Segment",
    "Settled",
    "Snapshot",
    "Store",
    "StoreSettings",
    "Stretch",
    "live_segments",
    "missing_files",
    "narrow",
    "raw_relation",
    "record_segment",
    "refresh_view",
    "refresh_views",
    "remove_strays",
    "retire_segments",
    "segment_scan",
    "widen",
    "with_outcomes",
    "write_segment",
]

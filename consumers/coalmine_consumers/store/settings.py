"""How a store uses memory, cores and disk."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from coalmine_schemas.ranges import DEFAULT_RANGES, Range


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Limits of one store; the defaults suit two cores and a process of at most 1 GiB."""

    memory_limit_mb: int = 384
    """What DuckDB may hold in memory; Arrow batches and Parquet writing come on top."""
    threads: int = 2
    checkpoint_threshold_mb: int = 128
    """WAL size at which DuckDB rewrites its file, for half a second: 64 took a sixth of all ingest."""
    segment_min_rows: int = 25_000
    """A batch with at least this many rows of an event goes to Parquet at once, a smaller one to hot rows."""
    segment_min_day_rows: int = 5_000
    """Of such a batch, days with fewer rows than this go to the hot table all the same."""
    names_per_day: int = 5_000
    """New names of a kind (prompts, versions, models, metrics ...) in a day; more are stored as one."""
    names_per_app: int = 1_000
    """Of these, those that events of one app bring."""
    clock_tolerance_s: float = 300.0
    """An event further in the future than this counts as ahead of the clock; it is stored unchanged."""
    ranges: Mapping[str, Range] = field(default_factory=lambda: DEFAULT_RANGES)
    """Declared ranges of named values; experiments find bounds of their own for the others."""
    segments: tuple[str, ...] = ()
    """Keys of requests' segments that experiments are counted by, at most 4."""

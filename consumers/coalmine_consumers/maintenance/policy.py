"""Policies of housekeeping: sizes, ages and retention."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SealPolicy:
    """When hot rows become a Parquet segment.

    A segment holds one day of events, so late events of many days would become many tiny files: a day with
    few hot rows waits longer.
    """

    max_rows: int = 200_000
    """Seal once an event's hot table holds this many rows."""
    max_age_s: float = 300.0
    """Seal once the oldest row was ingested this long ago."""
    min_day_rows: int = 1_000
    """A day with fewer hot rows than this waits until `small_day_max_age_s`."""
    small_day_max_age_s: float = 21_600.0
    """Seal a day once its oldest row was ingested this long ago, however few rows it has."""


@dataclass(frozen=True, slots=True)
class MergePolicy:
    """Which segments of a day become one."""

    target_rows: int = 4_000_000
    """A merged segment holds at most this many rows."""
    target_bytes: int = 256 * 1024 * 1024
    """And takes at most about this much on disk. A segment with half of either limit is left as it is."""
    fan_in: int = 8
    """While a day still receives segments, merge this many of similar size at a time.

    Each row is then rewritten about log_8(rows of the day / rows of a seal) times.
    """
    settle_s: float = 3600.0
    """A day that got no new segment for this long is quiet: all its small segments are merged."""
    memory_limit_mb: int = 192
    """What reading and sorting may take; writing takes about 64 MiB more."""


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long things are kept. None keeps them for good."""

    raw_days: int | None = 30
    """Whole days of raw events, beside today. Rollups and experiment cells outlive them."""
    rollup_days: int | None = None
    """Whole days of rollups, beside today."""
    dead_letter_days: int | None = 90
    """Dead letters that are still open, replayed or discarded, counted from the day they failed."""
    file_grace_s: float = 900.0
    """A retired segment's file stays this long, because a query that began before may still read it."""


@dataclass(frozen=True, slots=True)
class AgeingPolicy:
    """When rollups become coarser. Both limits are whole UTC days, so that no bucket is ever split."""

    minute_days: int = 7
    """Per-minute rows are kept for this many whole days beside today; then they become hours."""
    hour_days: int = 90
    """Hours are kept for this many whole days beside today; then they become days."""


@dataclass(frozen=True, slots=True)
class CompactionPolicy:
    """When appended rollup and cell rows are folded into one row per key."""

    min_rows: int = 20_000
    """Fold a table once this many rows, and half as many as it had, were appended since last time."""
    rows_at_once: int = 10_000
    """About how many rows of a rollup table one transaction folds, which takes about a tenth of a second."""


@dataclass(frozen=True, slots=True)
class LedgerPolicy:
    """When the ledger's rows of single batches are folded into hours."""

    apart_s: float = 86_400.0
    """Batches committed in about this time are told apart, so an audit can name the batch that lost rows."""


@dataclass(frozen=True, slots=True)
class MaintenancePolicy:
    """Everything housekeeping needs to know."""

    seal: SealPolicy = field(default_factory=SealPolicy)
    merge: MergePolicy = field(default_factory=MergePolicy)
    retention: RetentionPolicy = field(default_factory=RetentionPolicy)
    ageing: AgeingPolicy = field(default_factory=AgeingPolicy)
    compaction: CompactionPolicy = field(default_factory=CompactionPolicy)
    ledger: LedgerPolicy = field(default_factory=LedgerPolicy)

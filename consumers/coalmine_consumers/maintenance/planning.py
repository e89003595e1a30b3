"""Which segments to merge and which days to let go: pure decisions over the manifest."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from coalmine_consumers.maintenance.policy import AgeingPolicy, MergePolicy, RetentionPolicy
from coalmine_consumers.raw import IngestedEvent

TIER_BASE_ROWS = 1_000
"""Segments below this many rows count as equally small when similar sizes are merged."""


@dataclass(frozen=True, slots=True)
class LiveSegment:
    """What planning needs to know of one live segment."""

    segment_id: UUID
    event: IngestedEvent
    day: date
    rows: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MergePlan:
    """Segments of one event and one day that become one segment."""

    event: IngestedEvent
    day: date
    segments: tuple[LiveSegment, ...]

    @property
    def rows(self) -> int:
        """Rows of the merged segment."""
        return sum(segment.rows for segment in self.segments)


def plan_merges(segments: Iterable[LiveSegment], policy: MergePolicy, now: datetime) -> list[MergePlan]:
    """Choose what to merge now. Carried out, each plan leaves fewer segments, so planning comes to rest.

    A day that still receives segments is merged by similar size, so that a row is rewritten a
    logarithmic number of times; a quiet day is packed as tightly as `target_rows` allows.
    """
    days: defaultdict[tuple[IngestedEvent, date], list[LiveSegment]] = defaultdict(list)
    for segment in segments:
        if segment.rows <= policy.target_rows // 2:
            days[segment.event, segment.day].append(segment)
    plans: list[MergePlan] = []
    for (event, day), small in sorted(days.items()):
        quiet = now - max(segment.created_at for segment in small) >= timedelta(seconds=policy.settle_s)
        groups = [small] if quiet else _similar_sizes(small, policy.fan_in)
        for group in groups:
            for pack in _pack(group, policy.target_rows, at_least=2 if quiet else policy.fan_in):
                plans.append(MergePlan(event, day, pack))
    return plans


def _similar_sizes(segments: Sequence[LiveSegment], fan_in: int) -> list[list[LiveSegment]]:
    tiers: defaultdict[int, list[LiveSegment]] = defaultdict(list)
    for segment in segments:
        tiers[int(math.log(max(segment.rows, TIER_BASE_ROWS) / TIER_BASE_ROWS, fan_in))].append(segment)
    return [tiers[tier] for tier in sorted(tiers)]


def _pack(
    segments: Sequence[LiveSegment], target_rows: int, *, at_least: int
) -> list[tuple[LiveSegment, ...]]:
    """Cut segments, oldest first, into packs of at most `target_rows`; too short a last pack is dropped."""
    packs: list[list[LiveSegment]] = [[]]
    rows = 0
    for segment in sorted(segments, key=lambda segment: (segment.created_at, segment.segment_id)):
        if packs[-1] and rows + segment.rows > target_rows:
            packs.append([])
            rows = 0
        packs[-1].append(segment)
        rows += segment.rows
    full, last = packs[:-1], packs[-1]
    return [tuple(pack) for pack in full if len(pack) >= 2] + ([tuple(last)] if len(last) >= at_least else [])


def first_kept_day(now: datetime, days: int | None) -> date | None:
    """The first day that is kept when today and `days` whole days before it are; None if all are."""
    return None if days is None else _today(now) - timedelta(days=days)


def expired_segments(
    segments: Iterable[LiveSegment], policy: RetentionPolicy, now: datetime
) -> list[LiveSegment]:
    """Live segments whose day lies before the first day to keep, oldest first."""
    first = first_kept_day(now, policy.raw_days)
    if first is None:
        return []
    return sorted(
        (segment for segment in segments if segment.day < first),
        key=lambda segment: (segment.day, segment.event, segment.segment_id),
    )


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Where rollups change their resolution. All are UTC midnights, `days_before <= hours_before`."""

    hours_before: datetime
    """Rows of minutes that begin before this become rows of hours."""
    days_before: datetime
    """Rows of hours that begin before this become rows of days."""


def ageing_cutoffs(policy: AgeingPolicy, now: datetime) -> Cutoffs:
    """Say which buckets have aged by now. Cut-offs only ever move forward with `now`."""
    hours_before = _midnight(_today(now) - timedelta(days=policy.minute_days))
    days_before = _midnight(_today(now) - timedelta(days=policy.hour_days))
    return Cutoffs(hours_before=hours_before, days_before=min(days_before, hours_before))


def _today(now: datetime) -> date:
    return now.astimezone(UTC).date()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)

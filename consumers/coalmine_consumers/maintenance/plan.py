"""Plans: which segments to merge and which days to drop, decided from the manifest alone."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from coalmine_consumers.maintenance.policy import AgeingPolicy, MergePolicy, SealPolicy
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
    size_bytes: int
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


@dataclass(frozen=True, slots=True)
class HotDay:
    """One UTC day of an event's hot rows."""

    day: date
    rows: int
    oldest_ingested_at: datetime


def days_to_seal(days: Sequence[HotDay], policy: SealPolicy, now: datetime) -> list[date]:
    """Chooses which days of one event's hot rows become segments now."""
    if not days:
        return []
    age_s = (now - min(day.oldest_ingested_at for day in days)).total_seconds()
    due = sum(day.rows for day in days) >= policy.max_rows or age_s >= policy.max_age_s
    return sorted(
        day.day
        for day in days
        if (due and day.rows >= policy.min_day_rows)
        or (now - day.oldest_ingested_at).total_seconds() >= policy.small_day_max_age_s
    )


def plan_merges(segments: Iterable[LiveSegment], policy: MergePolicy, now: datetime) -> list[MergePlan]:
    """Chooses what to merge now. Each plan leaves fewer segments, so planning comes to an end.

    A day that still receives segments is merged by similar size, so that a row is rewritten a
    logarithmic number of times; a quiet day is packed as tightly as the policy allows.
    """
    days: defaultdict[tuple[IngestedEvent, date], list[LiveSegment]] = defaultdict(list)
    for segment in segments:
        if segment.rows <= policy.target_rows // 2 and segment.size_bytes <= policy.target_bytes // 2:
            days[segment.event, segment.day].append(segment)
    plans: list[MergePlan] = []
    for (event, day), small in sorted(days.items()):
        quiet = now - max(segment.created_at for segment in small) >= timedelta(seconds=policy.settle_s)
        groups = [small] if quiet else _similar_sizes(small, policy.fan_in)
        for group in groups:
            packs = _pack(group, policy, at_least=2 if quiet else policy.fan_in)
            plans += [MergePlan(event, day, pack) for pack in packs]
    return plans


def _similar_sizes(segments: Sequence[LiveSegment], fan_in: int) -> list[list[LiveSegment]]:
    tiers: defaultdict[int, list[LiveSegment]] = defaultdict(list)
    for segment in segments:
        tiers[int(math.log(max(segment.rows, TIER_BASE_ROWS) / TIER_BASE_ROWS, fan_in))].append(segment)
    return [tiers[tier] for tier in sorted(tiers)]


def _pack(
    segments: Sequence[LiveSegment], policy: MergePolicy, *, at_least: int
) -> list[tuple[LiveSegment, ...]]:
    """Cuts segments, oldest first, into packs within the policy; too short a last pack is dropped."""
    packs: list[list[LiveSegment]] = [[]]
    rows = size_bytes = 0
    for segment in sorted(segments, key=lambda segment: (segment.created_at, segment.segment_id)):
        rows += segment.rows
        size_bytes += segment.size_bytes
        if packs[-1] and (rows > policy.target_rows or size_bytes > policy.target_bytes):
            packs.append([])
            rows, size_bytes = segment.rows, segment.size_bytes
        packs[-1].append(segment)
    full, last = packs[:-1], packs[-1]
    return [tuple(pack) for pack in full if len(pack) >= 2] + ([tuple(last)] if len(last) >= at_least else [])


def first_kept_day(now: datetime, days: int | None) -> date | None:
    """The first day that is kept when today and `days` whole days before it are; None if all are."""
    return None if days is None else _today(now) - timedelta(days=days)


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Where rollups change their resolution. All are UTC midnights, `days_before <= hours_before`."""

    hours_before: datetime
    """Rows of minutes that begin before this become rows of hours."""
    days_before: datetime
    """Rows of hours that begin before this become rows of days."""


def ageing_cutoffs(policy: AgeingPolicy, now: datetime) -> Cutoffs:
    """Returns which buckets have aged by now. Cut-offs only ever move forward with `now`."""
    hours_before = _midnight(_today(now) - timedelta(days=policy.minute_days))
    days_before = _midnight(_today(now) - timedelta(days=policy.hour_days))
    return Cutoffs(hours_before=hours_before, days_before=min(days_before, hours_before))


def _today(now: datetime) -> date:
    return now.astimezone(UTC).date()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)

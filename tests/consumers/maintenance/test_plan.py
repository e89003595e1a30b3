from collections import Counter
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from coalmine_consumers.maintenance.plan import (
    LiveSegment,
    MergePlan,
    ageing_cutoffs,
    first_kept_day,
    plan_merges,
)
from coalmine_consumers.maintenance.policy import AgeingPolicy, MergePolicy
from coalmine_consumers.raw import INGESTED_EVENTS

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
POLICY = MergePolicy(target_rows=100_000, target_bytes=5_000_000, fan_in=4, settle_s=3600)


def segment(
    number: int, rows: int, *, age_s: float = 0, day: date = date(2026, 11, 21), event: str = "requests"
) -> LiveSegment:
    return LiveSegment(UUID(int=number), event, day, rows, rows * 50, NOW - timedelta(seconds=age_s))  # type: ignore[arg-type]


def carry_out(segments: list[LiveSegment], plan: MergePlan, now: datetime, number: int) -> list[LiveSegment]:
    size_bytes = sum(part.size_bytes for part in plan.segments)
    merged = LiveSegment(UUID(int=number), plan.event, plan.day, plan.rows, size_bytes, now)
    return [left for left in segments if left not in plan.segments] + [merged]


segment_lists = st.lists(
    st.builds(
        LiveSegment,
        segment_id=st.uuids(),
        event=st.sampled_from(INGESTED_EVENTS),
        day=st.dates(date(2026, 11, 18), date(2026, 11, 21)),
        rows=st.integers(1, 150_000),
        size_bytes=st.integers(1, 8_000_000),
        created_at=st.integers(0, 10_000).map(lambda age_s: NOW - timedelta(seconds=age_s)),
    ),
    max_size=40,
    unique_by=lambda made: made.segment_id,
)


@given(segment_lists)
def test_a_plan_merges_at_least_two_segments_of_one_event_and_day_each_once(
    segments: list[LiveSegment],
) -> None:
    plans = plan_merges(segments, POLICY, NOW)
    for plan in plans:
        assert len(plan.segments) >= 2
        assert plan.rows <= POLICY.target_rows
        assert sum(part.size_bytes for part in plan.segments) <= POLICY.target_bytes
        assert {(part.event, part.day) for part in plan.segments} == {(plan.event, plan.day)}
    used = Counter(part.segment_id for plan in plans for part in plan.segments)
    assert not used or max(used.values()) == 1


@given(segment_lists)
def test_planning_comes_to_rest_with_no_two_segments_left_that_fit_together(
    segments: list[LiveSegment],
) -> None:
    now, number = NOW, 0
    while plans := plan_merges(segments, POLICY, now):
        for plan in plans:
            number += 1
            segments = carry_out(segments, plan, now, number)
        now += timedelta(seconds=POLICY.settle_s)
    quiet = now + timedelta(seconds=POLICY.settle_s)
    assert plan_merges(segments, POLICY, quiet) == plan_merges(segments, POLICY, quiet)
    while plans := plan_merges(segments, POLICY, quiet):
        for plan in plans:
            number += 1
            segments = carry_out(segments, plan, quiet - timedelta(seconds=POLICY.settle_s), number)
    small = Counter(
        (left.event, left.day)
        for left in segments
        if left.rows <= POLICY.target_rows // 2 and left.size_bytes <= POLICY.target_bytes // 2
    )
    assert not small or max(small.values()) == 1


def test_a_busy_day_rewrites_each_row_a_logarithmic_number_of_times() -> None:
    segments: list[LiveSegment] = []
    rewritten, sealed = 0, 500
    now = NOW
    for number in range(sealed):
        now += timedelta(seconds=60)
        segments.append(LiveSegment(UUID(int=number), "requests", now.date(), 1_000, 50_000, now))
        for plan in plan_merges(segments, MergePolicy(target_rows=10**9, fan_in=4, settle_s=1e9), now):
            rewritten += plan.rows
            segments = carry_out(segments, plan, now, 10_000 + number)
    assert rewritten <= 5 * sealed * 1_000  # log_4(500) < 4.5
    assert len(segments) <= 3 * 5


def test_a_busy_day_waits_for_enough_segments_and_a_quiet_one_does_not() -> None:
    assert plan_merges([segment(1, 10), segment(2, 10)], POLICY, NOW) == []
    (plan,) = plan_merges([segment(1, 10, age_s=4000), segment(2, 30_000, age_s=3600)], POLICY, NOW)
    assert plan.rows == 30_010


def test_large_segments_are_left_alone() -> None:
    assert plan_merges([segment(n, 50_001, age_s=4000) for n in range(9)], POLICY, NOW) == []


def test_raw_days_are_whole_days_beside_today() -> None:
    assert first_kept_day(NOW, 0) == date(2026, 11, 21)
    assert first_kept_day(NOW, 30) == date(2026, 10, 22)
    assert first_kept_day(NOW, None) is None


def test_a_day_belongs_to_utc_whatever_the_clock_shows() -> None:
    eastern = NOW.astimezone(datetime.strptime("+0900", "%z").tzinfo).replace(hour=3)
    assert first_kept_day(eastern, 0) == date(2026, 11, 20)


@given(
    st.integers(0, 50),
    st.integers(0, 50),
    st.integers(0, 365 * 86_400).map(lambda passed_s: NOW + timedelta(seconds=passed_s)),
    st.integers(0, 10**6),
)
def test_cutoffs_are_midnights_in_order_and_only_move_forward(
    minute_days: int, hour_days: int, at: datetime, later_s: int
) -> None:
    policy = AgeingPolicy(minute_days=minute_days, hour_days=hour_days)
    before = ageing_cutoffs(policy, at)
    after = ageing_cutoffs(policy, at + timedelta(seconds=later_s))
    assert before.days_before <= before.hours_before <= at
    assert before.hours_before <= after.hours_before
    assert before.days_before <= after.days_before
    for cutoff in (before.hours_before, before.days_before):
        assert (cutoff.hour, cutoff.minute, cutoff.second, cutoff.microsecond) == (0, 0, 0, 0)

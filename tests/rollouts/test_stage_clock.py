import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from coalmine_rollouts.stage_clock import StageClock, bucket_s, ticked

START = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


def tick(
    clock: StageClock, at_s: float, *buckets_s: float, stopped: bool = False, observed: bool = True
) -> StageClock:
    return ticked(
        clock,
        now=START + timedelta(seconds=at_s),
        observed=observed,
        buckets=[START + timedelta(seconds=each) for each in buckets_s],
        length_s=300,
        stopped=stopped,
        longest_gap_s=60.0,
    )


NEW = StageClock(began_at=START)
OBSERVED = tick(NEW, 0)


def test_it_begins_when_the_applications_have_followed() -> None:
    assert tick(NEW, 30, 0, observed=False) == NEW
    assert tick(NEW, 30).observed_at == START + timedelta(seconds=30)


def test_it_counts_each_complete_bucket_once_from_then_on() -> None:
    clock = tick(OBSERVED, 30, -300, 0)
    assert clock.seen_s == 300
    assert tick(clock, 60, -300, 0).seen_s == 300
    assert tick(clock, 60, 0, 300).seen_s == 600
    assert clock.watched_s == 30


def test_a_night_without_traffic_does_not_count() -> None:
    clock = OBSERVED
    for second in range(30, 7_230, 30):
        clock = tick(clock, second)
    assert clock.seen_s == 0
    assert clock.watched_s == 7_200
    assert clock.left_s(3_600) == 3_600


def test_a_backfill_does_not_shorten_it() -> None:
    clock = tick(OBSERVED, 30, *range(0, 36_000, 300))
    assert clock.seen_s == 36_000
    assert not clock.is_full(3_600)
    assert clock.left_s(3_600) == 3_570


def test_nothing_counts_of_a_gap_between_ticks() -> None:
    clock = tick(OBSERVED, 3_600, *range(0, 3_600, 300))
    assert (clock.seen_s, clock.watched_s) == (0, 0)
    assert tick(clock, 3_630, *range(0, 3_600, 300)).seen_s == 0


def test_a_clock_that_jumps_back_adds_nothing() -> None:
    clock = tick(tick(OBSERVED, 30), -3_600, 0)
    assert (clock.seen_s, clock.watched_s) == (0, 30)
    assert tick(clock, -3_570).watched_s == 60


def test_a_clock_that_was_ahead_for_a_while_does_not_stand_until_then() -> None:
    clock = tick(tick(OBSERVED, 86_400), 30)
    assert tick(clock, 60, 300).seen_s == 300


def test_it_stands_while_it_is_stopped_and_what_came_meanwhile_is_lost() -> None:
    clock = tick(OBSERVED, 30, 0, 300, stopped=True)
    assert (clock.seen_s, clock.watched_s) == (0, 0)
    assert tick(clock, 60, 0, 300, 600).seen_s == 300


def test_every_hour_of_the_day_can_be_asked_for() -> None:
    clock = replace(OBSERVED, seen_s=90_000, watched_s=90_000, hours=(1 << 24) - 2)
    assert clock.is_full(86_400)
    assert not clock.is_full(86_400, every_hour_of_day=True)
    midnight = (START.replace(hour=0) + timedelta(days=1) - START).total_seconds()
    assert tick(clock, 30, midnight).is_full(86_400, every_hour_of_day=True)


def test_short_stages_count_minutes() -> None:
    assert (bucket_s(600), bucket_s(1_800)) == (60, 300)


@given(st.lists(st.tuples(st.floats(-5_000, 5_000), st.booleans(), st.integers(-5, 40)), max_size=40))
def test_it_never_counts_more_than_was_watched_and_reads_back(ticks: list[tuple[float, bool, int]]) -> None:
    clock, watched_s, at_s, before = OBSERVED, 0.0, 0.0, 0.0
    for jump_s, stopped, buckets in ticks:
        at_s += jump_s
        clock = tick(clock, at_s, *range(0, 300 * max(buckets, 0), 300), stopped=stopped)
        watched_s += jump_s if 0 <= jump_s <= 60 and not stopped else 0.0
        assert clock.watched_s <= watched_s + 1e-6
        assert clock.seen_s >= before
        before = clock.seen_s
    assert StageClock.from_json(json.loads(json.dumps(clock.to_json()))) == clock

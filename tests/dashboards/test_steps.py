from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_consumers.results import Step
from coalmine_dashboards.ranges import DEFAULT_RANGE, RANGES, TimeRange, range_named, range_since
from coalmine_dashboards.steps import STEPS, length_of, whole_steps

TIMES = st.integers(0, 4 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds + 0.25, UTC))


@given(TIMES, TIMES, st.sampled_from(STEPS))
def test_whole_steps_contain_the_span_and_waste_less_than_one_at_either_end(
    one: datetime, other: datetime, step: Step
) -> None:
    since, until = sorted((one, other))
    start, end = whole_steps(since, until, step)
    length = length_of(step)
    assert start <= since < start + length
    assert end - length < until <= end
    assert (end - start) % length == timedelta(0)


@pytest.mark.parametrize("step", STEPS)
def test_steps_begin_at_midnight(step: Step) -> None:
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    assert whole_steps(midnight, midnight, step) == (midnight, midnight)


def test_ranges_go_from_short_to_long_and_have_names_of_their_own() -> None:
    lengths = [choice.length for choice in RANGES]
    assert lengths[-1] is None
    limited = [length for length in lengths if length is not None]
    assert limited == sorted(limited)
    assert len({choice.key for choice in RANGES}) == len(RANGES)


def test_a_range_begins_its_length_ago() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert range_named("24h").since(now) == now - timedelta(days=1)
    assert range_named("all").since(now) is None


@pytest.mark.parametrize("chosen", [each for each in RANGES if each.length], ids=lambda each: each.key)
def test_who_looks_moments_later_asks_for_the_same_and_a_hundredth_more_at_most(chosen: TimeRange) -> None:
    assert chosen.length is not None
    now = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    begins = []
    for _ in range(200):
        now += timedelta(seconds=2)
        since = chosen.since(now)
        assert since is not None
        assert chosen.length <= now - since < chosen.length * 1.01
        begins.append(since)
    assert begins == sorted(begins)
    assert len(set(begins)) <= len(begins) / 2 + 1


@pytest.mark.parametrize("key", [None, "", "fortnight"])
def test_an_unknown_range_is_the_default(key: str | None) -> None:
    assert range_named(key).key == DEFAULT_RANGE


@pytest.mark.parametrize(
    ("age", "key"),
    [
        (timedelta(minutes=5), "15m"),
        (timedelta(minutes=14), "1h"),
        (timedelta(hours=7), "24h"),
        (timedelta(days=8), "30d"),
        (timedelta(days=400), "all"),
    ],
)
def test_a_link_to_a_moment_has_the_shortest_range_with_time_around_it(age: timedelta, key: str) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert range_since(now - age, now).key == key

"""A clock is steady while it goes on as time passes."""

from datetime import UTC, datetime, timedelta

from coalmine_consumers.maintenance.steady_clock import SteadyClock


def test_a_leap_in_either_direction_begins_anew_and_small_steps_do_not() -> None:
    at, passed = datetime(2026, 3, 10, tzinfo=UTC), 1_000.0
    clock = SteadyClock(lambda: at, lambda: passed)

    def after(passed_s: float, *, leaps_s: float = 0.0) -> float:
        nonlocal at, passed
        at += timedelta(seconds=passed_s + leaps_s)
        passed += passed_s
        now, steady_s = clock.look()
        assert now == at
        return steady_s

    assert after(5) == 0  # nothing is known of the time before
    assert after(100) == 100
    assert after(10, leaps_s=59) == 110
    assert after(10, leaps_s=-59) == 120
    assert after(10, leaps_s=86_400) == 0
    assert after(30) == 30
    assert after(10, leaps_s=-3_600) == 0
    assert after(1) == 1

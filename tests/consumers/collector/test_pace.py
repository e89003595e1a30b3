"""How much to read at once."""

from coalmine_consumers.collector.pace import Pace, PacePolicy, Request

POLICY = PacePolicy(
    live_messages=100, live_min_wait_s=0.1, live_max_wait_s=0.5, catch_up_messages=1000, catch_up_wait_s=1.0
)


def test_it_starts_live_and_grows_once_a_live_batch_is_full() -> None:
    pace = Pace(POLICY)
    assert pace.request(0.0) == Request(100, 0.1)
    pace.polled(99)
    assert pace.request(0.0) == Request(100, 0.1)
    pace.polled(100)
    assert pace.request(0.0) == Request(1000, 1.0)


def test_it_shrinks_when_less_than_a_live_batch_was_there() -> None:
    pace = Pace(POLICY)
    pace.polled(100)
    pace.polled(500)
    assert pace.catching_up
    pace.polled(3)
    assert not pace.catching_up


def test_live_polls_gather_four_times_as_long_as_commits_take_within_bounds() -> None:
    pace = Pace(POLICY)
    assert pace.request(0.1).timeout_s == 0.4
    assert pace.request(5.0).timeout_s == 0.5
    assert pace.request(0.01).timeout_s == 0.1

"""Apps may send so many events a minute, each for itself."""

import pytest

from coalmine_server.services.intake import EventLimits, TooManyEvents
from coalmine_server.services.intake.limits import MOST_NAMES


def test_an_app_gets_room_again_as_time_passes_and_others_keep_theirs() -> None:
    now = [0.0]
    limits = EventLimits(60, clock=lambda: now[0])
    limits.spend({"a": 60})
    with pytest.raises(TooManyEvents) as caught:
        limits.spend({"a": 10, "b": 10})
    assert (caught.value.name, caught.value.retry_after_s) == ("a", 10)
    limits.spend({"b": 60})  # the refused batch took nothing of it
    now[0] = 10.0
    limits.spend({"a": 10})
    with pytest.raises(TooManyEvents):
        limits.spend({"a": 1})


def test_a_batch_larger_than_a_minute_fits_into_an_empty_bucket() -> None:
    now = [0.0]
    limits = EventLimits(10, clock=lambda: now[0])
    limits.spend({"a": 500})
    with pytest.raises(TooManyEvents) as caught:
        limits.spend({"a": 500})
    now[0] += caught.value.retry_after_s
    limits.spend({"a": 10})


def test_names_that_are_made_up_take_bounded_memory() -> None:
    limits = EventLimits(10)
    for number in range(MOST_NAMES + 50):
        limits.spend({str(number): 1})
    assert len(limits) == MOST_NAMES

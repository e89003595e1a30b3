from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from coalmine_consumers.aggregation.resolutions import LENGTH_S
from coalmine_consumers.queries.steps import RESOLUTION_OF, STEP_S, ceiling_to_step, floor_to_step
from coalmine_consumers.results import Step

STEPS = st.sampled_from(list(STEP_S))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(-(10**9), 4 * 10**9).map(lambda seconds: EPOCH + timedelta(seconds=seconds))


def test_steps_grow_and_divide_a_day() -> None:
    lengths = list(STEP_S.values())
    assert lengths == sorted(lengths)
    assert all(86_400 % length_s == 0 for length_s in lengths)


def test_every_resolution_is_a_step_of_its_own() -> None:
    assert {name: STEP_S[name] for name in LENGTH_S} == dict(LENGTH_S)
    assert all(RESOLUTION_OF[name] == name for name in LENGTH_S)


def test_steps_between_are_made_of_the_next_finer_resolution() -> None:
    assert (RESOLUTION_OF["5m"], RESOLUTION_OF["15m"], RESOLUTION_OF["6h"]) == ("minute", "minute", "hour")


@given(MOMENTS, STEPS)
def test_a_moment_lies_in_the_stretch_around_it(moment: datetime, step: Step) -> None:
    length = timedelta(seconds=STEP_S[step])
    start, end = floor_to_step(moment, step), ceiling_to_step(moment, step)
    assert start <= moment < start + length
    assert end - length < moment <= end
    assert (start - start.replace(hour=0, minute=0)) % length == timedelta(0)

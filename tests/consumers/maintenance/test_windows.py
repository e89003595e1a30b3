from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from coalmine_consumers.maintenance.windows import Window, cut


@given(st.lists(st.integers(-(10**15), 10**15) | st.integers(0, 5), max_size=60), st.integers(1, 10))
def test_windows_cover_every_time_once_and_hold_few_rows(values: list[int], rows_at_once: int) -> None:
    times = np.sort(np.array(values, np.int64))
    windows = cut(times, rows_at_once)
    for before, after in pairwise(windows):
        assert before.next_us == after.first_us
    inside = [[time for time in values if each.first_us <= time < each.next_us] for each in windows]
    assert sorted(time for part in inside for time in part) == sorted(values)
    for part in inside:
        assert len(part) < 2 * rows_at_once or max(part.count(time) for time in part) > rows_at_once // 2


def test_no_time_needs_no_window_and_equal_times_stay_together() -> None:
    assert cut(np.array([], np.int64), 5) == []
    assert cut(np.array([7] * 100, np.int64), 5) == [Window(7, 8)]

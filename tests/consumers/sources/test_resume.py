"""Where reading goes on, for every way in which broker and store may disagree."""

import pytest

from coalmine_consumers.raw import TopicPartition
from coalmine_consumers.sources.resume import PartitionLog, resume

OLD, NOW, UNNAMED = (TopicPartition("t", "0", topic_id) for topic_id in ("old", "now", ""))


@pytest.mark.parametrize(
    ("stored", "first", "end", "goes_on_at", "said"),
    [
        ({NOW: 5}, 0, 9, 5, None),
        ({NOW: 5}, 5, 5, 5, None),
        ({NOW: 5}, 6, 9, 6, ("expired", 5, 6)),
        ({NOW: 5}, 9, 9, 9, ("expired", 5, 9)),
        ({NOW: 5}, 2, 4, 2, ("truncated", 5, 2)),
        ({}, 3, 9, 3, None),
        ({UNNAMED: 5}, 0, 9, 5, None),
        ({UNNAMED: 5}, 7, 9, 7, ("expired", 5, 7)),
        ({UNNAMED: 5}, 0, 2, 0, ("truncated", 5, 0)),
        ({OLD: 5}, 0, 3, 0, ("recreated", 5, 0)),
        ({OLD: 5}, 0, 9, 0, ("recreated", 5, 0)),
        ({OLD: 5}, 7, 9, 7, ("recreated", 5, 7)),
        ({OLD: 5, NOW: 2}, 0, 9, 2, None),
        ({TopicPartition("t", "1", "old"): 5, TopicPartition("u", "0", "old"): 5}, 0, 9, 0, None),
    ],
)
def test_where_reading_goes_on(
    stored: dict[TopicPartition, int],
    first: int,
    end: int,
    goes_on_at: int,
    said: tuple[str, int, int] | None,
) -> None:
    found = resume(PartitionLog(NOW, first, end), stored)
    assert found.position == goes_on_at
    gap = found.gap and (found.gap.reason, found.gap.expected_offset, found.gap.available_offset)
    assert gap == said
    assert set(found.retired) == {each for each in stored if each in (OLD, UNNAMED)}
    assert found.new == (NOW not in stored)

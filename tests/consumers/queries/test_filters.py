from datetime import UTC, datetime, timedelta, timezone

import pytest

from coalmine_consumers.queries import Filters, timeseries, versions
from coalmine_consumers.store import Store
from coalmine_schemas.errors import InvalidParameter
from tests.support.data.store_feed import START, Feed, request

FIRST = datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))
LAST = datetime.max.replace(tzinfo=timezone(-timedelta(hours=12)))


@pytest.mark.parametrize(
    "edge", [datetime.min.replace(tzinfo=UTC), FIRST, datetime.max.replace(tzinfo=UTC), LAST]
)
def test_ends_at_the_edges_of_time_are_open(store: Store, edge: datetime) -> None:
    late = datetime(9999, 12, 31, 12, tzinfo=UTC)
    store.commit(Feed().batch([request(1), request(2, event_time=late)]))
    inside = Filters(since=edge) if edge < START else Filters(until=edge)
    assert versions(store.reader(), inside).items[0].requests == 2
    assert sum(row.requests for row in timeseries(store.reader(), inside).items) == 2
    outside = Filters(until=edge) if edge < START else Filters(since=edge)
    assert sum(row.requests for row in versions(store.reader(), outside).items) == (0 if edge < START else 1)
    assert sum(row.requests for row in timeseries(store.reader(), outside).items) == (
        0 if edge < START else 1
    )


def test_a_time_without_an_offset_is_refused() -> None:
    with pytest.raises(InvalidParameter):
        Filters(since=datetime(2026, 3, 10))  # noqa: DTZ001 - that is the point

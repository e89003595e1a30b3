from datetime import timedelta
from typing import Any

import pytest

from coalmine_consumers.store import Store
from tests.support.data.store_feed import START, Feed, Row, feedback, request, score

REQUEST = request(1, experiment="exp", allocation_epoch=3, variant="treatment", unit_id="user-1")
OTHERS = [request(100 + number, START + timedelta(hours=number)) for number in range(12)]
UP = feedback(2, REQUEST, START + timedelta(days=3), thumbs="up", rating=4.0, correction="no")
QUALITY = score(3, REQUEST, 0.75, at=START + timedelta(days=4))


def rows_of(store: Store, sql: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = store.reader().table(sql).to_pylist()
    return found


def attributed(store: Store) -> dict[str, Any]:
    """What feedback and score added, wherever they added it."""
    (minute,) = rows_of(
        store,
        "SELECT bucket_start, version, sum(requests) AS requests, sum(feedback) AS feedback, "
        "sum(thumbs_up) AS up, sum(rating_n) AS rated, sum(corrections) AS corrections "
        "FROM rollups WHERE resolution = 'minute' AND feedback > 0 GROUP BY ALL",
    )
    (quality,) = rows_of(
        store,
        "SELECT bucket_start, n, mean FROM rollup_metrics WHERE name = 'quality' AND resolution = 'minute'",
    )
    cells = rows_of(
        store,
        "SELECT metric, unit_group, allocation_epoch, variant, sum(n) AS n, sum(sum_x) AS x, sum(sum_y) AS y "
        "FROM experiment_cells WHERE metric IN ('feedback', 'corrections', 'thumbs_up', 'rating', 'quality') "
        "GROUP BY ALL ORDER BY metric",
    )
    return {"minute": minute, "quality": quality, "cells": cells}


def expected() -> dict[str, Any]:
    arm = {"unit_group": REQUEST["unit_group"], "allocation_epoch": 3, "variant": "treatment"}
    sums = {"corrections": 1.0, "feedback": 1.0, "quality": 0.75, "rating": 4.0, "thumbs_up": 1.0}
    return {
        "minute": {
            "bucket_start": START,
            "version": "1.0.0",
            "requests": 0,
            "feedback": 1,
            "up": 1,
            "rated": 1,
            "corrections": 1,
        },
        "quality": {"bucket_start": START, "n": 1, "mean": 0.75},
        "cells": [{"metric": metric, **arm, "n": 1, "x": 1.0, "y": y} for metric, y in sums.items()],
    }


Batch = tuple[list[Row], list[Row], list[Row]]
REACTIONS: Batch = ([], [UP], [QUALITY])
FILLED: list[Row] = [REQUEST, *OTHERS]

ARRIVALS: dict[str, list[Batch]] = {
    "together": [([REQUEST], [UP], [QUALITY])],
    "together, large": [(FILLED, [UP], [QUALITY])],
    "request first, hot": [([REQUEST], [], []), REACTIONS],
    "request first, in a segment": [(FILLED, [], []), REACTIONS],
    "request first, then much else": [(FILLED, [], []), ([request(900)], [], []), REACTIONS],
    "reactions first": [REACTIONS, ([REQUEST], [], [])],
    "reactions first, request in a large batch": [REACTIONS, (FILLED, [], [])],
    "reactions first, repeated": [REACTIONS, REACTIONS, ([REQUEST], [], []), REACTIONS],
    "request between them": [([], [UP], []), ([REQUEST], [], []), ([], [], [QUALITY])],
    "everything twice": [([REQUEST] * 2, [UP] * 2, [QUALITY] * 2), ([REQUEST], [UP], [QUALITY])],
}


@pytest.mark.parametrize("arrival", ARRIVALS)
def test_reactions_count_for_their_request_in_whatever_order_they_come(store: Store, arrival: str) -> None:
    feed = Feed()
    for requests, given_feedback, scores in ARRIVALS[arrival]:
        store.commit(feed.batch(requests, given_feedback, scores))
    assert attributed(store) == expected()
    assert (
        rows_of(store, "SELECT * FROM pending_feedback UNION ALL BY NAME SELECT * FROM pending_scores") == []
    )
    assert len(rows_of(store, "SELECT * FROM feedback")) == len(rows_of(store, "SELECT * FROM scores")) == 1


def test_reactions_wait_across_a_restart(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch(*REACTIONS))
    store.close()
    again = Store.open(store.directory, store.settings)
    again.commit(feed.batch([REQUEST]))
    assert attributed(again) == expected()
    again.close()


def test_reactions_whose_request_never_comes_are_stored_and_stay_pending(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch(*REACTIONS))
    for row in OTHERS:
        store.commit(feed.batch([row]))
    assert len(rows_of(store, "SELECT * FROM feedback")) == 1
    (waiting,) = rows_of(store, "SELECT * EXCLUDE (ingest_id) FROM pending_feedback")
    assert waiting == {
        "feedback_id": UP["feedback_id"],
        "request_id": REQUEST["request_id"],
        "event_time": UP["event_time"],
        "thumbs": "up",
        "rating": 4.0,
        "has_correction": True,
    }
    assert rows_of(store, "SELECT name, value FROM pending_scores") == [{"name": "quality", "value": 0.75}]
    assert rows_of(store, "SELECT sum(feedback) AS n FROM rollups") == [{"n": 0}]


def test_feedback_on_a_request_in_a_retired_segment_is_unattributed(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch(FILLED))
    with store.transaction() as connection:
        connection.execute("UPDATE segments SET retired_at = now(), retired_reason = 'retention'").fetchall()
    store.commit(feed.batch(*REACTIONS))
    assert len(rows_of(store, "SELECT * FROM pending_feedback")) == 1

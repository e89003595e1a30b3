from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coalmine_consumers.maintenance import rebuild
from coalmine_consumers.store import Store
from tests.support.campaign import size
from tests.support.data.store_feed import START, Feed, Row, feedback, request, score
from tests.support.oracles.rollup_oracle import Events, Frozen, expected_of
from tests.support.oracles.store_state import freeze_windows

REQUEST = request(1, experiment="exp", allocation_epoch=3, variant="treatment", unit_id="user-1")
OTHERS = [request(100 + number, START + timedelta(hours=number)) for number in range(12)]
UP = feedback(2, REQUEST, START + timedelta(days=3), thumbs="up", rating=4.0, correction="no")
WINDOW_H = 24.0 * 4
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
    freeze_windows(store, "exp", WINDOW_H)
    feed = Feed()
    for requests, given_feedback, scores in ARRIVALS[arrival]:
        store.commit(feed.batch(requests, given_feedback, scores))
    assert attributed(store) == expected()
    assert (
        rows_of(store, "SELECT * FROM pending_feedback UNION ALL BY NAME SELECT * FROM pending_scores") == []
    )
    assert len(rows_of(store, "SELECT * FROM feedback")) == len(rows_of(store, "SELECT * FROM scores")) == 1


def test_reactions_wait_across_a_restart(store: Store) -> None:
    freeze_windows(store, "exp", WINDOW_H)
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
        "unit_id": None,
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


NAMED = ("feedback", "thumbs_up", "thumbs_down", "corrections", "rating_n")
SAID = st.lists(
    st.tuples(
        st.integers(0, 2),  # which request
        st.sampled_from(["ann", "bob", None]),
        st.integers(0, 3),  # minutes: some are said at the same moment
        st.sampled_from(["up", "down", None]),
        st.sampled_from([1.0, 5.0, None]),
        st.sampled_from(["no", None]),
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=size(3, 1000))
@given(said=SAID, data=st.data())
def test_the_last_word_of_a_unit_counts_in_whatever_order_and_however_often_it_comes(
    said: list[tuple[int, str | None, int, str | None, float | None, str | None]], data: st.DataObject
) -> None:
    requests = [request(number, experiment="exp", allocation_epoch=1, variant="a") for number in range(3)]
    events = Events(
        requests=requests,
        feedback=[
            feedback(
                number,
                requests[about],
                START + timedelta(minutes=minute),
                unit_id=unit,
                thumbs=thumbs,
                rating=rating,
                correction=correction,
            )
            for number, (about, unit, minute, thumbs, rating, correction) in enumerate(said)
        ],
    )
    arriving = data.draw(st.permutations([*events.requests, *events.feedback, *events.feedback]))
    feed = Feed()
    with TemporaryDirectory() as directory, closing(Store.open(Path(directory))) as store:
        freeze_windows(store, "exp", 2 / 60)
        while arriving:
            part = [arriving.pop() for _ in range(min(len(arriving), data.draw(st.integers(1, 6))))]
            store.commit(
                feed.batch(
                    [row for row in part if "version" in row], [row for row in part if "feedback_id" in row]
                )
            )
        expected_rows = expected_of(events, Frozen({"exp": timedelta(minutes=2)}))
        for is_rebuilt in (False, True):
            if is_rebuilt:
                rebuild(store)
            (found,) = rows_of(
                store,
                "SELECT sum(feedback) AS feedback, sum(thumbs_up) AS thumbs_up, "
                "sum(thumbs_down) AS thumbs_down, "
                "sum(corrections) AS corrections, sum(rating_n) AS rating_n, "
                "sum(rating_n * rating_mean) AS ratings FROM rollups WHERE resolution = 'minute'",
            )
            minutes = [row for key, row in expected_rows.rollups.items() if key[0] == "minute"]
            assert {name: found[name] for name in NAMED} == {
                name: sum(row[name] for row in minutes) for name in NAMED
            }
            assert (found["ratings"] or 0.0) == pytest.approx(
                sum(row["rating_n"] * (row["rating_mean"] or 0.0) for row in minutes)
            )
            cells = rows_of(
                store,
                "SELECT experiment, allocation_epoch, variant, metric, unit_group, sum(n) AS n, "
                "sum(sum_x) AS sum_x, sum(sum_y) AS sum_y FROM experiment_cells GROUP BY ALL",
            )
            assert {tuple(list(row.values())[:5]): list(row.values())[5:] for row in cells} == {
                key: list(row.values()) for key, row in expected_rows.experiment_cells.items()
            }


def test_one_user_counts_once_however_often_they_click(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch([REQUEST]))
    clicks = [feedback(10 + number, REQUEST, START + timedelta(seconds=number)) for number in range(300)]
    for number, click in enumerate(clicks):
        click |= {"thumbs": "up" if number % 2 else "down", "unit_id": "ann"}
    store.commit(feed.batch(feedback=clicks[150:]))
    store.commit(feed.batch(feedback=clicks[:150]))
    assert rows_of(
        store,
        "SELECT sum(feedback) AS feedback, sum(thumbs_up) AS up, sum(thumbs_down) AS down "
        "FROM rollups WHERE resolution = 'day'",
    ) == [{"feedback": 1, "up": 1, "down": 0}]

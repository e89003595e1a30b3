from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from coalmine_consumers.audit import audit
from coalmine_consumers.maintenance import rebuild
from coalmine_consumers.maintenance.outcomes import settle_outcomes
from coalmine_consumers.store import Store
from tests.support.data.store_feed import START, Feed, Row, outcome, request, score
from tests.support.oracles.store_state import by_hand, query

NOW = datetime.now(UTC)
OLD = request(1, START, unit_id="ann", session_id="s1", version="1.0.0")
NEW = request(2, START + timedelta(hours=5), unit_id="ann", session_id="s2", version="2.0.0")
OTHERS = request(3, START + timedelta(hours=6), unit_id="bob", session_id="s3", version="3.0.0")
BOUGHT = outcome(1, START + timedelta(hours=30), unit_id="ann")


def versions(store: Store, name: str = "converted") -> dict[str, tuple[int, float]]:
    """Of each version, how many outcomes count and their mean."""
    rows = query(
        store,
        "SELECT version, sum(n), sum(n * mean) / sum(n) FROM rollup_metrics "
        f"WHERE resolution = 'day' AND name = '{name}' GROUP BY version HAVING sum(n) <> 0",
    )
    return {version: (int(n), float(mean)) for version, n, mean in rows}


def settle(store: Store) -> int:
    return settle_outcomes(store, NOW).moved


ORDERS: dict[str, list[list[Row]]] = {
    "calls first": [[OLD], [NEW], [OTHERS], [BOUGHT]],
    "all at once": [[OLD, NEW, OTHERS, BOUGHT]],
    "outcome first": [[BOUGHT], [OTHERS], [NEW], [OLD]],
    "the last call late": [[OLD], [BOUGHT], [NEW, OTHERS]],
    "the first call late": [[NEW, OTHERS], [BOUGHT], [OLD]],
    "everything twice": [[OLD, BOUGHT], [OLD, BOUGHT], [NEW, OTHERS, BOUGHT], [NEW]],
}


def commit(store: Store, feed: Feed, rows: list[Row]) -> None:
    requests = [row for row in rows if "latency_ms" in row]
    store.commit(feed.batch(requests, scores=[row for row in rows if "score_id" in row]))


@pytest.mark.parametrize("settled", ["after each batch", "at the end"])
@pytest.mark.parametrize("order", ORDERS)
def test_an_outcome_counts_for_the_last_call_of_its_unit_in_whatever_order_they_come(
    store: Store, order: str, settled: str
) -> None:
    feed = Feed()
    for rows in ORDERS[order]:
        commit(store, feed, rows)
        if settled == "after each batch":
            settle(store)
    settle(store)
    assert versions(store) == {"2.0.0": (1, 1.0)}
    assert query(store, "SELECT request_id FROM scores") == [(NEW["request_id"],)]
    rebuild(store)
    assert versions(store) == {"2.0.0": (1, 1.0)}
    report = audit(store, deep=True)
    assert report.ok, report.missing
    assert report.unattributed_scores == 0

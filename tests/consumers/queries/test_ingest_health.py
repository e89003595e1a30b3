from datetime import UTC, datetime, timedelta

from coalmine_consumers.queries import ingest_health
from coalmine_consumers.raw import Gap
from coalmine_consumers.results import Counts, GapRow
from coalmine_consumers.store import Store
from tests.support.data.store_feed import PARTITION, START, Feed, dead_letter, feedback, request, score


def test_health_is_what_the_books_say(store: Store) -> None:
    feed = Feed()
    rows = [request(number) for number in range(600)]
    early = feedback(2000, request(9999))
    gap = Gap("coalmine.mixed", "0", 5, 9, START, "expired")
    ahead = request(700, datetime.now(UTC) + timedelta(days=1))
    before = datetime.now(UTC)
    store.commit(feed.batch(rows, [early], [score(3000, request(9998), 1.0)], [dead_letter(b"x")], [gap]))
    store.commit(feed.batch([*rows[:5], ahead], dead_letters=[dead_letter(b"y", "unroutable")]))
    found = ingest_health(store.reader())
    assert found.counts == Counts(consumed=610, stored=603, duplicates=5, dead_lettered=2)
    assert found.by_event == {
        "requests": Counts(consumed=607, stored=601, duplicates=5, dead_lettered=1),
        "feedback": Counts(consumed=1, stored=1, duplicates=0, dead_lettered=0),
        "scores": Counts(consumed=1, stored=1, duplicates=0, dead_lettered=0),
        "unroutable": Counts(consumed=1, stored=0, duplicates=0, dead_lettered=1),
    }
    assert found.last_commit_at is not None
    assert before <= found.last_commit_at <= datetime.now(UTC)
    assert found.ahead_of_clock == 1
    assert found.dead_letters_open == 2
    assert (found.unattributed_feedback, found.unattributed_scores) == (1, 1)
    assert found.gaps == [GapRow("coalmine.mixed", "0", 5, 9, "expired", START)]
    assert found.gaps_total == 1
    assert found.positions == {PARTITION: feed.offset}
    assert found.store.rows == {"requests": 601, "feedback": 1, "scores": 1}
    assert found.store.segments == 1
    (segment,) = (store.directory / "segments").rglob("*.parquet")
    assert found.store.segment_bytes == segment.stat().st_size
    assert found.store.database_bytes > 0


def test_only_the_newest_gaps_are_listed(store: Store) -> None:
    gaps = [
        Gap("coalmine.mixed", "0", number, number + 1, START + timedelta(seconds=number), "expired")
        for number in range(120)
    ]
    store.commit(Feed().batch(gaps=gaps))
    found = ingest_health(store.reader())
    assert found.gaps_total == 120
    assert [gap.expected_offset for gap in found.gaps] == list(range(119, 19, -1))


def test_a_new_store_is_healthy_and_empty(store: Store) -> None:
    found = ingest_health(store.reader())
    assert found.last_commit_at is None
    assert found.counts == Counts(0, 0, 0, 0)
    assert found.by_event == {}
    assert found.store.rows == {"feedback": 0, "requests": 0, "scores": 0}

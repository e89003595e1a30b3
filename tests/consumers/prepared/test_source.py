"""Prepared batches beside the collector: the same numbers, each once, whoever dies when."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from coalmine_consumers.audit import audit
from coalmine_consumers.collector.collector import Collector
from coalmine_consumers.errors import BatchDamaged
from coalmine_consumers.prepared.folder import Manifest, QueryFolder
from coalmine_consumers.prepared.source import LOCK, PreparedSource
from coalmine_consumers.sources.base import Source
from coalmine_consumers.sources.memory import MemoryBroker, MemorySource
from coalmine_consumers.store import Store
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.resolver import SchemaResolver
from tests.support.campaign import size
from tests.support.doubles.local_query import LocalQuery
from tests.support.eventually import eventually
from tests.support.oracles.store_state import ADDITIVE, all_raw_rows, assert_same, count, folded, query
from tests.support.torture.check import check_all
from tests.support.torture.load import Sent, TortureLoad, expected
from tests.support.torture.processes import STORE

THIRD = size(600, 3_000)
LOAD = TortureLoad(1, 3 * THIRD, look_back=THIRD)
SETTINGS = replace(STORE, segment_min_rows=THIRD * 2 // 3, segment_min_day_rows=THIRD // 6)
MESSAGES = list(LOAD.messages())
THIRDS = (MESSAGES[:THIRD], MESSAGES[THIRD : 2 * THIRD], MESSAGES[2 * THIRD :])
OVERTAKES = THIRD // 3
OF_THE_BATCH = ("ingest_id", "ingested_at")


@contextmanager
def collecting(store: Store, source: Source) -> Iterator[Collector]:
    collector = Collector(source, store, BatchDecoder(SchemaResolver()))
    collector.start()
    try:
        yield collector
    finally:
        assert collector.stop(60)


@contextmanager
def importing(store: Store, root: Path) -> Iterator[Collector]:
    with collecting(store, PreparedSource(root, lambda: store.next_ingest_id)) as collector:
        yield collector


def imported(store: Store, collector: Collector, messages: int) -> None:
    def done() -> bool:
        ((consumed,),) = query(store, "SELECT coalesce(sum(consumed), 0)::BIGINT AS n FROM batches")
        return bool(consumed == messages)

    eventually(done, what=f"{messages} messages")
    eventually(lambda: collector.wait_until_dry(1), what="dry")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "store", SETTINGS)
    yield opened
    opened.close()


def by_collector(directory: Path) -> Store:
    """The numbers to compare with, of the same batches: experiments freeze thresholds between batches."""
    store, broker, sent = Store.open(directory, SETTINGS), MemoryBroker(), 0
    for third in THIRDS:
        for message in third:
            broker.append(message.event, message.value, key=message.key)
        sent += len(third)
        with collecting(store, MemorySource(broker)) as collector:
            imported(store, collector, sent)
    return store


def test_imported_batches_give_the_numbers_that_the_collector_gives(store: Store, tmp_path: Path) -> None:
    with importing(store, tmp_path / "spark") as collector:
        eventually((tmp_path / "spark" / "position.json").is_file, what="a position")
        made = LocalQuery.begin(tmp_path / "spark")
        for third in THIRDS:
            made.batch(third)
        imported(store, collector, len(MESSAGES))
    check_all(store, expected([LOAD]))
    other = by_collector(tmp_path / "other")
    for table in ADDITIVE:
        assert_same(folded(store, table), folded(other, table))
    mine, theirs = all_raw_rows(store), all_raw_rows(other)
    for event, rows in theirs.items():
        for row, found in zip(rows, mine[event], strict=True):
            assert {**found, **dict.fromkeys(OF_THE_BATCH)} == {**row, **dict.fromkeys(OF_THE_BATCH)}
    reports = [audit(each, deep=True) for each in (store, other)]
    assert all(report.ok for report in reports), reports
    assert reports[0].identity == reports[1].identity
    other.close()


def test_files_that_fit_are_taken_over_as_they_are(store: Store, tmp_path: Path) -> None:
    with importing(store, tmp_path / "spark") as collector:
        eventually((tmp_path / "spark" / "position.json").is_file, what="a position")
        made = LocalQuery.begin(tmp_path / "spark")
        number = made.batch(THIRDS[0], finish=False)
        files = {path.name for path in made.folder.batch(number).rglob("requests/*/*.parquet")}
        assert len(files) == 2
        made.number -= 1
        made.offsets, made.seen = {}, set()
        made.folder.batch(number).rename(tmp_path / "attempt that died")
        made.batch(THIRDS[0])
        wanted = {path.name for path in made.folder.batch(number).rglob("requests/*/*.parquet")}
        imported(store, collector, THIRD)
    (stored,) = query(store, "SELECT list(path) AS paths FROM segments WHERE event = 'requests'")
    assert {Path(path).name for path in stored[0]} == wanted
    assert wanted.isdisjoint(files)


@pytest.mark.parametrize("remembers", [True, False], ids=["remembered", "forgotten"])
def test_what_is_repeated_in_a_later_batch_counts_once(
    store: Store, tmp_path: Path, *, remembers: bool
) -> None:
    with importing(store, tmp_path / "spark") as collector:
        eventually((tmp_path / "spark" / "position.json").is_file, what="a position")
        made = LocalQuery.begin(tmp_path / "spark", remembers=remembers)
        made.batch(THIRDS[0])
        made.batch(THIRDS[0])
        imported(store, collector, 2 * THIRD)
    (counts,) = query(
        store,
        "SELECT sum(stored)::BIGINT AS s, sum(duplicates)::BIGINT AS d FROM batches WHERE event = 'requests'",
    )
    assert counts == (len(good_requests()), len(good_requests()))
    assert audit(store, deep=True).ok


def test_a_batch_that_is_handed_in_again_is_no_news(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "spark"
    with importing(store, root) as collector:
        eventually((root / "position.json").is_file, what="a position")
        made = LocalQuery.begin(root)
        number = made.batch(THIRDS[0], finish=False)
        manifest = _manifest_of(made, THIRDS[0])
        made.folder.finish(number, manifest)
        imported(store, collector, THIRD)
        eventually(lambda: not made.folder.waiting(), what="removed")
    with importing(store, root) as collector:
        made.folder.batch(number).mkdir()
        made.folder.finish(number, manifest)  # its files are gone: nobody may read them
        eventually(lambda: not made.folder.waiting(), what="removed again")
        assert collector.health().state != "failed"
    assert count(store, "requests") == len(
        {m.value for m in THIRDS[0] if (m.event, m.kind) == ("requests", "good")}
    )


def good_requests() -> set[bytes]:
    return {each.value for each in THIRDS[0] if (each.event, each.kind) == ("requests", "good")}


def _manifest_of(made: LocalQuery, messages: list[Sent]) -> Manifest:
    again = LocalQuery(QueryFolder(made.folder.path.parent / "elsewhere"), made.began)
    again.batch(messages)
    found = again.folder.manifest(1)
    assert found is not None
    for path in again.folder.batch(1).rglob("*"):
        if path.is_file() and path.name != "manifest.json":
            target = made.folder.batch(1) / path.relative_to(again.folder.batch(1))
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    return found


def test_switching_between_collector_and_spark_loses_and_doubles_nothing(
    store: Store, tmp_path: Path
) -> None:
    root = tmp_path / "spark"
    broker = MemoryBroker()
    broker_of: Callable[[], MemorySource] = lambda: MemorySource(broker)  # noqa: E731
    for message in THIRDS[0]:
        broker.append(message.event, message.value, key=message.key)
    with collecting(store, broker_of()) as collector:
        imported(store, collector, THIRD)
    with importing(store, root) as collector:
        eventually((root / "position.json").is_file, what="a position")
        made = LocalQuery.begin(root)
        for span in made.began.starts:  # the broker in memory has an id for each topic
            assert span.partition.topic_id == "1"
        made.topic_id = "1"
        made.batch(THIRDS[1])
        imported(store, collector, 2 * THIRD)
    for message in (*THIRDS[1], *THIRDS[2]):
        broker.append(message.event, message.value, key=message.key)
    with collecting(store, broker_of()) as collector:
        imported(store, collector, 3 * THIRD)
    check_all(store, expected([LOAD]))
    assert audit(store, deep=True).ok


def test_a_query_that_the_collector_has_overtaken_is_refused(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "spark"
    with importing(store, root):
        eventually((root / "position.json").is_file, what="a position")
    late = LocalQuery.begin(root)
    late.topic_id = "1"
    late.batch(THIRDS[0][: 2 * OVERTAKES])
    broker = MemoryBroker()
    for message in THIRDS[0][:OVERTAKES]:
        broker.append(message.event, message.value, key=message.key)
    with collecting(store, MemorySource(broker)) as collector:
        imported(store, collector, OVERTAKES)
    with importing(store, root) as collector:
        eventually(lambda: late.folder.refusal() is not None, what="refused")
        made = LocalQuery.begin(root)
        made.topic_id = "1"
        made.batch(MESSAGES[OVERTAKES:])
        imported(store, collector, len(MESSAGES))
    check_all(store, expected([LOAD]))


def test_of_two_servers_on_one_folder_one_imports_and_the_other_waits_for_it(
    store: Store, tmp_path: Path
) -> None:
    root = tmp_path / "spark"
    other = Store.open(tmp_path / "other", SETTINGS)
    try:
        with importing(store, root) as collector:
            eventually((root / "position.json").is_file, what="a position")
            made = LocalQuery.begin(root)
            made.batch(THIRDS[0])
            imported(store, collector, THIRD)
            with importing(other, root) as waiting:  # as a restored home that is tried
                eventually(lambda: "another server imports" in str(waiting.health().reason), what="waits")
                made.batch(THIRDS[1])
                imported(store, collector, 2 * THIRD)
                assert made.folder.refusal() is None
                assert count(other, "requests") == 0
                assert collector.stop(60)
                eventually(lambda: waiting.health().state == "running", what="takes over")
    finally:
        other.close()


def test_a_lock_file_that_cannot_be_written_delays_the_import_and_says_why(
    store: Store, tmp_path: Path
) -> None:
    root = tmp_path / "spark"
    (root / LOCK).mkdir(parents=True)  # as on a full disk, the file cannot be opened
    with importing(store, root) as collector:
        eventually(lambda: LOCK in str(collector.health().reason), what="says why")
        (root / LOCK).rmdir()
        eventually(lambda: collector.health().state == "running", what="goes on")


def test_a_damaged_batch_stops_the_import_and_says_what_to_do(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "spark"
    collector = Collector(
        PreparedSource(root, lambda: store.next_ingest_id), store, BatchDecoder(SchemaResolver())
    )
    collector.start()
    eventually((root / "position.json").is_file, what="a position")
    made = LocalQuery.begin(root)
    number = made.batch(THIRDS[0], finish=False)
    (made.folder.batch(number) / "manifest.json").write_text('{"ingest_id": "none"}')
    eventually(lambda: collector.health().state == "failed", what="failed")
    with pytest.raises(BatchDamaged, match=r"manifest\.json is damaged .* the next query begins where"):
        collector.wait(10)
    assert count(store, "requests") == 0

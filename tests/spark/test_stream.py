"""Real Spark between a real broker and a server that imports: each message once, whoever is killed."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from coalmine_consumers.audit import audit
from coalmine_consumers.collector.collector import Collector
from coalmine_consumers.prepared.folder import QueryFolder
from coalmine_consumers.sources.kafka_topics import ensure_topics
from coalmine_consumers.store import Store
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.resolver import SchemaResolver
from coalmine_spark.job import Decoding, Job, write_job
from tests.support.campaign import CAMPAIGN, size
from tests.support.eventually import eventually
from tests.support.oracles.store_state import ADDITIVE, assert_same, folded, query
from tests.support.servers.kafka_broker import KafkaBroker
from tests.support.servers.spark import executors, missing_spark, start_job
from tests.support.torture.check import check_all
from tests.support.torture.load import Expected, TortureLoad, expected
from tests.support.torture.processes import STORE, TortureCollector, Where, _produce_to_kafka

pytestmark = pytest.mark.kafka

EVENTS = size(6_000, 2_000_000)
LOOK_BACK = size(500, 5_000)
MASTER = "local-cluster[2,1,1024]" if CAMPAIGN else "local[2]"
"""Worker processes of their own take three JVMs."""
EXECUTOR_KILLS = size(0, 6)
TIMEOUT_S = size(600, 3_600)


@pytest.fixture(autouse=True)
def _needs_spark() -> None:
    reason = missing_spark()
    if reason is not None:
        if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
            pytest.fail(f"no Spark to test: {reason}", pytrace=False)
        pytest.skip(f"no Spark to test: {reason}")


def produce(where: Where, load: TortureLoad) -> None:
    _produce_to_kafka(where, load, 0.001)


@contextmanager
def opened(where: Where) -> Iterator[Store]:
    store = Store.open(where.store, STORE)
    try:
        yield store
    finally:
        store.close()


def collected(where: Where, messages: int) -> None:
    """Runs a collector until it has read as many messages in all."""
    with opened(where) as store:
        collector = Collector(where.source(store), store, BatchDecoder(SchemaResolver()))
        collector.start()
        eventually(
            lambda: consumed(store) >= messages and collector.wait_until_dry(1),
            within_s=TIMEOUT_S,
            what="all",
        )
        assert collector.stop(60)
        assert consumed(store) == messages


def consumed(store: Store) -> int:
    ((count,),) = query(store, "SELECT coalesce(sum(consumed), 0)::BIGINT AS n FROM batches")
    return int(count)


def messages_of(wanted: Expected) -> int:
    return sum(map(wanted.consumed, wanted.rows))


def kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)


def _loads() -> tuple[list[TortureLoad], TortureLoad]:
    """What the collector reads, and what Spark reads after it."""
    half = EVENTS // 2
    return [TortureLoad(1, half, LOOK_BACK), TortureLoad(3, 300)], TortureLoad(2, half, LOOK_BACK)


def wait_for(condition: Callable[[], bool], what: str, log: Path) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"no {what}:\n{log.read_text()[-4000:]}"
        time.sleep(0.05)


def kill_executors(job: subprocess.Popen[bytes], folder: Path, log: Path) -> int:
    """Kills an executor each time a batch has a file more, until the job ends; how many."""
    killed, seen = 0, files_of_batches(folder)

    def more() -> bool:
        return not files_of_batches(folder) <= seen or job.poll() is not None

    while killed < EXECUTOR_KILLS and job.poll() is None:
        wait_for(more, "file more", log)
        seen = files_of_batches(folder)
        for executor in executors(job)[:1]:
            with suppress(ProcessLookupError):
                os.kill(executor, signal.SIGKILL)
                killed += 1
    return killed


def files_of_batches(folder: Path) -> set[Path]:
    return set(folder.glob("*/batch=*/segments/*/*/*"))


def repeated(query: QueryFolder) -> int:
    """Messages that Spark has read and dropped, of the batches that wait for the server."""
    manifests = filter(None, map(query.manifest, query.waiting()))
    parts = [part for manifest in manifests for part in manifest.parts]
    return sum(sum(part.read.values()) - sum(part.kept.values()) for part in parts)


def test_spark_takes_over_from_the_collector_and_counts_the_same_through_kills(
    kafka: KafkaBroker, topic_prefix: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    ensure_topics(kafka.admin(), topic_prefix, partitions=2)
    servers = kafka.bootstrap_servers
    one = Where(tmp_path / "one", servers=servers, prefix=topic_prefix)
    other = Where(tmp_path / "other", servers=servers, prefix=topic_prefix)
    first, second = _loads()
    wanted = expected([*first, second])
    for place, load in enumerate(first):
        produce(one, load)
        collected(one, messages_of(expected(first[: place + 1])))
    # Experiments froze their thresholds with the second batch: from here on both count the same, whatever
    # batches they have.
    shutil.copytree(one.store, other.store)
    produce(one, second)

    folder, log = tmp_path / "spark", tmp_path / "spark.log"
    by_spark = Where(one.store, prepared=folder)
    server = TortureCollector(by_spark, tmp_path / "server.log")
    wait_for((folder / "position.json").is_file, "position", tmp_path / "server.log")
    job = Job(folder, servers, Decoding(topic_prefix), max_events=EVENTS // 6, once=True)
    write_job(tmp_path / "job.json", job)
    spark = start_job(tmp_path / "job.json", MASTER, log)
    wait_for(lambda: bool(files_of_batches(folder)), "file of a batch", log)
    kill(spark)  # in the middle of a batch
    server.kill()
    spark = start_job(tmp_path / "job.json", MASTER, log)
    query_ = QueryFolder.newest(folder)
    assert query_ is not None
    wait_for(lambda: bool(query_.waiting()), "batch that waits", log)
    assert repeated(query_)  # the server drops repetitions as well, which would hide it
    server = TortureCollector(by_spark, tmp_path / "server.log", until_consumed=messages_of(wanted))
    killed = kill_executors(spark, folder, log)
    assert spark.wait(TIMEOUT_S) == 0, log.read_text()[-4000:]
    assert killed or not EXECUTOR_KILLS
    server.join(0)

    assert query_ == QueryFolder.newest(folder)
    assert query_.refusal() is None
    collected(other, messages_of(wanted))
    collected(one, messages_of(wanted))  # it has the topics again, and finds nothing new
    with opened(one) as mine, opened(other) as theirs:
        check_all(mine, wanted)
        for table in ADDITIVE:
            assert_same(folded(mine, table), folded(theirs, table))
        reports = [audit(store, deep=True) for store in (mine, theirs)]
    assert [report.ok for report in reports] == [True, True], [report.missing for report in reports]
    assert reports[0].identity == reports[1].identity
    record_property(
        "tried",
        f"{EVENTS:,} events, half of them by Spark; driver and server killed once, executors {killed} times",
    )

"""Events as they really come, through the whole pipeline: wrong clocks, and answers before questions.

Everything is produced by the real client and read from the real store, on the spool and on a real broker.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coalmine import Coalmine
from coalmine_consumers.aggregation.resolutions import LENGTH_S
from coalmine_consumers.collector.collector import Collector
from coalmine_consumers.queries.cover import floor
from coalmine_consumers.queries.ingest_health import IngestHealth, ingest_health
from coalmine_consumers.sources.kafka import KafkaSource
from coalmine_consumers.sources.kafka_settings import KafkaSourceSettings
from coalmine_consumers.sources.kafka_topics import ensure_topics
from coalmine_consumers.sources.spool import SpoolSource
from coalmine_consumers.store import Store
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.events import PromptFeedback, PromptRequest, PromptScore
from coalmine_schemas.identifiers import unit_group, uuid7
from coalmine_schemas.resolver import SchemaResolver
from tests.support.eventually import eventually
from tests.support.servers.kafka_broker import KafkaBroker


@dataclass
class Pipeline:
    """A client, a collector, and the store between us and them."""

    client: Coalmine
    collector: Collector
    store: Store

    def settle(self, consumed: int) -> None:
        """Wait until this many messages were committed in all."""
        assert self.client.flush(60)
        eventually(lambda: self.collector.health().consumed >= consumed, within_s=60)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.store.reader().table(sql).to_pylist()
        return found

    def health(self) -> IngestHealth:
        return ingest_health(self.store.reader())


@pytest.fixture(params=["spool", pytest.param("kafka", marks=pytest.mark.kafka)])
def pipeline(request: pytest.FixtureRequest, tmp_path: Path, topic_prefix: str) -> Iterator[Pipeline]:
    servers = None
    source: SpoolSource | KafkaSource = SpoolSource(tmp_path / "spool")
    if request.param == "kafka":
        broker: KafkaBroker = request.getfixturevalue("kafka")
        servers = broker.bootstrap_servers
        ensure_topics(broker.admin(), topic_prefix, partitions=2)
        source = KafkaSource(
            KafkaSourceSettings(servers, group_id=topic_prefix + "group", topic_prefix=topic_prefix)
        )
    store = Store.open(tmp_path / "store")
    collector = Collector(source, store, BatchDecoder(SchemaResolver()))
    collector.start()
    client = Coalmine("bot", home=tmp_path, kafka_bootstrap_servers=servers, topic_prefix=topic_prefix)
    try:
        yield Pipeline(client, collector, store)
    finally:
        client.close(10)
        assert collector.stop(30)
        store.close()


def request(at: datetime, **values: Any) -> PromptRequest:
    fields: dict[str, Any] = {
        "request_id": uuid7(),
        "event_time": at,
        "app": "bot",
        "environment": "prod",
        "prompt": "p",
        "version": "1",
        "unit_id": "u",
        "unit_group": unit_group("u"),
        "resolution": "fixed",
        "request_model": "gpt-4o-mini",
        "latency_ms": 10.0,
    }
    return PromptRequest(**fields | values)


def feedback(request_id: str, at: datetime) -> PromptFeedback:
    return PromptFeedback(feedback_id=uuid7(), request_id=request_id, event_time=at, app="bot", thumbs="up")


def test_clocks_that_run_ahead_or_behind_lose_no_event_that_may_be_true(pipeline: Pipeline) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    times = [
        now,
        now + timedelta(hours=23),
        now - timedelta(days=31),
        now - timedelta(days=3650),
        datetime(2000, 1, 1, tzinfo=UTC),
    ]
    for at in [*times, now + timedelta(days=2), datetime(1970, 1, 1, tzinfo=UTC)]:
        pipeline.client.emit_request(request(at))
    pipeline.settle(len(times))
    assert pipeline.client.stats().dropped == {"invalid": 2}
    stored = [
        row["event_time"] for row in pipeline.rows("SELECT event_time FROM requests ORDER BY event_time")
    ]
    assert stored == sorted(times)
    # Each stands in the minute it says, at every resolution; those too far ahead are counted.
    for resolution in LENGTH_S:
        buckets = pipeline.rows(
            f"SELECT bucket_start, sum(requests)::INT AS n FROM rollups WHERE resolution = '{resolution}' "
            "GROUP BY 1 ORDER BY 1"
        )
        assert sum(row["n"] for row in buckets) == len(times)
        # Two may have the same day.
        assert [row["bucket_start"] for row in buckets] == sorted({floor(at, resolution) for at in times})
    assert pipeline.health().ahead_of_clock == 1


def test_answers_before_their_question_find_it_and_others_are_counted(pipeline: Pipeline) -> None:
    now = datetime.now(UTC)
    early, never = request(now - timedelta(minutes=5)), uuid7()
    score = PromptScore(
        score_id=uuid7(),
        request_id=early.request_id,
        event_time=now,
        app="bot",
        name="quality",
        value=0.5,
        source="judge",
    )
    pipeline.client.emit_feedback(feedback(early.request_id, now))
    pipeline.client.emit_feedback(feedback(never, now))
    pipeline.client.emit_score(score)
    pipeline.settle(3)
    assert (pipeline.health().unattributed_feedback, pipeline.health().unattributed_scores) == (2, 1)
    pipeline.client.emit_request(early)
    pipeline.settle(4)
    assert (pipeline.health().unattributed_feedback, pipeline.health().unattributed_scores) == (1, 0)
    (row,) = pipeline.rows(
        "SELECT bucket_start, sum(requests)::INT AS requests, sum(thumbs_up)::INT AS up FROM rollups "
        "WHERE resolution = 'minute' GROUP BY 1"
    )
    assert row == {"bucket_start": early.event_time.replace(second=0, microsecond=0), "requests": 1, "up": 1}
    (quality,) = pipeline.rows("SELECT name, n, mean FROM rollup_metrics WHERE resolution = 'minute'")
    assert quality == {"name": "quality", "n": 1, "mean": 0.5}


def test_an_event_sent_twice_is_stored_once(pipeline: Pipeline) -> None:
    event = request(datetime.now(UTC))
    for _ in range(3):
        pipeline.client.emit_request(event)
    pipeline.settle(3)
    health = pipeline.health()
    assert (health.counts.consumed, health.counts.stored, health.counts.duplicates) == (3, 1, 2)

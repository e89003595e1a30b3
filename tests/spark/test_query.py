"""What is read of a checkpoint, and how brokers are logged in to: without Spark."""

from pathlib import Path

import pytest

from coalmine_consumers.prepared.folder import Query, QueryFolder, Span
from coalmine_consumers.raw import TopicPartition
from coalmine_spark.kafka_options import kafka_options
from coalmine_spark.query import batch_plan, query_offsets, spans, starting_offsets

FIRST, SECOND = TopicPartition("c.requests", "0", "id-1"), TopicPartition("c.requests", "1", "id-1")


@pytest.fixture
def query(tmp_path: Path) -> QueryFolder:
    began = Query(5, [Span(FIRST, 10, 10), Span(SECOND, 0, 0)])
    made = QueryFolder.begin(tmp_path, began, None)
    for part in ("offsets", "commits"):
        (made.checkpoint / part).mkdir(parents=True)
    return made


def plan(query: QueryFolder, number: int, offsets: str, *, done: bool = True) -> None:
    times = f'{{"batchWatermarkMs":{number},"batchTimestampMs":{number + 7},"conf":{{}}}}'
    (query.checkpoint / "offsets" / str(number)).write_text(f"v1\n{times}\n{offsets}")
    if done:
        (query.checkpoint / "commits" / str(number)).write_text("v1\n{}")


def test_a_query_begins_where_the_store_stands(query: QueryFolder) -> None:
    assert starting_offsets(query.query()) == '{"c.requests": {"0": 10, "1": 0}}'
    assert query_offsets(query) == {("c.requests", "0"): 10, ("c.requests", "1"): 0}


def test_a_batch_holds_what_lies_between_two_plans_and_partitions_that_were_added(query: QueryFolder) -> None:
    plan(query, 0, '{"c.requests":{"0":15,"1":0}}')
    assert spans(query, 0) == [Span(FIRST, 10, 15)]
    plan(query, 1, '{"c.requests":{"0":15,"1":4,"2":3}}', done=False)
    added = TopicPartition("c.requests", "2", "id-1")
    assert spans(query, 1) == [Span(SECOND, 0, 4), Span(added, 0, 3)]
    assert query_offsets(query) == {("c.requests", "0"): 15, ("c.requests", "1"): 0}


def test_what_spark_noted_of_time_is_read(query: QueryFolder) -> None:
    plan(query, 0, "{}")
    found = batch_plan(query.checkpoint, 0)
    assert found is not None
    assert (found.watermark_ms, found.began_ms) == (0, 7)
    assert batch_plan(query.checkpoint, 1) is None


def test_a_log_of_another_release_is_refused(query: QueryFolder) -> None:
    (query.checkpoint / "offsets" / "0").write_text("v2\n{}\n{}")
    with pytest.raises(ValueError, match="not the log of Spark 4"):
        batch_plan(query.checkpoint, 0)


def test_logins_are_those_of_the_collector(tmp_path: Path) -> None:
    for name in ("ca", "certificate", "key"):
        (tmp_path / name).write_text(f"-- {name}")
    options = kafka_options(
        "broker:9092",
        {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": 'a"b',
            "sasl.password": "c\\d",
            "ssl.ca.location": str(tmp_path / "ca"),
            "ssl.certificate.location": str(tmp_path / "certificate"),
            "ssl.key.location": str(tmp_path / "key"),
        },
    )
    assert options["kafka.security.protocol"] == "SASL_SSL"
    assert options["kafka.sasl.jaas.config"] == (
        'org.apache.kafka.common.security.scram.ScramLoginModule required username="a\\"b" password="c\\\\d";'
    )
    assert options["kafka.ssl.truststore.certificates"] == "-- ca"
    assert options["kafka.ssl.keystore.key"] == "-- key"
    assert options["failOnDataLoss"] == "true"

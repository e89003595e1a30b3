"""Servers on a real Kafka broker."""

import signal
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from coalmine import Coalmine
from coalmine_schemas.codec import Decoder
from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.registry_client import SchemaRegistryClient
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.topics import EVENT_NAMES, topic_name
from tests.server.conftest import TRACE
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine_json, with_constants
from tests.support.servers.kafka_broker import KafkaBroker
from tests.support.servers.ports import free_port
from tests.support.servers.schema_registry import SchemaRegistry

pytestmark = pytest.mark.kafka


def kafka_env(broker: KafkaBroker, prefix: str) -> dict[str, str]:
    """Settings of a server and its producers."""
    return {
        "COALMINE_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "COALMINE_KAFKA_TOPIC_PREFIX": prefix,
        "COALMINE_KAFKA_GROUP_ID": prefix,
        "COALMINE_KAFKA_PARTITIONS": "2",
    }


def requests(server: ServerProcess) -> int:
    """Requests the server shows."""
    return sum(item["requests"] for item in server.json("/v1/versions")["items"])


def test_a_trace_through_the_broker_is_measured_exactly(
    home: Path, trace: Path, kafka: KafkaBroker, topic_prefix: str
) -> None:
    env = kafka_env(kafka, topic_prefix)
    with ServerProcess(home, env) as server:
        server.wait_ready()
        existing = kafka.admin().list_topics(timeout=10).topics
        for event in EVENT_NAMES:
            assert topic_name(event, topic_prefix) in existing
        replayed = coalmine_json("replay", trace, "--speed", "max", "--mix", home=home, env=env)
        assert replayed["stats"]["delivered"] == 500
        eventually(lambda: requests(server) == 500, what="stored")
        (version,) = coalmine_json("versions", home=home, env=env)
        measured = version["requests"], version["input_tokens"], version["output_tokens"]
        assert measured == (replayed["rows"], replayed["input_tokens"], replayed["output_tokens"])
        assert version["prompt"] == TRACE
        status = server.json("/v1/ingest")
        assert (status["source"], status["state"], status["lag"]) == ("kafka", "running", 0)
        assert sum(part["position"] or 0 for part in status["partitions"]) == 500
        assert server.stop() == 0


def test_the_standby_takes_over_from_a_killed_server_without_loss_or_duplicates(
    home: Path, kafka: KafkaBroker, topic_prefix: str
) -> None:
    env = kafka_env(kafka, topic_prefix)
    with (
        ServerProcess(home, env, name="first") as first,
        ServerProcess(home, env, name="second") as second,
        Coalmine(
            "app",
            spool_dir=home / "producer-spool",
            kafka_bootstrap_servers=kafka.bootstrap_servers,
            topic_prefix=topic_prefix,
            on_full="wait",
        ) as client,
    ):
        first.wait_ready()
        for number in range(2000):
            with client.call("p", version="1.0.0"):
                pass
            if number == 1000:
                eventually(lambda: requests(first) > 0, what="first commit")
                first.signal(signal.SIGKILL)
                first.wait()
        assert client.flush(30)
        second.wait_ready()
        eventually(lambda: requests(second) == 2000, what="everything stored by the standby")
        counts = second.json("/v1/ingest")["counts"]
        assert (counts["stored"], counts["duplicates"], counts["dead_lettered"]) == (2000, 0, 0)
        assert second.stop() == 0


def test_two_stores_in_one_group_say_so_and_name_each_other(
    tmp_path: Path, kafka: KafkaBroker, topic_prefix: str
) -> None:
    looks = with_constants(coalmine_consumers__sources__kafka__LOOK_EVERY_S=0.5)
    env = {**kafka_env(kafka, topic_prefix), **looks}
    with (
        ServerProcess(tmp_path / "one", env, name="one") as one,
        ServerProcess(tmp_path / "two", env, name="two") as two,
    ):
        for server in (one, two):
            server.wait_ready()
        for server, other in ((one, two), (two, one)):
            stranger = (other.home / "store" / "group-instance-id").read_text().strip()
            status = eventually(partial(_says, server, stranger), what="the other's name")
            assert status["state"] == "waiting"
            assert "kafka.group_id" in status["reason"]


def _says(server: ServerProcess, text: str) -> dict[str, Any] | None:
    status: dict[str, Any] = server.json("/v1/ingest")
    return status if text in str(status["reason"]) else None


def test_a_broker_that_is_away_is_waited_for_and_said(home: Path) -> None:
    env = {
        "COALMINE_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}",
        **with_constants(coalmine_consumers__sources__kafka_topics__LIST_TIMEOUT_S=0.5),
    }
    with ServerProcess(home, env) as server:
        reason = eventually(
            lambda: _reason_not_ready(server, "broker"), what="a reason that names the broker"
        )
        assert "did not answer" in reason
        # Questions are answered meanwhile.
        assert server.json("/v1/versions")["items"] == []
        status = server.json("/v1/ingest")
        assert (status["state"], "broker" in status["reason"]) == ("waiting", True)
        assert server.stop() == 0


def _reason_not_ready(server: ServerProcess, word: str) -> str | None:
    response = httpx2.get(f"{server.url}/readyz")
    assert response.status_code == 503
    detail = str(response.json()["detail"])
    return detail if word in detail else None


def test_what_a_producer_left_in_the_spool_is_sent_on(
    home: Path, kafka: KafkaBroker, topic_prefix: str
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    with Coalmine(
        "app", spool_dir=home / "spool", kafka_bootstrap_servers=nowhere, kafka_delivery_timeout_s=0.5
    ) as client:
        for _ in range(30):
            with client.call("p", version="1.0.0"):
                pass
        assert client.flush(30)
        assert client.stats().spooled == 30
    with ServerProcess(home, kafka_env(kafka, topic_prefix)) as server:
        server.wait_ready()
        eventually(lambda: requests(server) == 30, what="the spool sent on and stored")
        assert server.stop() == 0


def test_with_a_registry_frames_are_confluents_and_poison_reaches_the_topic_of_dead_letters(
    home: Path, trace: Path, kafka: KafkaBroker, schema_registry: SchemaRegistry, topic_prefix: str
) -> None:
    env = {**kafka_env(kafka, topic_prefix), "COALMINE_SCHEMA_REGISTRY_URL": schema_registry.url}
    with ServerProcess(home, env) as server:
        server.wait_ready()
        coalmine_json("replay", trace, "--speed", "max", "--mix", home=home, env=env)
        producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
        producer.produce(topic_name("requests", topic_prefix), b"poison")
        assert producer.flush(30) == 0
        eventually(lambda: requests(server) == 500, what="stored")
        letter = eventually(lambda: _first(kafka, topic_name("dead_letters", topic_prefix)), what="published")
        with SchemaRegistryClient(schema_registry.url) as registry:
            record = Decoder(SchemaResolver(registry)).decode("dead_letters", letter)
        assert (record["payload"], record["source_topic"]) == (
            b"poison",
            topic_name("requests", topic_prefix),
        )
        assert letter[0] == 0  # Confluent's magic byte, not Avro's
        assert server.json("/v1/ingest")["dead_letters_open"] == 1
        assert server.json("/v1/audit")["ok"] is True
        assert server.stop() == 0


def _first(broker: KafkaBroker, topic: str) -> bytes | None:
    """The first message of a topic, if there is one."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": f"look-{uuid7()}",
            "auto.offset.reset": "earliest",
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        message = consumer.poll(3.0)
        return None if message is None or message.error() else message.value()
    finally:
        consumer.close()

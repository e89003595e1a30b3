"""What services lean on is away for an hour: as many attempts as an hour has, with shorter waits."""

import json
import re
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Final
from zlib import crc32

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from coalmine import Coalmine, PollPolicy, framing
from coalmine.prompts import poll_policy
from coalmine_consumers.collector.collector import Collector, CollectorSettings
from coalmine_consumers.sources.kafka import KafkaSource
from coalmine_consumers.sources.kafka_settings import KafkaSourceSettings
from coalmine_consumers.sources.kafka_topics import ensure_topics
from coalmine_consumers.store import Store
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.registry_client import SchemaRegistryClient
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.retry import RetryPolicy
from tests.support.data.prompt_examples import snapshot_json
from tests.support.doubles.deployment_server import DeploymentServer
from tests.support.eventually import eventually
from tests.support.servers.kafka_broker import KafkaBroker

HOUR_S: Final = 3600
SOON: Final = PollPolicy(
    wait_s=60, timeout_s=60, first_backoff_s=0.001, max_backoff_s=0.002, least_pause_s=0.001
)


def test_prompts_are_served_while_the_registry_is_away_for_an_hour(tmp_path: Path) -> None:
    # Waits are drawn between a quarter and the whole of the longest.
    attempts = int(HOUR_S / (0.625 * poll_policy.DEFAULT_POLL.max_backoff_s))
    with DeploymentServer() as registry:
        registry.publish(snapshot_json())

        def client() -> Coalmine:
            return Coalmine("bot", home=tmp_path, server_url=registry.url, poll=SOON, startup_wait_s=0.2)

        with client() as running:
            assert running.wait_for_registry(60)
            registry.mode = "error"
            registry.publish(snapshot_json(revision=2, version="2.0.0"))
            asked = len(registry.questions)
            while len(registry.questions) < asked + attempts:
                prompt = running.prompt("support-refund", "u")
                assert prompt.render(question="x") == "v1.0.0 x"
                time.sleep(0.001)  # who asks needs the processor, too
            assert running.prompt("support-refund", "u").resolution == "cached"
            with client() as started_meanwhile:
                assert started_meanwhile.prompt("support-refund", "u").render(question="x") == "v1.0.0 x"
                registry.mode = "ok"
                for each in (running, started_meanwhile):
                    eventually(
                        lambda each=each: each.prompt("support-refund", "u").version == "2.0.0",  # type: ignore[misc]
                        what="what changed meanwhile",
                    )
                    assert each.stats().problems == {}


class SchemaRegistryAway:
    """Answers as a schema registry does, or not at all while it is away; counts who asks."""

    def __init__(self, server: HTTPServer) -> None:
        self.away = True
        self.asked = Counter[str]()
        """By method: services register with POST, collectors look up with GET."""
        self._schemas: dict[str, str] = {}
        self._counting = threading.Lock()
        server.expect_request(re.compile(".*")).respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        with self._counting:
            self.asked[request.method] += 1
        if self.away:
            return Response("no", 503)
        if request.method == "POST":
            schema = request.get_json()["schema"]
            number = crc32(schema.encode()) >> 1
            self._schemas[str(number)] = schema
            told: dict[str, object] = {"id": number}
        else:
            told = {"schema": self._schemas[request.path.rpartition("/")[2]]}
        return Response(json.dumps(told), content_type="application/json")


@pytest.mark.kafka
def test_events_wait_while_the_schema_registry_is_away_for_an_hour(
    kafka: KafkaBroker,
    topic_prefix: str,
    tmp_path: Path,
    httpserver: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_service = int(HOUR_S / framing._LAST_RETRY_S)
    by_collector = int(HOUR_S / RetryPolicy().max_s)
    monkeypatch.setattr(framing, "_FIRST_RETRY_S", 0.001)
    monkeypatch.setattr(framing, "_LAST_RETRY_S", 0.001)
    registry = SchemaRegistryAway(httpserver)
    ensure_topics(kafka.admin(), topic_prefix, partitions=2)
    with Coalmine(
        "bot",
        home=tmp_path,
        kafka_bootstrap_servers=kafka.bootstrap_servers,
        topic_prefix=topic_prefix,
        schema_registry_url=httpserver.url_for(""),
    ) as client:
        made = 0
        while registry.asked["POST"] < by_service:
            with client.call("p", version="1"):
                made += 1
            time.sleep(0.01)
        assert client.flush(60)
        assert (client.stats().spooled, client.stats().delivered) == (made, 0)
        registry.away = False
        eventually(lambda: client.stats().drained == made, what="events sent that waited")
        assert client.stats().dropped == {}

    registry.away = True
    store = Store.open(tmp_path / "store")
    collector = Collector(
        KafkaSource(
            KafkaSourceSettings(
                kafka.bootstrap_servers, group_id=topic_prefix + "group", topic_prefix=topic_prefix
            )
        ),
        store,
        BatchDecoder(SchemaResolver(SchemaRegistryClient(httpserver.url_for("")))),
        settings=CollectorSettings(retry=RetryPolicy(0.001, 0.001)),
    )
    collector.start()
    try:
        eventually(lambda: registry.asked["GET"] >= by_collector, what="an hour of questions")
        assert collector.health().state == "waiting"
        assert str(collector.health().reason).startswith("decoding:")
        registry.away = False
        eventually(lambda: collector.health().stored == made, what="all stored")
        assert (collector.health().dead_lettered, collector.health().duplicates) == (0, 0)
    finally:
        assert collector.stop(60)
        store.close()

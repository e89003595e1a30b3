"""Frames with a schema registry, above all with one that is not there."""

import logging
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pytest_httpserver import HTTPServer

from coalmine import Coalmine
from coalmine.framing import RegistryFraming
from coalmine_schemas.codec import Decoder
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_schemas.registry_client import SchemaRegistryClient
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.spool_format import list_open, list_sealed
from coalmine_schemas.topics import topic_name
from tests.support.eventually import eventually
from tests.support.oracles.produced import Produced, ids, in_kafka, requests_of, spooled
from tests.support.servers.kafka_broker import KafkaBroker
from tests.support.servers.ports import free_port
from tests.support.servers.round_robin import RoundRobin
from tests.support.servers.schema_registry import SchemaRegistry


def _create_topics(broker: KafkaBroker, prefix: str) -> None:
    broker.create_topics(*(topic_name(event, prefix) for event in ("requests", "feedback", "scores")))


def _client(home: Path, broker: KafkaBroker, prefix: str, registry_url: str) -> Coalmine:
    return Coalmine(
        "bot",
        home=home,
        kafka_bootstrap_servers=broker.bootstrap_servers,
        topic_prefix=prefix,
        schema_registry_url=registry_url,
    )


def _call(cm: Coalmine) -> str:
    with cm.call("p", version="1") as call:
        pass
    return call.request_id


def _in_kafka(broker: KafkaBroker, prefix: str, registry_url: str) -> list[Produced]:
    with closing(SchemaRegistryClient(registry_url)) as client:
        return in_kafka(broker.bootstrap_servers, prefix, decoder=Decoder(SchemaResolver(client)))


@pytest.mark.kafka
def test_a_registry_gives_confluent_frames(
    kafka: KafkaBroker, schema_registry: SchemaRegistry, topic_prefix: str, tmp_path: Path
) -> None:
    _create_topics(kafka, topic_prefix)
    with _client(tmp_path, kafka, topic_prefix, schema_registry.url) as cm:
        made = [_call(cm)]
        eventually(lambda: list_sealed(tmp_path / "spool") == list_open(tmp_path / "spool") == [])
        made += [_call(cm) for _ in range(20)]
        cm.feedback(made[0], thumbs="up")
        cm.score(made[0], "quality", 1.0)
        assert cm.flush(30)
        eventually(lambda: cm.stats().delivered + cm.stats().drained == 23)
    found = _in_kafka(kafka, topic_prefix, schema_registry.url)
    assert ids(one for one in found if one.event == "requests") == dict.fromkeys(made, 1)
    assert all(one.schema_ref.startswith("id:") for one in found)
    assert {one.event for one in found} == {"requests", "feedback", "scores"}


@pytest.mark.kafka
def test_a_registry_that_is_down_at_the_start_blocks_nothing_and_is_found_when_it_comes(
    kafka: KafkaBroker,
    schema_registry: SchemaRegistry,
    topic_prefix: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _create_topics(kafka, topic_prefix)
    with (
        caplog.at_level(logging.WARNING),
        RoundRobin([]) as way,
        _client(tmp_path, kafka, topic_prefix, way.url + urlsplit(schema_registry.url).path) as cm,
    ):
        made = [_call(cm) for _ in range(200)]
        assert cm.flush(30)
        assert (cm.stats().spooled, cm.stats().delivered) == (200, 0)
        assert all(one.schema_ref.startswith("fingerprint:") for one in spooled(tmp_path))
        assert in_kafka(kafka.bootstrap_servers, topic_prefix) == []
        way.servers = [schema_registry.url]
        eventually(lambda: cm.stats().drained == 200, within_s=120)
        made.append(_call(cm))
        assert cm.flush(30)
        assert cm.stats().delivered == 1
    found = _in_kafka(kafka, topic_prefix, schema_registry.url)
    assert ids(found) == dict.fromkeys(made, 1)
    assert all(one.schema_ref.startswith("id:") for one in found)
    assert len([line for line in caplog.messages if "registry does not answer" in line]) == 1


def test_a_registry_is_not_asked_when_only_the_spool_is_used(tmp_path: Path) -> None:
    with Coalmine("bot", home=tmp_path, schema_registry_url=f"http://127.0.0.1:{free_port()}") as cm:
        made = _call(cm)
    assert [record["request_id"] for record in requests_of(spooled(tmp_path))] == [made]


def test_a_registry_that_refuses_is_asked_again_later_and_said_so(
    httpserver: HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    refusal = {"error_code": 42201, "message": "Invalid schema"}
    httpserver.expect_request("/subjects/acme.requests-value/versions").respond_with_json(refusal, status=422)
    log = RateLimitedLogger(logging.getLogger("coalmine"))
    framing = RegistryFraming(SchemaRegistryClient(httpserver.url_for("")), topic_prefix="acme.", log=log)
    framing.start()
    try:
        eventually(lambda: "refuses our schemas" in caplog.text)
        assert not framing.ready()
    finally:
        framing.stop()


def test_a_frame_of_another_kind_or_schema_is_left_as_it_is(httpserver: HTTPServer) -> None:
    log = RateLimitedLogger(logging.getLogger("coalmine"))
    httpserver.expect_request("/subjects/acme.requests-value/versions").respond_with_json({"id": 7})
    httpserver.expect_request("/subjects/acme.feedback-value/versions").respond_with_json({"id": 8})
    httpserver.expect_request("/subjects/acme.scores-value/versions").respond_with_json({"id": 9})
    framing = RegistryFraming(SchemaRegistryClient(httpserver.url_for("")), topic_prefix="acme.", log=log)
    framing.start()
    eventually(framing.ready)
    for frame in (b"", b"\x00\x00\x00\x00\x07payload", b"\xc3\x01" + bytes(8) + b"payload"):
        assert framing.reframe(frame) == frame

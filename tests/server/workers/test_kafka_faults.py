"""What the server does on Kafka behind a proxy that misbehaves in front of a real broker is done later."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest
from confluent_kafka import KafkaException

from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_schemas.errors import Transient
from coalmine_schemas.prompts import PromptContent
from coalmine_schemas.topics import topic_name
from coalmine_server.services.wiring import make_topics
from coalmine_server.settings import KafkaSettings, Settings
from coalmine_server.workers.registry import EventPublisher, open_channel
from tests.support.eventually import eventually
from tests.support.oracles.produced import in_kafka
from tests.support.servers.kafka_broker import KafkaBroker
from tests.support.servers.kafka_proxy import FAULTS, Fault, KafkaProxy

pytestmark = pytest.mark.kafka

ALICE = Actor("alice", Role.AUTHOR, "token-of-alice")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry.open(tmp_path / "registry.db") as opened:
        opened.register(ALICE, "greet", "1.0.0", PromptContent(template="Hello"))
        opened.register(ALICE, "greet", "1.0.1", PromptContent(template="Hi"))
        yield opened


@pytest.fixture
def settings(
    proxied_kafka: tuple[KafkaBroker, KafkaProxy],
    topic_prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """Behind the proxy, and soon out of patience."""
    monkeypatch.setattr("coalmine_server.workers.registry.DELIVERY_TIMEOUT_S", 1.0)
    monkeypatch.setattr("coalmine_consumers.sources.kafka_topics.LIST_TIMEOUT_S", 1.0)
    servers = proxied_kafka[1].bootstrap_servers
    return Settings(home=tmp_path, kafka=KafkaSettings(bootstrap_servers=servers, topic_prefix=topic_prefix))


@pytest.mark.parametrize("fault", FAULTS)
def test_events_of_deployments_are_sent_in_order_once_a_fault_is_over(
    proxied_kafka: tuple[KafkaBroker, KafkaProxy], settings: Settings, registry: Registry, fault: Fault
) -> None:
    broker, proxy = proxied_kafka
    prefix = settings.kafka.topic_prefix
    proxy.only_topic = topic_name("deployments", prefix)
    registry.promote(ALICE, "greet", "1.0.0", "dev")
    with closing(EventPublisher(registry, open_channel(settings, Event()))) as publisher:
        assert publisher.publish() == 1
        proxy.fault = "reset"  # a new connection is needed
        proxy.fault = fault
        registry.promote(ALICE, "greet", "1.0.1", "dev")
        for _ in range(2):
            with pytest.raises((Transient, KafkaException)):
                publisher.publish()
        proxy.fault = "none"
        registry.promote(ALICE, "greet", "1.0.0", "dev")

        def sent() -> bool:
            try:
                publisher.publish()
            except (Transient, KafkaException):
                return False
            return not registry.outbox_pending(1)

        eventually(sent, what="an empty outbox")
    found = in_kafka(broker.bootstrap_servers, prefix)
    revisions = [one.record["revision"] for one in found if one.event == "deployments"]
    assert list(dict.fromkeys(revisions)) == [1, 2, 3]


@pytest.mark.parametrize("fault", FAULTS)
def test_topics_are_made_once_a_fault_is_over(
    proxied_kafka: tuple[KafkaBroker, KafkaProxy], settings: Settings, fault: Fault
) -> None:
    broker, proxy = proxied_kafka
    proxy.only_topic = None
    proxy.fault = fault
    with pytest.raises(Transient):
        make_topics(settings.kafka)
    proxy.fault = "none"

    def made() -> bool:
        try:
            make_topics(settings.kafka)
        except Transient:
            return False
        return True

    eventually(made, what="topics")
    name, admin = topic_name("requests", settings.kafka.topic_prefix), broker.admin()
    eventually(lambda: name in admin.list_topics(timeout=30).topics, what="the broker to list them")

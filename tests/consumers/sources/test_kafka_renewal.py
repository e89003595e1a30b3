"""A Kafka source that goes on when its client does not."""

import gc
import random
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from coalmine_consumers.errors import SourceMisconfigured
from coalmine_consumers.raw import RawBatch
from coalmine_consumers.sources.base import Positions, SourceLag
from coalmine_consumers.sources.kafka import KafkaSource
from coalmine_consumers.sources.kafka_renewal import FAILURES, RenewedKafkaSource
from coalmine_consumers.sources.kafka_settings import KafkaSourceSettings
from coalmine_schemas.kafka_watchdog import Watchdog
from tests.support.campaign import size
from tests.support.doubles.source_harness import KafkaHarness, Ledger, drain
from tests.support.eventually import eventually
from tests.support.servers.kafka_broker import KafkaBroker
from tests.support.servers.kafka_proxy import FAULTS, Fault, KafkaProxy, under_each_fault

SESSION_S = float(size(2, 3))
FENCED = "Kafka: Fatal error: Broker: Static consumer fenced by other consumer with same group.instance.id"


class _Client:
    """One client's source: fails when told, and answers when told."""

    def __init__(self) -> None:
        self.fails = False
        self.hears = True
        self.started = False
        self.closed = False

    def start(self, positions: Callable[[], Positions], quiesce: Callable[[], None]) -> None:
        self.started = True

    def poll(self, max_messages: int, timeout_s: float) -> RawBatch | None:
        if self.fails:
            raise SourceMisconfigured(FENCED)
        return None

    def answers(self, within_s: float) -> bool:
        return self.hears

    def lag(self) -> SourceLag:
        return SourceLag(0)

    def close(self) -> None:
        self.closed = True


class _World:
    """Clients in the order they were made, and a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.clients: list[_Client] = []
        self.reachable = True
        dog = Watchdog("b:1", takes_connections=lambda _servers: self.reachable, clock=lambda: self.now)
        self.source = RenewedKafkaSource(
            KafkaSourceSettings("b:1", session_timeout_s=30),
            make=self._make,  # type: ignore[arg-type]
            watchdog=dog,
            clock=lambda: self.now,
        )
        self.source.start(dict, lambda: None)

    def _make(self, settings: KafkaSourceSettings) -> _Client:
        self.clients.append(_Client())
        return self.clients[-1]

    def polls(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.source.poll(10, 0.1)
            time.sleep(0.002)  # for the thread that looks at the address
            self.now += 0.5


@pytest.fixture
def world() -> _World:
    return _World()


def test_a_client_that_failed_is_followed_by_another(world: _World) -> None:
    for number in range(2 * FAILURES):
        world.polls(60)
        world.clients[-1].fails = True
        world.polls(0.5)
        assert len(world.clients) == number + 2
    assert all(client.started for client in world.clients)
    eventually(lambda: all(client.closed for client in world.clients[:-1]))


def test_clients_that_all_fail_end_the_source_and_say_what_to_do(world: _World) -> None:
    for _ in range(FAILURES - 1):
        world.clients[-1].fails = True
        world.polls(0.5)
    world.clients[-1].fails = True
    with pytest.raises(SourceMisconfigured, match=r"fenced.*3 times within 45 s.*group-instance-id"):
        world.polls(0.5)


def test_a_client_that_hears_nothing_is_made_anew_only_while_its_broker_takes_connections(
    world: _World,
) -> None:
    world.polls(60)
    world.clients[0].hears = False
    world.reachable = False
    world.polls(120)
    assert len(world.clients) == 1
    world.reachable = True
    world.polls(20)
    assert len(world.clients) == 2


def test_a_closed_source_frees_its_admin_client_itself() -> None:
    made: list[weakref.ref[AdminClient]] = []

    def make_admin(*arguments: Any, **named: Any) -> AdminClient:
        admin = AdminClient(*arguments, **named)
        made.append(weakref.ref(admin))
        return admin

    source = KafkaSource(KafkaSourceSettings("127.0.0.1:9"), make_admin=make_admin)
    source.start(dict, lambda: None)
    source.poll(10, 0.0)  # asks the broker, and is not answered
    gc.disable()
    try:
        source.close()
        assert made[0]() is None
    finally:
        gc.enable()


def _survives(broker: KafkaBroker, proxy: KafkaProxy, prefix: str, fault: Fault, lasts_s: float) -> float:
    """Returns how long after the fault everything was read, in seconds."""
    harness = KafkaHarness(broker, prefix)
    settings = replace(
        harness.settings(), bootstrap_servers=proxy.bootstrap_servers, session_timeout_s=SESSION_S
    )
    ledger = Ledger()
    source = RenewedKafkaSource(settings)
    source.start(ledger.read_positions, ledger.quiesce)
    try:
        harness.produce("requests", [b"before"] * 10)
        drain(source, ledger, 10)
        proxy.fault = fault
        began = time.monotonic()
        while time.monotonic() - began < lasts_s:
            batch = source.poll(1000, 0.1)
            if batch is not None:
                ledger.commit(batch, source)
        proxy.fault = "none"
        over_at = time.monotonic()
        harness.produce("requests", [b"after"] * 10)
        drain(source, ledger, 20, timeout_s=90)
        back_after_s = time.monotonic() - over_at
        assert ledger.values["requests"] == [b"before"] * 10 + [b"after"] * 10
        assert ledger.gaps == []
    finally:
        proxy.fault = "none"
        source.close()
    return back_after_s


@pytest.mark.kafka
def test_a_fault_longer_than_the_session_costs_nothing_and_needs_nobody(
    kafka: KafkaBroker, topic_prefix: str
) -> None:
    under_each_fault(
        kafka,
        lambda proxy, fault: _survives(kafka, proxy, f"{topic_prefix}{fault}-", fault, lasts_s=2 * SESSION_S),
    )


@pytest.mark.kafka
@pytest.mark.campaign
@pytest.mark.parametrize("trial", range(100))
def test_any_fault_of_any_length_costs_nothing_and_needs_nobody(
    proxied_kafka: tuple[KafkaBroker, KafkaProxy],
    topic_prefix: str,
    trial: int,
    record_property: Callable[[str, object], None],
) -> None:
    # As many short ones as long ones.
    lasts_s = 90 ** random.Random(trial).random()
    back_after_s = _survives(*proxied_kafka, topic_prefix, FAULTS[trial % len(FAULTS)], lasts_s)
    record_property("back_after_s", round(back_after_s, 1))


def _survives_of_admin(broker: KafkaBroker, proxy: KafkaProxy, prefix: str, fault: Fault) -> None:
    harness = KafkaHarness(broker, prefix)
    ledger = Ledger()

    def make_admin(config: dict[str, Any], **named: Any) -> AdminClient:
        return AdminClient({**config, "bootstrap.servers": proxy.bootstrap_servers}, **named)

    def all_begun() -> bool:
        batch = source.poll(1000, 0.1)
        if batch is not None:
            ledger.commit(batch, source)
        return len(ledger.positions) == 8  # four topics of two partitions

    source = RenewedKafkaSource(
        harness.settings(), make=lambda settings: KafkaSource(settings, make_admin=make_admin)
    )
    source.start(ledger.read_positions, ledger.quiesce)
    try:
        harness.produce("requests", [b"before"] * 10)
        drain(source, ledger, 10)
        eventually(all_begun)  # no answer is on its way any more
        proxy.fault = "reset"  # a new connection is needed
        proxy.fault = fault
        source.rewind()  # nothing is read until the broker was asked where logs begin and end
        harness.produce("requests", [b"after"] * 10)
        began = time.monotonic()
        while time.monotonic() - began < size(1, 3):
            assert source.poll(1000, 0.1) is None
        proxy.fault = "none"
        drain(source, ledger, 20)
    finally:
        proxy.fault = "none"
        source.close()


@pytest.mark.kafka
def test_a_fault_of_the_admin_client_alone_costs_nothing_and_needs_nobody(
    kafka: KafkaBroker, topic_prefix: str
) -> None:
    under_each_fault(
        kafka, lambda proxy, fault: _survives_of_admin(kafka, proxy, f"{topic_prefix}{fault}-", fault)
    )


@pytest.mark.kafka
def test_of_two_processes_with_one_store_id_one_goes_on(kafka: KafkaBroker, topic_prefix: str) -> None:
    harness = KafkaHarness(kafka, topic_prefix)
    settings = harness.settings()
    both = [RenewedKafkaSource(settings), RenewedKafkaSource(settings)]
    for source in both:
        source.start(dict, lambda: None)
    ended: list[RenewedKafkaSource] = []

    def one_ended() -> bool:
        for source in both:
            try:
                source.poll(10, 0.1)
            except SourceMisconfigured as error:
                assert "group-instance-id" in str(error)
                ended.append(source)
        return bool(ended)

    eventually(one_ended)
    (other,) = set(both) - set(ended)
    ended[0].close()
    harness.produce("requests", [b"more"])
    eventually(lambda: (batch := other.poll(10, 0.1)) and batch.messages == 1)
    other.close()

"""The client behind a proxy that misbehaves in front of a real broker: it always comes back by itself."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from coalmine import Coalmine
from coalmine_schemas.spool_format import list_open, list_sealed, recover
from coalmine_schemas.topics import topic_name
from tests.support.eventually import eventually
from tests.support.oracles.produced import ids, in_kafka, spooled
from tests.support.servers.kafka_broker import KafkaBroker
from tests.support.servers.kafka_proxy import FAULTS, Fault, KafkaProxy, under_each_fault

pytestmark = pytest.mark.kafka


def _call(cm: Coalmine) -> str:
    with cm.call("p", version="1") as call:
        pass
    return call.request_id


def _survives(
    broker: KafkaBroker, proxy: KafkaProxy, prefix: str, home: Path, fault: Fault, lasts_s: float
) -> float:
    """Returns how long after the fault something was delivered, in seconds."""
    broker.create_topics(*(topic_name(event, prefix) for event in ("requests", "feedback", "scores")))
    proxy.only_topic = topic_name("requests", prefix)
    with Coalmine(
        "bot",
        home=home,
        kafka_bootstrap_servers=proxy.bootstrap_servers,
        # So that a short fault is met by a question for metadata; by itself it comes every 5 minutes.
        kafka_config={"topic.metadata.refresh.interval.ms": 500},
        topic_prefix=prefix,
    ) as cm:
        made = [_call(cm)]
        eventually(lambda: cm.stats().delivered == 1 or cm.stats().drained == 1)
        proxy.fault = fault
        began = time.monotonic()
        while time.monotonic() - began < lasts_s:
            made.append(_call(cm))
            time.sleep(0.02)
        proxy.fault = "none"
        over_at, before = time.monotonic(), cm.stats().delivered

        def came_back() -> bool:
            made.append(_call(cm))
            return cm.stats().delivered > before

        eventually(came_back, within_s=60, what=f"delivery after {lasts_s:.1f} s of {fault}")
        back_after_s = time.monotonic() - over_at
        assert cm.flush(30)
        eventually(
            lambda: list_sealed(home / "spool") == list_open(home / "spool") == [], what="a drained spool"
        )
        assert cm.stats().dropped == {}
    assert set(ids(in_kafka(broker.bootstrap_servers, prefix))) == set(made)
    return back_after_s


def test_a_short_fault_costs_nothing_and_needs_nobody(
    kafka: KafkaBroker, topic_prefix: str, tmp_path: Path
) -> None:
    under_each_fault(
        kafka,
        lambda proxy, fault: _survives(
            kafka, proxy, f"{topic_prefix}{fault}-", tmp_path / fault, fault, lasts_s=3
        ),
    )


@pytest.mark.campaign
@pytest.mark.parametrize("trial", range(100))
def test_any_fault_of_any_length_costs_nothing_and_needs_nobody(
    proxied_kafka: tuple[KafkaBroker, KafkaProxy],
    topic_prefix: str,
    tmp_path: Path,
    trial: int,
    record_property: Callable[[str, object], None],
) -> None:
    chosen = random.Random(trial)
    # As many short ones as long ones.
    lasts_s = 90 ** chosen.random()
    back_after_s = _survives(*proxied_kafka, topic_prefix, tmp_path, FAULTS[trial % len(FAULTS)], lasts_s)
    record_property("back_after_s", round(back_after_s, 1))


_KILLED = """
import os, signal, sys, time
from coalmine import Coalmine
home, servers, prefix = sys.argv[1:]
cm = Coalmine("bot", home=home, kafka_bootstrap_servers=servers, topic_prefix=prefix)
def call():
    with cm.call("p", version="1") as call:
        pass
    return call.request_id
print(call(), flush=True)
while cm.stats().delivered + cm.stats().drained == 0:
    time.sleep(0.01)
print("connected", flush=True)
sys.stdin.readline()  # Kafka is away
began = time.monotonic()
while time.monotonic() < began + 5:
    print(call(), "safe" if time.monotonic() < began + 2 else "late", flush=True)
    time.sleep(0.002)
print(cm.stats(), file=sys.stderr, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def _is_killed(broker: KafkaBroker, proxy: KafkaProxy, prefix: str, home: Path, fault: Fault) -> None:
    broker.create_topics(*(topic_name(event, prefix) for event in ("requests", "feedback", "scores")))
    service = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(home), proxy.bootstrap_servers, prefix],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert service.stdin is not None and service.stdout is not None
        told = [service.stdout.readline(), service.stdout.readline()]
        assert told[1] == "connected\n"
        proxy.fault = fault
        service.stdin.write("go\n")
        service.stdin.flush()
        told += list(service.stdout)
    finally:
        proxy.fault = "none"
        service.kill()
        service.communicate()
    made = [line.split() for line in told if line != "connected\n"]
    safe = {line[0] for line in made if line[-1] != "late"}
    assert len(safe) > 100
    recover(home / "spool")
    found = {*ids(spooled(home)), *ids(in_kafka(broker.bootstrap_servers, prefix))}
    assert safe <= found
    # And of what came later the most: the spool is written every 50 ms.
    assert len(found) > 0.8 * len(made)


def test_a_service_killed_in_an_outage_loses_its_last_moment_only(
    kafka: KafkaBroker, topic_prefix: str, tmp_path: Path
) -> None:
    under_each_fault(
        kafka,
        lambda proxy, fault: _is_killed(kafka, proxy, f"{topic_prefix}{fault}-", tmp_path / fault, fault),
        ("refuse", "hang"),
    )

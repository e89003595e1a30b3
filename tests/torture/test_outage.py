"""The broker stops in order and is gone for longer than a delivery may take, and a service is killed.

Nothing is raised into the service, everything it produced is stored, and nobody has to do anything.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from coalmine import Coalmine
from coalmine_consumers.collector.collector import Collector
from coalmine_consumers.sources.kafka_renewal import RenewedKafkaSource
from coalmine_consumers.sources.kafka_settings import KafkaSourceSettings
from coalmine_consumers.sources.kafka_topics import ensure_topics
from coalmine_consumers.sources.spool import SpoolSource
from coalmine_consumers.store import Store
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.resolver import SchemaResolver
from tests.support.campaign import size
from tests.support.eventually import eventually
from tests.support.servers.kafka_broker import KafkaBroker

OUTAGE_S = size(3, 20)
OUTAGES = size(1, 10)


def stored_ids(store: Store) -> set[str]:
    rows = store.reader().table("SELECT request_id::VARCHAR AS id FROM requests")
    return set(rows["id"].to_pylist())


@pytest.mark.kafka
def test_a_broker_gone_for_a_while_costs_nothing_and_needs_nobody(
    own_kafka: Callable[..., KafkaBroker],
    topic_prefix: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    broker = own_kafka()
    ensure_topics(broker.admin(), topic_prefix, partitions=3)
    store = Store.open(tmp_path / "store")
    source = RenewedKafkaSource(
        KafkaSourceSettings(
            broker.bootstrap_servers, group_id=topic_prefix + "group", topic_prefix=topic_prefix
        )
    )
    collector = Collector(source, store, BatchDecoder(SchemaResolver()))
    collector.start()
    client = Coalmine(
        "bot",
        home=tmp_path,
        kafka_bootstrap_servers=broker.bootstrap_servers,
        topic_prefix=topic_prefix,
        kafka_delivery_timeout_s=2.0,
    )
    made: list[str] = []
    raised: list[Exception] = []
    over = threading.Event()

    def serve() -> None:
        try:
            while not over.wait(0.005):
                with client.call("p", version="1", unit_id=f"u{len(made)}") as call:
                    pass
                made.append(call.request_id)
        except Exception as error:  # noqa: BLE001 - the point of the test
            raised.append(error)

    def stop_for_a_while(lasts_s: float) -> None:
        broker.stop()
        stopped = time.monotonic()
        eventually(lambda: collector.health().lag.note is not None, within_s=60)
        eventually(lambda: time.monotonic() - stopped >= lasts_s)
        before = len(made)
        broker.start()
        eventually(lambda: len(stored_ids(store) & set(made[before:])) > 100, within_s=180)

    service = threading.Thread(target=serve)
    service.start()
    try:
        eventually(lambda: collector.health().stored > 100)
        for number in range(OUTAGES):
            # Every other one is a restart.
            stop_for_a_while(OUTAGE_S if number % 2 == 0 else 0)
        over.set()
        service.join()
        assert client.flush(60)
        eventually(lambda: client.stats().drained >= client.stats().spooled, within_s=60)
        eventually(lambda: collector.health().stored >= len(made), within_s=60)
        assert collector.health().lag.note is None
    except AssertionError as error:
        error.add_note(f"{len(made)} made, {collector.health()}\n{client.stats()}")
        raise
    finally:
        over.set()
        client.close(10)
        assert collector.stop(30)
    record_property("tried", f"{OUTAGES} stops, half of them for {OUTAGE_S} s, {len(made):,} calls")
    assert raised == []
    assert client.stats().dropped == {}
    assert stored_ids(store) == set(made)
    health = collector.health()
    assert health.consumed == health.stored + health.duplicates
    assert (health.dead_lettered, health.gaps) == (0, 0)
    store.close()


def test_what_a_killed_service_had_sealed_is_stored_and_its_open_file_up_to_the_last_whole_block(
    tmp_path: Path,
) -> None:
    code = f"""
import os, signal, sys, time
from coalmine import Coalmine
cm = Coalmine("bot", home={str(tmp_path)!r})
def made(count):
    for number in range(count):
        with cm.call("p", version="1") as call:
            pass
        yield call.request_id
safe = list(made(3000))
assert cm.flush(30)
time.sleep(0.7)  # so that its file is sealed
safe += made(500)
assert cm.flush(30)
print("safe", *safe, flush=True)
print("lost?", *made(2000), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert ended.returncode == -9, ended.stderr
    safe, maybe = (set(line.split()[1:]) for line in ended.stdout.splitlines())
    store = Store.open(tmp_path / "store")
    collector = Collector(SpoolSource(tmp_path / "spool"), store, BatchDecoder(SchemaResolver()))
    collector.start()
    assert collector.wait_until_dry(60)
    assert collector.stop(30)
    found = stored_ids(store)
    assert safe <= found <= safe | maybe
    assert collector.health().duplicates == collector.health().dead_lettered == collector.health().gaps == 0
    assert list((tmp_path / "spool").iterdir()) == []
    store.close()

"""The client on a real broker that comes and goes: nothing raised, nothing lost."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError

from coalmine import Coalmine, Stats
from coalmine.emitters.kafka import KafkaEmitter
from coalmine_schemas.catalogue import latest
from coalmine_schemas.spool_format import SpoolRecord, SpoolWriter, list_open, list_sealed
from coalmine_schemas.topics import topic_name
from tests.support.data.replies import OPENAI_CHAT
from tests.support.eventually import eventually
from tests.support.oracles.produced import ids, in_kafka, spooled
from tests.support.servers.kafka_broker import KafkaBroker
from tests.support.servers.kafka_proxy import KafkaProxy
from tests.support.servers.ports import free_port

pytestmark = pytest.mark.kafka


def _create_topics(broker: KafkaBroker, prefix: str, **config: str) -> None:
    names = [topic_name(event, prefix) for event in ("requests", "feedback", "scores")]
    broker.create_topics(*names, partitions=3, config=config)


def _client(home: Path, bootstrap_servers: str, prefix: str, **arguments: Any) -> Coalmine:
    return Coalmine(
        "bot",
        home=home,
        kafka_bootstrap_servers=bootstrap_servers,
        topic_prefix=prefix,
        **{"kafka_delivery_timeout_s": 4.0, **arguments},
    )


def _call(cm: Coalmine, unit_id: str | None = None) -> str:
    with cm.call("p", version="1", unit_id=unit_id) as call:
        call.record(OPENAI_CHAT)
    return call.request_id


def _adds_up(stats: Stats) -> bool:
    return stats.produced == stats.delivered + stats.spooled + sum(stats.dropped.values()) + stats.queued


@pytest.fixture
def topics(kafka: KafkaBroker, topic_prefix: str) -> Iterator[str]:
    _create_topics(kafka, topic_prefix)
    yield topic_prefix


def test_events_arrive_keyed_and_framed(kafka: KafkaBroker, topics: str, tmp_path: Path) -> None:
    with _client(tmp_path, kafka.bootstrap_servers, topics) as cm:
        made = [_call(cm, f"u{number}") for number in range(500)]
        cm.feedback(made[0], thumbs="up")
        cm.score(made[0], "quality", 1.0)
        assert cm.flush(60)
        assert cm.stats() == Stats(
            produced=502, delivered=502, spooled=0, drained=0, queued=0, dropped={}, problems={}
        )
    found = in_kafka(kafka.bootstrap_servers, topics)
    calls = [one for one in found if one.event == "requests"]
    assert ids(calls) == dict.fromkeys(made, 1)
    assert all(one.key == one.record["unit_id"].encode() for one in calls)
    assert {one.key for one in found if one.event != "requests"} == {made[0].encode()}
    assert {one.schema_ref for one in calls} == {f"fingerprint:{latest('requests').fingerprint.hex()}"}
    assert not (tmp_path / "spool").exists() or list_sealed(tmp_path / "spool") == []


def test_a_broker_away_while_threads_produce_loses_nothing(
    proxied_kafka: tuple[KafkaBroker, KafkaProxy],
    topics: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker, proxy = proxied_kafka
    made: list[list[str]] = [[], [], []]
    raised: list[BaseException] = []
    slowest_s = [0.0, 0.0, 0.0]
    over = threading.Event()

    def produce(cm: Coalmine, thread: int) -> None:
        try:
            while not over.is_set():
                began = time.perf_counter()
                made[thread].append(_call(cm))
                slowest_s[thread] = max(slowest_s[thread], time.perf_counter() - began)
                time.sleep(0.002)
        except BaseException as error:  # noqa: BLE001 - the point of the test
            raised.append(error)

    with (
        caplog.at_level(logging.INFO),
        _client(tmp_path, proxy.bootstrap_servers, topics, kafka_delivery_timeout_s=2.0) as cm,
    ):
        threads = [threading.Thread(target=produce, args=(cm, thread)) for thread in range(3)]
        for thread in threads:
            thread.start()
        eventually(lambda: cm.stats().delivered > 300)
        proxy.fault = "refuse"
        stopped = time.monotonic()
        eventually(lambda: cm.stats().spooled > 100)
        # Twice the delivery timeout. `tests/torture/test_outage.py` stops a broker.
        eventually(lambda: time.monotonic() - stopped >= 4)
        proxy.fault = "none"
        before = cm.stats().delivered
        eventually(lambda: cm.stats().delivered > before + 300, within_s=90)
        over.set()
        for running in threads:
            running.join()
        assert cm.flush(60)
        eventually(lambda: cm.stats().drained >= cm.stats().spooled, within_s=60)
        eventually(lambda: list_sealed(tmp_path / "spool") == list_open(tmp_path / "spool") == [])
        stats = cm.stats()

    assert raised == []
    assert stats.dropped == {}
    assert _adds_up(stats)
    everything = {request_id for own in made for request_id in own}
    found = ids(in_kafka(broker.bootstrap_servers, topics))
    assert set(found) == everything
    # Copies are allowed, since what timed out may have arrived; they are the exception.
    assert found.total() < 2 * len(everything)
    # Not one call waited for Kafka, which would have taken the delivery timeout.
    assert max(slowest_s) < 2
    lines = [record.getMessage() for record in caplog.records if record.name == "coalmine"]
    assert any("the spool does" in line for line in lines)
    assert any("again" in line for line in lines)
    assert len(lines) <= 12, lines


@pytest.mark.campaign  # `tests/torture/test_outage.py` always stops and starts a broker
def test_a_broker_killed_and_restarted_loses_nothing(
    own_kafka: Callable[..., KafkaBroker], topic_prefix: str, tmp_path: Path
) -> None:
    broker = own_kafka()
    _create_topics(broker, topic_prefix)
    with _client(tmp_path, broker.bootstrap_servers, topic_prefix) as cm:
        made = [_call(cm) for _ in range(2000)]
        broker.kill()
        assert not broker.running
        made += [_call(cm) for _ in range(2000)]
        broker.start()
        made += [_call(cm) for _ in range(100)]
        assert cm.flush(90)
        spool = tmp_path / "spool"
        eventually(lambda: list_sealed(spool) == list_open(spool) == [], within_s=60)
        assert cm.stats().dropped == {}
        assert _adds_up(cm.stats())
    assert set(ids(in_kafka(broker.bootstrap_servers, topic_prefix))) == set(made)


def test_what_nobody_took_is_sent_by_the_next_process(
    kafka: KafkaBroker, topics: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    cm = _client(tmp_path, nobody, topics, kafka_delivery_timeout_s=3600.0)
    made = [_call(cm) for _ in range(300)]
    assert not cm.flush(0.3)  # neither acknowledged nor given up
    assert cm.stats().queued == 300
    assert cm.close(3)
    assert cm.stats().spooled == 300
    assert _adds_up(cm.stats())
    assert ids(spooled(tmp_path)) == dict.fromkeys(made, 1)
    assert capfd.readouterr().err == ""  # librdkafka has a logger of ours

    with _client(tmp_path, kafka.bootstrap_servers, topics) as cm:
        made.append(_call(cm))  # the thread starts with the first event
        eventually(lambda: cm.stats().drained == 300)
        eventually(lambda: list_sealed(tmp_path / "spool") == [])
        assert cm.flush(30)
    assert ids(in_kafka(kafka.bootstrap_servers, topics)) == dict.fromkeys(made, 1)


def test_a_broker_that_is_down_at_the_start_is_found_when_it_comes(
    proxied_kafka: tuple[KafkaBroker, KafkaProxy], topics: str, tmp_path: Path
) -> None:
    broker, proxy = proxied_kafka
    proxy.fault = "refuse"
    with _client(tmp_path, proxy.bootstrap_servers, topics, kafka_delivery_timeout_s=1.0) as cm:
        made = [_call(cm) for _ in range(50)]
        assert cm.flush(60)
        assert cm.stats().spooled == 50
        made += [_call(cm) for _ in range(50)]
        proxy.fault = "none"
        eventually(lambda: cm.stats().drained >= 50, within_s=60)
        made += [_call(cm) for _ in range(50)]
        assert cm.flush(60)
        assert cm.stats().delivered >= 50
        eventually(lambda: list_sealed(tmp_path / "spool") == list_open(tmp_path / "spool") == [])
    assert set(ids(in_kafka(broker.bootstrap_servers, topics))) == set(made)


_KILLED = """
import sys, time
from coalmine import Coalmine
cm = Coalmine("bot", home=sys.argv[1], kafka_bootstrap_servers=sys.argv[2], kafka_delivery_timeout_s=0.5)
while cm.stats().spooled < 200:
    with cm.call("p", version="1"):
        pass
    time.sleep(0.001)
print("spooled", cm.stats().spooled, flush=True)
time.sleep(60)
"""


def test_what_a_killed_process_spooled_is_sent_by_another(
    kafka: KafkaBroker, topics: str, tmp_path: Path
) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(tmp_path), nobody], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().split()
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    assert line[0] == "spooled"
    with _client(tmp_path, kafka.bootstrap_servers, topics) as cm:
        _call(cm)
        eventually(lambda: cm.stats().drained >= int(line[1]))
        eventually(lambda: list_sealed(tmp_path / "spool") == list_open(tmp_path / "spool") == [])
    found = ids(in_kafka(kafka.bootstrap_servers, topics))
    assert set(found.values()) == {1}
    assert len(found) >= int(line[1]) + 1


def test_several_processes_share_the_work_on_one_spool(
    kafka: KafkaBroker, topics: str, tmp_path: Path
) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    made: list[str] = []
    for _ in range(8):
        with _client(tmp_path, nobody, topics) as cm:
            made += [_call(cm) for _ in range(50)]
            cm.close(0.3)
    assert len(list_sealed(tmp_path / "spool")) == 8
    clients = [_client(tmp_path, kafka.bootstrap_servers, topics) for _ in range(3)]
    for cm in clients:
        made.append(_call(cm))
    eventually(lambda: list_sealed(tmp_path / "spool") == [])
    for cm in clients:
        assert cm.close(30)
    assert sum(cm.stats().drained for cm in clients) == 400
    assert ids(in_kafka(kafka.bootstrap_servers, topics)) == dict.fromkeys(made, 1)


def test_a_damaged_spool_file_is_set_aside_and_holds_up_nothing(
    kafka: KafkaBroker, topics: str, tmp_path: Path
) -> None:
    with Coalmine("bot", home=tmp_path) as cm:
        good = _call(cm)
        assert cm.flush(30)
        lost = _call(cm)
    first, second = list_sealed(tmp_path / "spool")
    damaged = bytearray(second.read_bytes())
    damaged[-1] ^= 0xFF
    second.write_bytes(damaged)
    (tmp_path / "spool" / "0.avro").write_bytes(b"nonsense")
    with _client(tmp_path, kafka.bootstrap_servers, topics) as cm:
        later = _call(cm)
        eventually(lambda: list_sealed(tmp_path / "spool") == [])
        assert cm.flush(30)
        assert cm.stats().problems == {"corrupt_spool_file": 2}
    assert ids(in_kafka(kafka.bootstrap_servers, topics)) == {good: 1, later: 1}
    assert lost
    kept = sorted(path.name for path in (tmp_path / "spool").iterdir())
    assert kept == ["0.avro.corrupt", f"{second.name}.corrupt"]
    assert not first.exists()


def test_an_event_the_broker_will_never_take_is_dropped_and_holds_up_nothing(
    kafka: KafkaBroker, topic_prefix: str, tmp_path: Path
) -> None:
    _create_topics(kafka, topic_prefix, **{"max.message.bytes": "3000"})
    huge = {f"noise{number}": os.urandom(200).hex() for number in range(20)}  # zstd must not help it
    alone = {"batch.size": 3000}
    with _client(tmp_path, kafka.bootstrap_servers, topic_prefix, kafka_config=alone) as cm:
        before = _call(cm)
        assert cm.flush(30)
        with cm.call("p", version="1", segments=huge):
            pass
        assert cm.flush(30)
        after = _call(cm)
        assert cm.flush(30)
        assert cm.stats().dropped == {"kafka_rejected": 1}
        assert _adds_up(cm.stats())
    assert ids(in_kafka(kafka.bootstrap_servers, topic_prefix)) == {before: 1, after: 1}

    with Coalmine("bot", home=tmp_path) as cm, cm.call("p", version="1", segments=huge):
        pass
    with _client(tmp_path, kafka.bootstrap_servers, topic_prefix) as cm:
        _call(cm)
        eventually(lambda: list_sealed(tmp_path / "spool") == [])
        assert cm.stats().problems == {"spooled_event_rejected": 1}


def test_events_that_are_too_large_only_together_all_arrive(
    kafka: KafkaBroker, topic_prefix: str, tmp_path: Path
) -> None:
    _create_topics(kafka, topic_prefix, **{"max.message.bytes": "20000"})
    made = []
    with _client(tmp_path, kafka.bootstrap_servers, topic_prefix) as cm:
        for _ in range(500):
            with cm.call("p", version="1", segments={"noise": os.urandom(200).hex()}) as call:
                made.append(call.request_id)
        assert cm.flush(60)
        eventually(lambda: list_sealed(tmp_path / "spool") == list_open(tmp_path / "spool") == [])
        assert cm.stats().dropped == cm.stats().problems == {}
        assert _adds_up(cm.stats())
    assert set(ids(in_kafka(kafka.bootstrap_servers, topic_prefix))) == set(made)


def test_what_a_replaced_producer_holds_at_the_end_is_spooled(
    kafka: KafkaBroker, topics: str, tmp_path: Path
) -> None:
    waits = {"linger.ms": 20_000}
    with _client(
        tmp_path, kafka.bootstrap_servers, topics, kafka_config=waits, kafka_delivery_timeout_s=60.0
    ) as cm:
        made = [_call(cm) for _ in range(3)]
        works = eventually(lambda: cm._pipeline._parts)
        emitter = works.emitter
        assert isinstance(emitter, KafkaEmitter)
        eventually(lambda: emitter._in_flight() == len(made))
        emitter._retired.append(emitter._producer)  # as where its reports did not all come in time
        emitter._producer = emitter._new_producer(emitter._config)
        cm.close(2)
        assert _adds_up(cm.stats())
    assert set(ids(spooled(tmp_path))) == set(made)


def test_late_reports_of_a_batch_too_large_are_judged_by_the_batches_of_their_time(
    kafka: KafkaBroker, topics: str, tmp_path: Path
) -> None:
    with _client(tmp_path, kafka.bootstrap_servers, topics) as cm:
        _call(cm)
        assert cm.flush(30)
        works = cm._pipeline._parts
        assert works is not None
        emitter = works.emitter
        assert isinstance(emitter, KafkaEmitter)
        emitter._config["batch.size"] = 20_000  # as after a renewal
        event: Any = b"x" * 25_000
        too_large = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
        late = emitter._of_the_event(too_large, event, 1_000_000)
        assert late.code() == KafkaError._INVALID_DIFFERENT_RECORD
        assert emitter._too_large == 0  # batches are smaller already
        assert emitter._of_the_event(too_large, event, 20_000) is too_large


def test_events_spooled_with_one_whose_topic_is_missing_are_sent_once(
    kafka: KafkaBroker, topic_prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kafka.create_topics(topic_name("requests", topic_prefix), partitions=1)
    with Coalmine("bot", home=tmp_path) as cm:
        made = [_call(cm) for _ in range(20)]
        assert cm.feedback(made[0], thumbs="up")
        made += [_call(cm) for _ in range(20)]
    soon = {"topic.metadata.refresh.interval.ms": 500}
    with _client(
        tmp_path, kafka.bootstrap_servers, topic_prefix, kafka_delivery_timeout_s=1.0, kafka_config=soon
    ) as cm:
        later = [_call(cm)]
        eventually(lambda: "Kafka does not accept events" in caplog.text)
        kafka.create_topics(topic_name("feedback", topic_prefix), partitions=1)

        def is_drained() -> bool:
            later.append(_call(cm))
            return list_sealed(tmp_path / "spool") == list_open(tmp_path / "spool") == []

        eventually(is_drained, within_s=60)
    found = ids(in_kafka(kafka.bootstrap_servers, topic_prefix))
    assert set(found) > {*made, *later}
    assert {found[request_id] for request_id in made} == {1}


def test_a_spooled_event_of_no_known_topic_holds_up_nothing(
    kafka: KafkaBroker, topics: str, tmp_path: Path
) -> None:
    writer = SpoolWriter(tmp_path / "spool")
    writer.write([SpoolRecord("gossip", None, b"x", 0)])
    writer.close()
    with _client(tmp_path, kafka.bootstrap_servers, topics) as cm:
        _call(cm)
        eventually(lambda: list_sealed(tmp_path / "spool") == [])
        assert cm.stats().problems == {"spooled_event_rejected": 1}


def test_parent_and_forked_children_each_send_their_own_to_kafka(
    kafka: KafkaBroker, topics: str, tmp_path: Path
) -> None:
    with _client(tmp_path, kafka.bootstrap_servers, topics) as cm:
        _call(cm, "parent")
        assert cm.flush(30)
        for _ in range(3):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    _call(cm, "child")
                    code = 0 if cm.close(30) and cm.stats().delivered == 1 else 2
                finally:
                    os._exit(code)
            _call(cm, "parent")
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert cm.flush(30)
        assert cm.stats().delivered == 4
    found = in_kafka(kafka.bootstrap_servers, topics)
    assert set(ids(found).values()) == {1}
    assert sorted(one.record["unit_id"] for one in found) == ["child"] * 3 + ["parent"] * 4


def test_a_forked_child_that_ends_as_a_program_does_is_not_held_up(
    kafka: KafkaBroker, topics: str, tmp_path: Path
) -> None:
    code = """
import os, sys
from coalmine import Coalmine
cm = Coalmine("bot", home=sys.argv[1], kafka_bootstrap_servers=sys.argv[2], topic_prefix=sys.argv[3])
with cm.call("p", version="1"):
    pass
assert cm.flush(30)
child = os.fork()
if child:
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
else:
    with cm.call("p", version="1"):
        pass
# both end here, with interpreters that free everything
"""
    arguments = [str(tmp_path), kafka.bootstrap_servers, topics]
    # From 3.12 on, Python warns of forks of a process that has threads.
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith("librdkafka")]
    assert (done.stdout, said) == ("0\n", [])  # the broker may say that it still loads
    assert len(ids(in_kafka(kafka.bootstrap_servers, topics))) == 2


def test_more_events_than_kafka_takes_at_once_go_round_by_the_spool(
    kafka: KafkaBroker, topics: str, tmp_path: Path
) -> None:
    small = {"queue.buffering.max.messages": 100, "linger.ms": 200}
    with _client(tmp_path, kafka.bootstrap_servers, topics, kafka_config=small) as cm:
        made = [_call(cm) for _ in range(400)]
        assert cm.flush(60)
        assert cm.stats().dropped == {}
        assert cm.stats().spooled > 0
        eventually(lambda: list_sealed(tmp_path / "spool") == [], within_s=90)
    found = ids(in_kafka(kafka.bootstrap_servers, topics))
    assert set(found) == set(made)


def test_a_producer_that_fails_for_good_is_made_anew(kafka: KafkaBroker, topics: str, tmp_path: Path) -> None:
    with _client(tmp_path, kafka.bootstrap_servers, topics) as cm:
        made = [_call(cm)]
        assert cm.flush(30)
        works = cm._pipeline._parts
        assert works is not None
        emitter = works.emitter
        assert isinstance(emitter, KafkaEmitter)
        old = emitter._producer
        emitter._is_fatal = True  # as librdkafka's error callback says it
        made.append(_call(cm))
        assert cm.flush(30)
        assert emitter._producer is not old
        eventually(lambda: list_sealed(tmp_path / "spool") == list_open(tmp_path / "spool") == [])
    assert set(ids(in_kafka(kafka.bootstrap_servers, topics))) == set(made)

"""Changes of deployments reach the spool and the store, though the server dies in between."""

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from coalmine_consumers.sources.kafka import KafkaSource
from coalmine_consumers.sources.kafka_settings import KafkaSourceSettings
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_schemas.codec import Decoder
from coalmine_schemas.prompts import PromptContent
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.spool_format import list_sealed, read_blocks
from coalmine_server.settings import KafkaSettings, Settings
from coalmine_server.workers.registry import EventPublisher, NotSent, open_channel
from tests.server.registry_client import GOODBYE, HELLO, Person
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine_json
from tests.support.servers.kafka_broker import KafkaBroker

ALICE = Actor("alice", Role.AUTHOR, "token-of-alice")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry.open(tmp_path / "registry.db") as opened:
        for version, template in (("1.0.0", "Hello"), ("1.0.1", "Hello!"), ("1.0.2", "Hi!")):
            opened.register(ALICE, "greet", version, PromptContent(template=template))
            opened.promote(ALICE, "greet", version, "dev")
        yield opened


def spooled(spool: Path) -> list[dict[str, Any]]:
    decoder = Decoder(SchemaResolver())
    return [
        {**decoder.decode("deployments", record.value), "key": record.key}
        for path in list_sealed(spool)
        for block in read_blocks(path)
        for record in block
    ]


def test_without_kafka_changes_go_to_the_spool_in_order(registry: Registry, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    entries = registry.outbox_pending(100)
    with closing(open_channel(settings, Event())) as channel:
        assert channel.send(entries) == [entry.id for entry in entries]
    found = spooled(settings.spool_dir)
    assert [each["version"] for each in found] == ["1.0.0", "1.0.1", "1.0.2"]
    assert {each["key"] for each in found} == {b"dev/greet"}


def test_what_another_process_changed_is_sent_after_looks_that_found_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with Registry.open(tmp_path / "r.db") as mine, Registry.open(tmp_path / "r.db") as other:
        publisher = EventPublisher(mine, open_channel(settings, Event()))
        with closing(publisher):
            for version in ("1.0.0", "1.0.1"):
                assert [publisher.publish() for _ in range(3)] == [0, 0, 0]
                other.register(ALICE, "greet", version, PromptContent(template=f"Hello from {version}"))
                other.promote(ALICE, "greet", version, "dev")
                assert [publisher.publish() for _ in range(2)] == [1, 0]
    assert [each["version"] for each in spooled(settings.spool_dir)] == ["1.0.0", "1.0.1"]


def test_a_spool_that_cannot_be_written_keeps_them_waiting_and_doubles_none(
    registry: Registry, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path)
    settings.spool_dir.write_text("a file where the folder should be", encoding="utf-8")
    entries = registry.outbox_pending(100)
    with closing(open_channel(settings, Event())) as channel:
        for _ in range(2):
            with pytest.raises(NotSent):
                channel.send(entries)
        settings.spool_dir.unlink()

        def sent() -> bool:
            try:
                return channel.send(entries) == [entry.id for entry in entries]
            except NotSent:
                return False

        eventually(sent, what="the spool is written again")
    assert [each["revision"] for each in spooled(settings.spool_dir)] == [1, 2, 3]


def waiting(home: Path) -> int:
    with closing(sqlite3.connect(home / "registry.db")) as database:
        ((count,),) = database.execute("SELECT count(*) FROM outbox").fetchall()
    return int(count)


def test_what_a_killed_server_left_is_sent_by_the_next_and_marked_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ServerProcess(home, part="registry") as server, Person.local(server) as admin:
        admin.register("greet", "1.0.0", HELLO)
        admin.register("greet", "1.0.1", GOODBYE)
        admin.promote("greet", "1.0.0", "dev", reason="first")
        eventually(lambda: waiting(home) == 0, what="sent")
        # What a crash between sending and forgetting leaves: the same event once more.
        server.signal(signal.SIGSTOP)
        with Registry.open(home / "registry.db") as registry:
            registry.promote(ALICE, "greet", "1.0.1", "dev", reason="second")
            (entry,) = registry.outbox_pending(100)
            with closing(open_channel(Settings(home=home), Event())) as channel:
                channel.send([entry])
        server.signal(signal.SIGKILL)
        server.wait()
    assert waiting(home) == 1
    with ServerProcess(home, name="next") as server:
        server.wait_ready()

        def all_there() -> list[dict[str, Any]] | None:
            status = server.json("/v1/ingest")
            marks = server.json("/v1/deployment-marks", params={"prompt": "greet"})["items"]
            return marks if status["counts"]["duplicates"] == 1 and waiting(home) == 0 else None

        marks = eventually(all_there, what="both changes marked")
        assert [(mark["version"], mark["reason"]) for mark in marks] == [
            ("1.0.0", "first"),
            ("1.0.1", "second"),
        ]
        assert server.json("/v1/deployment-marks", params={"environment": "prod"})["items"] == []
        assert server.get("/v1/deployment-marks?since=-1h&until=-2h").status_code == 422
        assert server.stop() == 0
    assert coalmine_json("audit", home=home)["ok"]


@pytest.mark.kafka
def test_with_kafka_changes_go_to_their_topic_in_order_and_the_collector_marks_them(
    registry: Registry, tmp_path: Path, kafka: KafkaBroker, topic_prefix: str
) -> None:
    servers = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, topic_prefix=topic_prefix)
    entries = registry.outbox_pending(100)
    with closing(open_channel(Settings(home=tmp_path, kafka=servers), Event())) as channel:
        assert channel.send(entries) == [entry.id for entry in entries]
        assert channel.send(entries[-1:]) == [entries[-1].id]
    source = KafkaSource(
        KafkaSourceSettings(
            bootstrap_servers=kafka.bootstrap_servers, group_id=topic_prefix, topic_prefix=topic_prefix
        )
    )
    source.start(dict, lambda: None)
    values: list[bytes | None] = []

    def read() -> bool:
        batch = source.poll(100, 0.5)
        if batch is not None and "deployments" in batch.columns:
            values.extend(batch.columns["deployments"].values)
        return len(values) == 4

    eventually(read, what="read back")
    source.close()
    decoder = Decoder(SchemaResolver())
    revisions = [decoder.decode("deployments", value or b"")["revision"] for value in values]
    assert revisions == [1, 2, 3, 3]

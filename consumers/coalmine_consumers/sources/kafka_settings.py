"""How the Kafka consumer is configured, and why."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from coalmine_consumers.raw import READ_EVENTS, ReadEvent


@dataclass(frozen=True, slots=True)
class KafkaSourceSettings:
    """What to read, and how much of it to hold."""

    bootstrap_servers: str
    group_id: str = "coalmine-collector"
    topic_prefix: str = "coalmine."
    events: tuple[ReadEvent, ...] = READ_EVENTS
    instance_id: str | None = None
    """Group instance id, one per store (`store_instance_id`). With it a collector that crashed, or lost its
    session while the broker was away, has its partitions back at once. Without it the broker keeps them for
    the member it remembers, one session timeout more: no API lets a client say that this was itself."""
    session_timeout_s: float = 30.0
    """After this long without a heartbeat the broker gives our partitions to another member."""
    queue_size_bytes: int = 32 * 1024 * 1024
    """Messages fetched ahead, about; librdkafka takes two to three times this while catching up."""
    chunk_messages: int = 25_000
    """Messages taken from librdkafka at once, at most."""
    max_batch_bytes: int = 64 * 1024 * 1024
    """A poll ends early at this many payload bytes, so that large texts do not add up."""
    extra: Mapping[str, str | int | bool] = field(default_factory=dict)
    """Further librdkafka settings (security.protocol, sasl.*); they win over ours. Never logged."""


def consumer_config(settings: KafkaSourceSettings) -> dict[str, str | int | bool]:
    """The librdkafka configuration."""
    config: dict[str, str | int | bool] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "group.id": settings.group_id,
        # Whose member it is: all members of a group that belongs to one store have the same.
        "client.id": settings.instance_id or "coalmine-collector",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": int(settings.session_timeout_s * 1000),
        # A poll may wait this long for a store that cannot commit (disk full) before the group moves on.
        "max.poll.interval.ms": 600_000,
        # Positions live in the store. What we commit to the broker serves lag tools and nothing else,
        # and a position the broker no longer has must be seen by us, not silently reset.
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "allow.auto.create.topics": False,
        # Topics that appear later, or gain partitions, are found within this time (default: 5 minutes).
        "topic.metadata.refresh.interval.ms": 5_000,
        # Answer as soon as there is anything. Answers count compressed, and are kept until their last message
        # is taken: larger ones took 250 MB more memory at the same rate. A larger message comes all the same.
        "fetch.min.bytes": 1,
        "fetch.wait.max.ms": 100,
        "fetch.max.bytes": 8 * 1024 * 1024,
        "max.partition.fetch.bytes": 1024 * 1024,
        "queued.min.messages": 200_000,
        "queued.max.messages.kbytes": max(1, settings.queue_size_bytes // 1024),
        # After the queue was full, fetching pauses this long; the default of 1 s halves the throughput.
        "fetch.queue.backoff.ms": 10,
        "reconnect.backoff.max.ms": 2_000,
        "log.connection.close": False,
    }
    if settings.instance_id is not None:
        config["group.instance.id"] = settings.instance_id
    return config | dict(settings.extra)


def admin_config(settings: KafkaSourceSettings) -> dict[str, str | int | bool]:
    """The librdkafka configuration of the client that asks about topics and the group."""
    ours = ("bootstrap.servers", "client.id", "reconnect.backoff.max.ms", "log.connection.close")
    config = consumer_config(settings)
    return {name: config[name] for name in ours} | dict(settings.extra)


def store_instance_id(store_directory: Path) -> str:
    """The group instance id that belongs to a store; made and kept there at the first call."""
    path = store_directory / "group-instance-id"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        store_directory.mkdir(parents=True, exist_ok=True)
        path.write_text(f"coalmine-{uuid.uuid4()}\n")
        return path.read_text().strip()

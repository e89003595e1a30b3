"""Creates the topics Coalmine uses."""

from collections.abc import Mapping
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from coalmine_consumers.errors import SourceMisconfigured, SourceUnavailable
from coalmine_schemas.events import EventName
from coalmine_schemas.limits import MESSAGE_BYTES
from coalmine_schemas.topics import EVENT_NAMES, topic_name

LIST_TIMEOUT_S: Final = 5.0
"""How long the broker may take to say which topics there are."""
CREATE_TIMEOUT_S: Final = 15.0
"""How long it may take to create some."""

_CONFIG: Final[Mapping[EventName, Mapping[str, str]]] = {
    "deployments": {"cleanup.policy": "compact"},
    # A dead letter carries the whole message that failed, and more.
    "dead_letters": {"max.message.bytes": str(MESSAGE_BYTES + 1024 * 1024)},
}


def ensure_topics(
    admin: AdminClient, prefix: str = "coalmine.", partitions: int = 6, replication_factor: int = -1
) -> list[str]:
    """Creates the topics that do not exist yet; existing ones are left as they are.

    Args:
        admin: A client of the cluster.
        prefix: Topic prefix.
        partitions: Partitions of requests, feedback and scores; the rest, all small, get one.
        replication_factor: Copies of each partition; -1 is the broker's default.

    Returns:
        The topics that were created.

    Raises:
        SourceUnavailable: The broker did not answer; try again later.
        SourceMisconfigured: The broker refused (not allowed, invalid number of partitions).
    """
    wanted = {}
    for event in EVENT_NAMES:
        # Of a batch as it is compressed; what its messages unpack to, `decode` looks at.
        config = {"max.message.bytes": str(MESSAGE_BYTES), **_CONFIG.get(event, {})}
        count = partitions if event in ("requests", "feedback", "scores") else 1
        topic = topic_name(event, prefix)
        wanted[topic] = NewTopic(topic, count, replication_factor, config=config)
    try:
        existing = admin.list_topics(timeout=LIST_TIMEOUT_S).topics
    except KafkaException as error:
        raise SourceUnavailable(f"the broker did not answer: {error.args[0]}") from error
    missing = [new for topic, new in wanted.items() if topic not in existing]
    if not missing:
        return []
    created = []
    for topic, future in admin.create_topics(missing, request_timeout=CREATE_TIMEOUT_S).items():
        try:
            future.result()
        except KafkaException as error:
            reason: KafkaError = error.args[0]
            if reason.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                continue
            # A broker that starts, or is very busy, is fenced for a moment; Kafka says so by a code that
            # otherwise means too few brokers.
            is_fenced = "fenced" in reason.str()
            is_away = reason.code() in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT)
            if reason.retriable() or is_fenced or is_away:
                raise SourceUnavailable(f"topic {topic} was not created: {reason.str()}") from error
            raise SourceMisconfigured(f"topic {topic} was not created: {reason.str()}") from error
        else:
            created.append(topic)
    return created

"""Conversions between librdkafka's messages and partitions and ours."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from confluent_kafka import OFFSET_INVALID, TIMESTAMP_NOT_AVAILABLE, KafkaError, Message
from confluent_kafka import TopicPartition as KafkaPartition

from coalmine_consumers.raw import Origin, TopicPartition


def runs(messages: Sequence[Message], codes: Mapping[str | None, int]) -> list[tuple[int, int]]:
    """Index ranges of messages that follow each other in one partition.

    Args:
        messages: At least one, without errors.
        codes: A number for each topic.
    """
    count = len(messages)
    topics = np.fromiter(map(codes.__getitem__, map(Message.topic, messages)), np.int64, count)
    partitions = np.fromiter(map(Message.partition, messages), np.int64, count)
    breaks = (np.diff(topics) != 0) | (np.diff(partitions) != 0)
    return list(pairwise([0, *(np.flatnonzero(breaks) + 1).tolist(), count]))


def is_fatal(error: KafkaError) -> bool:
    """True if the client cannot recover: another process took its group instance id, for instance."""
    return bool(error.fatal()) or error.code() == KafkaError._FATAL


def partition_of(partition: KafkaPartition) -> TopicPartition:
    """Converts a partition of librdkafka."""
    return TopicPartition(partition.topic, str(partition.partition))


def kafka_partition(partition: TopicPartition, offset: int = OFFSET_INVALID) -> KafkaPartition:
    """Converts a partition, and an offset where one matters, for librdkafka."""
    return KafkaPartition(partition.topic, int(partition.partition), offset)


def names_of(partitions: Sequence[KafkaPartition]) -> str:
    """Formats partitions for a log line."""
    return ", ".join(f"{part.topic}/{part.partition}" for part in partitions) or "nothing"


def offset_of(message: Message) -> int:
    """Offset of a consumed message."""
    offset = message.offset()
    assert offset is not None, "a consumed message has an offset"
    return offset


def origin_of(partition: TopicPartition, message: Message) -> Origin:
    """Where a message came from."""
    kind, timestamp_ms = message.timestamp()
    return Origin(
        partition.topic,
        partition.partition,
        offset_of(message),
        None if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms,
        message.key(),
    )

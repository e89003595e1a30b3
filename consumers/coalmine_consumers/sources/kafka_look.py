"""What the broker says of our topics, asked without waiting for it; and of our consumer group."""

import warnings
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec  # typed code cannot take it from `admin`

from coalmine_consumers.raw import TopicPartition
from coalmine_consumers.sources.kafka_messages import kafka_partition
from coalmine_consumers.sources.resume import PartitionLog

TIMEOUT_S: Final = 5.0
"""How long the broker may take for each answer."""
GROUP_TIMEOUT_S: Final = 2.0
"""How long we wait for it to name the members of a group."""


class Look:
    """One look at the broker: first at ids of topics, then at where logs begin and end.

    In this order, so that an id is never younger than the offsets beside it. An id that is older is noticed
    by the next look, and then the new topic is read from its start.
    """

    def __init__(self, admin: AdminClient, topics: Sequence[str], wanted: Collection[TopicPartition]) -> None:
        """Asks.

        Args:
            admin: A client of the cluster.
            topics: Topics whose ids are wanted.
            wanted: Partitions of them whose bounds are wanted; the topic ids in their names do not matter.
        """
        self.wanted = frozenset(wanted)
        self._admin = admin
        self._topics = admin.describe_topics(TopicCollection(list(topics)), request_timeout=TIMEOUT_S)
        self._bounds: dict[TopicPartition, tuple[Future[Any], Future[Any]]] | None = None

    def done(self) -> bool:
        """True once everything is answered, or will not be. Asks the second question in between."""
        if self._bounds is None and all(future.done() for future in self._topics.values()):
            self._bounds = self._ask_for_bounds()
        futures = [future for pair in (self._bounds or {}).values() for future in pair]
        return self._bounds is not None and all(future.done() for future in futures)

    def topic_ids(self) -> dict[str, str]:
        """The id of each topic that exists, as far as the broker answered; empty where it has no ids."""
        found = {}
        for topic, future in self._topics.items():
            if future.exception() is None:
                id_ = future.result().topic_id
                named = id_.get_most_significant_bits() or id_.get_least_significant_bits()
                found[topic] = str(id_) if named else ""
        return found

    def partitions(self) -> set[TopicPartition]:
        """Every partition of the topics that exist."""
        return {
            TopicPartition(topic, str(each.id))
            for topic, future in self._topics.items()
            if future.exception() is None
            for each in future.result().partitions
        }

    def logs(self) -> dict[TopicPartition, PartitionLog]:
        """The partitions that were wanted, as far as the broker answered, by how they were named."""
        ids = self.topic_ids()
        found = {}
        for each, (first, end) in (self._bounds or {}).items():
            if first.exception() is None and end.exception() is None:
                log = PartitionLog(
                    each._replace(topic_id=ids[each.topic]), first.result().offset, end.result().offset
                )
                # Of a partition without a leader, librdkafka returns the offset it was given, and no error.
                if log.first >= 0 and log.end >= 0:
                    found[each] = log
        return found

    def missing_topics(self) -> list[str]:
        """Topics that do not exist."""
        return [topic for topic, error in self._errors().items() if error == KafkaError.UNKNOWN_TOPIC_OR_PART]

    def problem(self) -> str | None:
        """Why the broker did not answer, or None."""
        bounds = [future for pair in (self._bounds or {}).values() for future in pair]
        errors = [error for error in self._errors().values() if error != KafkaError.UNKNOWN_TOPIC_OR_PART]
        errors += [_error(failure) for future in bounds if (failure := future.exception()) is not None]
        return errors[0].str() if errors else None

    def _errors(self) -> Mapping[str, KafkaError]:
        failures = {topic: future.exception() for topic, future in self._topics.items()}
        return {topic: _error(failure) for topic, failure in failures.items() if failure is not None}

    def _ask_for_bounds(self) -> dict[TopicPartition, tuple[Future[Any], Future[Any]]]:
        ids = self.topic_ids()
        asked = {each: kafka_partition(each) for each in self.wanted if each.topic in ids}
        if not asked:
            return {}
        first, end = (
            self._admin.list_offsets(dict.fromkeys(asked.values(), spec), request_timeout=TIMEOUT_S)
            for spec in (
                OffsetSpec.earliest(),  # type: ignore[no-untyped-call]
                OffsetSpec.latest(),  # type: ignore[no-untyped-call]
            )
        )
        return {each: (first[partition], end[partition]) for each, partition in asked.items()}


def _error(failure: BaseException) -> KafkaError:
    if isinstance(failure, KafkaException) and isinstance(failure.args[0], KafkaError):
        return failure.args[0]
    return KafkaError(KafkaError._FAIL, f"{type(failure).__name__}: {failure}")


def strangers(admin: AdminClient, group: str, client_id: str) -> list[str]:
    """Members of a consumer group with another client id than ours, by name and place.

    None if nobody answers. Waits for the broker: `describe_consumer_groups`, which would not, ends the
    process when a connection breaks meanwhile (https://github.com/confluentinc/librdkafka/issues/4605).
    """
    try:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            found = admin.list_groups(group, timeout=GROUP_TIMEOUT_S)
    except KafkaException:
        return []
    members: list[Any] = [member for each in found for member in each.members]
    return sorted(
        f"{each.client_id} at {each.client_host}" for each in members if each.client_id != client_id
    )

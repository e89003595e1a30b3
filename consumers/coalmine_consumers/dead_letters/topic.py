"""Publishes dead letters to their topic: an outbox over the table that holds them.

A dead letter is committed with the positions after it, and only then published, so that it exists if and
only if its message was given up. Publishing may happen twice after a crash; the id is the same both times.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from coalmine_consumers.sql import statement
from coalmine_consumers.store import Store
from coalmine_schemas.codec import Encoder
from coalmine_schemas.kafka_config import producer_config
from coalmine_schemas.limits import MESSAGE_BYTES
from coalmine_schemas.topics import DEFAULT_PREFIX, topic_name

BATCH_BYTES: Final = 32 * 1024 * 1024
"""Payload bytes published at once, at most (one letter may be larger)."""
BATCH_LETTERS: Final = 500
"""Letters published at once, at most."""
DELIVERY_TIMEOUT_S: Final = 30.0
"""How long a batch may take to be delivered."""

_MARK: Final = """
    UPDATE dead_letters SET published_at = $published_at
    WHERE published_at IS NULL AND dead_letter_id IN (SELECT unnest($ids)::UUID)"""

_log = logging.getLogger(__name__)


class DeadLetterOutbox(Protocol):
    """Dead letters that wait to be published."""

    def unpublished(self, letters: int, size_bytes: int, refused: Collection[str]) -> list[dict[str, Any]]:
        """The oldest unpublished ones as rows of `dead_letters`, without those refused."""
        ...

    def mark_published(self, dead_letter_ids: Sequence[str]) -> None:
        """Records that these were published."""
        ...


class StoreOutbox:
    """The outbox of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def unpublished(self, letters: int, size_bytes: int, refused: Collection[str]) -> list[dict[str, Any]]:
        """See `DeadLetterOutbox.unpublished`."""
        parameters = {"letters": letters, "size_bytes": size_bytes, "refused": list(refused)}
        query = statement("unpublished_dead_letters", __package__)
        return self._store.reader().rows(query, parameters)

    def mark_published(self, dead_letter_ids: Sequence[str]) -> None:
        """See `DeadLetterOutbox.mark_published`."""
        with self._store.transaction() as connection:
            parameters = {"published_at": datetime.now(UTC), "ids": list(dead_letter_ids)}
            connection.execute(_MARK, parameters).fetchall()


class DeadLetterPublisher:
    """Sends what the outbox holds to the dead-letter topic."""

    def __init__(
        self,
        outbox: DeadLetterOutbox,
        make_producer: Callable[[], Producer],
        encoder: Encoder,
        prefix: str = DEFAULT_PREFIX,
    ) -> None:
        """Creates a publisher.

        Args:
            outbox: Where dead letters wait.
            make_producer: Makes one for this publisher alone, configured by `publisher_config`.
            encoder: Frames the events.
            prefix: Topic prefix.
        """
        self._outbox = outbox
        self._make_producer = make_producer
        self._producer = make_producer()
        self._encoder = encoder
        self._topic = topic_name("dead_letters", prefix)
        self._suspects: set[str] = set()
        """Letters in a batch the broker found too large: sent alone, to see which of them it was."""
        self._refused: set[str] = set()
        """Letters too large for the broker even alone: they stay in the store, and do not hold up others."""

    def publish(self) -> int:
        """Publishes one batch.

        Returns:
            How many were delivered; 0 when nothing waits or the broker cannot be reached.
        """
        delivered: list[str] = []
        rows = self._outbox.unpublished(BATCH_LETTERS, BATCH_BYTES, self._refused)
        for row in rows:
            if str(row["dead_letter_id"]) in self._suspects:
                self._producer.flush(DELIVERY_TIMEOUT_S)
                self._send(row, delivered, alone=True)
                self._producer.flush(DELIVERY_TIMEOUT_S)
            else:
                self._send(row, delivered, alone=False)
        if self._producer.flush(DELIVERY_TIMEOUT_S):
            self._producer.purge()  # the rest is tried again next time, from the outbox
            self._producer.flush(1.0)
        if rows and not delivered:
            # It may be dead (`coalmine_schemas.kafka_watchdog`); the next attempt has a new one.
            self._producer = self._make_producer()
        if delivered:
            self._suspects.difference_update(delivered)
            self._outbox.mark_published(delivered)
        return len(delivered)

    def close(self) -> None:
        """Drops what is still queued: it waits in the outbox."""
        self._producer.purge()
        self._producer.flush(1.0)

    def _send(self, row: dict[str, Any], delivered: list[str], *, alone: bool) -> None:
        id_ = str(row["dead_letter_id"])
        frame = self._encoder.encode("dead_letters", _record(row))
        key = f"{row['source_topic']}/{row['source_partition']}".encode()

        def report(error: KafkaError | None, message: Message | None = None) -> None:
            if error is None:
                delivered.append(id_)
            else:
                self._fail(id_, error, alone=alone)

        try:
            self._producer.produce(self._topic, frame, key, on_delivery=report)
        except KafkaException as error:
            self._fail(id_, error.args[0], alone=True)
        except BufferError:
            return  # the producer's queue is full: next time
        self._producer.poll(0)

    def _fail(self, id_: str, error: KafkaError, *, alone: bool) -> None:
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            if not alone:
                self._suspects.add(id_)
                return
            self._suspects.discard(id_)
            self._refused.add(id_)
            _log.error("dead letter %s is too large for topic %s; it stays in the store", id_, self._topic)
        elif error.code() not in (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT):
            _log.warning("dead letter %s was not published: %s", id_, error.str())


def publisher_config(bootstrap_servers: str, security: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a publisher's producer: a dead letter is larger than the message it holds."""
    return producer_config(
        bootstrap_servers,
        client_id="coalmine-dead-letters",
        delivery_timeout_s=DELIVERY_TIMEOUT_S,
        max_message_bytes=MESSAGE_BYTES + 1024 * 1024,
        extra=security,
    )


def _record(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "dead_letter_id": str(row["dead_letter_id"]),
        "event_time": row["failed_at"],
        "source_topic": row["source_topic"],
        "source_partition": row["source_partition"],
        "source_offset": row["source_offset"],
        "source_timestamp": row["source_timestamp"],
        "stage": row["stage"],
        "reason": row["reason"],
        "schema_ref": row["schema_ref"],
        "payload": row["payload"],
        "key": row["key"],
    }

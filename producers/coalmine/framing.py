"""Which frame Kafka gets: single-object ones, or Confluent's once the schema registry has answered.

A registry that is down must not hold up a service. So events are always framed as Avro single objects;
with a registry configured, a thread of its own asks it for the schemas' ids, for as long as it takes. Until
an id is known events wait in the spool, and then each frame's header is exchanged on its way to Kafka: the
payload behind it is the same.
"""

import threading
from typing import Final, Protocol

from coalmine_schemas.catalogue import versions
from coalmine_schemas.errors import CoalmineError, Terminal
from coalmine_schemas.events import EventName
from coalmine_schemas.framing import SINGLE_OBJECT_HEADER_SIZE, SINGLE_OBJECT_MAGIC, confluent_header
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_schemas.registry_client import SchemaRegistryClient
from coalmine_schemas.topics import topic_name

PRODUCED: Final[tuple[EventName, ...]] = ("requests", "feedback", "scores")
"""The events a client produces."""

_FIRST_RETRY_S: Final = 0.5
_LAST_RETRY_S: Final = 5.0


class KafkaFraming(Protocol):
    """Turns single-object frames into what the topics carry. No method blocks."""

    def start(self) -> None:
        """Begins to get ready; called once."""

    def ready(self) -> bool:
        """Returns True once frames can be converted."""

    def reframe(self, frame: bytes) -> bytes:
        """The frame as the topics carry it."""

    def stop(self) -> None:
        """Ends what `start` began."""


class PlainFraming:
    """No schema registry: frames stay as they are."""

    def start(self) -> None:
        """Nothing to begin."""

    def ready(self) -> bool:
        """Always."""
        return True

    def reframe(self, frame: bytes) -> bytes:
        """The same frame."""
        return frame

    def stop(self) -> None:
        """Nothing to end."""


class RegistryFraming:
    """Confluent frames, as soon as the registry has told the ids of our schemas.

    Args:
        client: The registry's client.
        topic_prefix: Prefix of the topics, which name the registry's subjects.
        log: Reports a registry that does not answer or refuses.
    """

    def __init__(self, client: SchemaRegistryClient, *, topic_prefix: str, log: RateLimitedLogger) -> None:
        self._client = client
        self._topic_prefix = topic_prefix
        self._log = log
        self._headers: dict[bytes, bytes] = {}
        self._stopped = threading.Event()
        self._ready = threading.Event()

    def start(self) -> None:
        """Begins to ask the registry, on a thread that ends when it has answered."""
        threading.Thread(target=self._ask, name="coalmine-registry", daemon=True).start()

    def ready(self) -> bool:
        """Returns True if all ids are known."""
        return self._ready.is_set()

    def reframe(self, frame: bytes) -> bytes:
        """The Confluent frame of the same payload; a frame of unknown kind or schema is left as it is."""
        header = self._headers.get(frame[:SINGLE_OBJECT_HEADER_SIZE])
        return frame if header is None else header + frame[SINGLE_OBJECT_HEADER_SIZE:]

    def stop(self) -> None:
        """Ends the thread soon."""
        self._stopped.set()

    def _ask(self) -> None:
        retry_s = _FIRST_RETRY_S
        while not self._stopped.is_set():
            try:
                self._register_all()
            except CoalmineError as error:
                refused = isinstance(error, Terminal)
                verb = "refuses our schemas" if refused else "does not answer"
                self._log.report(
                    "registry", "the schema registry %s; events wait in the spool: %s", verb, error
                )
                retry_s = _LAST_RETRY_S if refused else retry_s
                self._stopped.wait(retry_s)
                retry_s = min(retry_s * 2, _LAST_RETRY_S)
            else:
                self._ready.set()
                break
        self._client.close()

    def _register_all(self) -> None:
        for event in PRODUCED:
            subject = f"{topic_name(event, self._topic_prefix)}-value"
            # Older versions, too: the spool may hold what an earlier release of this package wrote.
            for schema in versions(event):
                schema_id = self._client.register(subject, schema.json)
                self._headers[SINGLE_OBJECT_MAGIC + schema.fingerprint] = confluent_header(schema_id)

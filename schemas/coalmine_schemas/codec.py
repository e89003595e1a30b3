"""One event to bytes and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from typing import Any, Protocol

from fastavro import schemaless_writer

from coalmine_schemas.catalogue import Schema, latest
from coalmine_schemas.errors import InvalidParameter, InvalidValue
from coalmine_schemas.events import EventName
from coalmine_schemas.framing import check_present, confluent_header, parse_header, single_object_header
from coalmine_schemas.payload_writer import PayloadWriter, payload_writer
from coalmine_schemas.reader import PayloadReader
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.rules import first_problem
from coalmine_schemas.topics import DEFAULT_PREFIX, topic_name

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SingleObjectFraming:
    """Avro single-object encoding; needs no schema registry."""

    def header(self, schema: Schema) -> bytes:
        """The bytes before a payload."""
        return single_object_header(schema)


class SchemaRegistrar(Protocol):
    """What Confluent framing needs of a schema registry; `SchemaRegistryClient` is one."""

    def register(self, subject: str, schema_json: str) -> int:
        """The id of a schema under a subject, registered now if it is new.

        Raises:
            RegistryUnavailable: Ask again later.
            RegistryRefused: Do not ask again.
        """
        ...


@dataclass(frozen=True, slots=True)
class ConfluentFraming:
    """Confluent wire format; the schema is registered under `<topic>-value` at its first use."""

    client: SchemaRegistrar
    topic_prefix: str = DEFAULT_PREFIX

    def header(self, schema: Schema) -> bytes:
        """The bytes before a payload. May block on the registry.

        Raises:
            RegistryUnavailable: The registry does not answer.
            RegistryRefused: The registry will not have the schema.
        """
        subject = f"{topic_name(schema.event, self.topic_prefix)}-value"
        return confluent_header(self.client.register(subject, schema.json))


Framing = SingleObjectFraming | ConfluentFraming


class Encoder:
    """Writes events with the latest published schema. Safe to share between threads.

    Args:
        framing: How frames name the schema.
    """

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._known: dict[EventName, tuple[bytes, PayloadWriter]] = {}

    def encode(self, event: EventName, record: Mapping[str, Any]) -> bytes:
        """Frame one event. Blocks at most at the first event of its kind, on the schema registry.

        Args:
            event: Which event it is.
            record: Values by field name, as `to_record` gives them; `event_time` an aware datetime, or
                microseconds since 1970-01-01 UTC. Fields with a default may be missing.

        Raises:
            InvalidParameter: The record does not fit the schema.
            RegistryUnavailable: The schema registry does not answer.
            RegistryRefused: The schema registry will not have the schema.
        """
        known = self._known.get(event)
        if known is None:
            schema = latest(event)
            write = payload_writer(schema.parsed) or partial(_write_payload, schema.parsed)
            known = self._known[event] = self._framing.header(schema), write
        header, write = known
        event_time = record.get("event_time")
        if isinstance(event_time, datetime) and event_time.tzinfo is None:
            # fastavro would take it for local time.
            raise InvalidParameter(f"{event}: event_time {event_time} has no time zone")
        try:
            return header + write(record)
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
            raise InvalidParameter(f"{event}: {type(error).__name__}: {error}"[:500]) from error


class Decoder:
    """Reads one event at a time, written with any published or registered schema.

    This is the exact path: it says precisely what is wrong with a message. `batch.BatchDecoder` accepts the
    same messages, a hundred times faster, and asks this path about the rest.

    Args:
        resolver: Where writer schemas come from.
    """

    def __init__(self, resolver: SchemaResolver) -> None:
        self._resolver = resolver
        self._readers: dict[tuple[EventName, str], PayloadReader] = {}

    def decode(self, event: EventName, frame: bytes | None) -> dict[str, Any]:
        """The event in a frame, as the latest published schema has it; times are aware datetimes in UTC.

        Raises:
            InvalidFrame: The frame is missing or unknown.
            UnknownSchema: The schema it names is unknown.
            InvalidPayload: The bytes do not match the schema.
            InvalidValue: A value breaks the event's rules.
            RegistryUnavailable: The schema registry does not answer; the message may well be good.
        """
        record = self.decode_plain(event, frame)
        for name in _time_fields(event):
            if record[name] is not None:
                record[name] = _EPOCH + timedelta(microseconds=record[name])
        return record

    def decode_plain(self, event: EventName, frame: bytes | None) -> dict[str, Any]:
        """As `decode`, with times as microseconds since 1970-01-01 UTC."""
        present = check_present(frame)
        header = parse_header(present)
        ref = header.schema_ref
        reader = self._readers.get((event, ref))
        if reader is None:
            reader = PayloadReader(latest(event), self._resolver.writer_schema(header))
            self._readers[event, ref] = reader
        record = reader.read(present, header.size)
        problem = first_problem(event, record)
        if problem is not None:
            raise InvalidValue(problem, ref)
        return record


def _write_payload(parsed: dict[str, Any], record: Mapping[str, Any]) -> bytes:
    out = BytesIO()
    schemaless_writer(out, parsed, record)
    return out.getvalue()


def _time_fields(event: EventName) -> tuple[str, ...]:
    return {
        "dead_letters": ("event_time", "source_timestamp"),
        "alerts": ("event_time", "fired_at", "silenced_until"),
    }.get(event, ("event_time",))

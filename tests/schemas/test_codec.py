"""One event survives writing and reading, in both framings, and what is wrong is said precisely."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coalmine_schemas.catalogue import latest
from coalmine_schemas.codec import ConfluentFraming, Decoder, Encoder, SingleObjectFraming
from coalmine_schemas.errors import (
    InvalidFrame,
    InvalidMessage,
    InvalidParameter,
    InvalidPayload,
    InvalidValue,
    RegistryUnavailable,
    UnknownSchema,
)
from coalmine_schemas.events import EventName
from coalmine_schemas.framing import confluent_header, single_object_header
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.topics import EVENT_NAMES
from tests.support.campaign import size
from tests.support.data.event_strategies import plain_records
from tests.support.data.example_events import example, frame
from tests.support.data.loose_avro import LooseWriter
from tests.support.doubles.memory_registry import MemoryRegistry

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("event", EVENT_NAMES)
@settings(max_examples=size(20, 1_000))
@given(data=st.data(), confluent=st.booleans())
def test_an_event_survives_both_framings(event: EventName, data: st.DataObject, confluent: bool) -> None:
    record = data.draw(plain_records(event))
    registry = MemoryRegistry()
    framing = ConfluentFraming(registry) if confluent else SingleObjectFraming()
    encoded = Encoder(framing).encode(event, record)
    assert encoded.startswith(b"\x00" if confluent else b"\xc3\x01")
    decoder = Decoder(SchemaResolver(registry))
    assert decoder.decode_plain(event, encoded) == record
    decoded = decoder.decode(event, encoded)
    assert decoded["event_time"] == _EPOCH + timedelta(microseconds=record["event_time"])
    assert decoded["event_time"].tzinfo is UTC


@settings(max_examples=size(20, 1_000))
@given(record=plain_records("requests"), seed=st.integers(0, 2**32), looseness=st.floats(0, 1))
def test_legal_but_longer_encodings_are_read(record: dict[str, Any], seed: int, looseness: float) -> None:
    schema = latest("requests")
    payload = LooseWriter(seed, looseness).write(schema.parsed, record)
    assert (
        Decoder(SchemaResolver()).decode_plain("requests", single_object_header(schema) + payload) == record
    )


def test_a_time_in_any_zone_is_read_in_utc() -> None:
    local = datetime(2026, 11, 20, 9, 30, 0, 123456, tzinfo=timezone(timedelta(hours=-7)))
    decoded = Decoder(SchemaResolver()).decode("scores", frame("scores", event_time=local))
    assert decoded["event_time"] == local
    assert decoded["event_time"].utcoffset() == timedelta(0)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="no time zone"):
        frame("scores", event_time=datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test


@pytest.mark.parametrize(
    "changes",
    [
        {"value": "high"},
        {"name": None},
        {"source": "oracle"},
        {"name": b"bytes"},
        {"rationale": 3},
        {"name": "\ud800"},
        {"event_time": "yesterday"},
    ],
    ids=str,
)
def test_a_record_that_does_not_fit_is_refused_by_the_encoder(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match="scores: "):
        frame("scores", **changes)


def test_what_has_a_default_may_be_missing() -> None:
    record = example("scores")
    del record["rationale"]
    encoded = Encoder(SingleObjectFraming()).encode("scores", record)
    assert Decoder(SchemaResolver()).decode("scores", encoded)["rationale"] is None


def test_a_missing_field_without_a_default_is_refused() -> None:
    record = example("scores")
    del record["name"]
    with pytest.raises(InvalidParameter):
        Encoder(SingleObjectFraming()).encode("scores", record)


def test_confluent_framing_registers_each_schema_once_under_its_topic() -> None:
    registry = MemoryRegistry()
    encoder = Encoder(ConfluentFraming(registry, "p."))
    for _ in range(3):
        encoder.encode("dead_letters", example("dead_letters"))
        encoder.encode("scores", example("scores"))
    assert registry.subjects == {"p.dead-letters-value": [1], "p.scores-value": [2]}
    assert registry.schemas[2] == latest("scores").json


def test_an_unreachable_registry_is_transient_for_both_sides() -> None:
    registry = MemoryRegistry()
    registry.reachable = False
    encoder, decoder = Encoder(ConfluentFraming(registry)), Decoder(SchemaResolver(registry))
    with pytest.raises(RegistryUnavailable):
        encoder.encode("scores", example("scores"))
    with pytest.raises(RegistryUnavailable):
        decoder.decode("scores", confluent_header(1) + bytes(10))
    registry.reachable = True
    encoded = encoder.encode("scores", example("scores"))
    assert decoder.decode("scores", encoded) == example("scores")
    registry.reachable = False
    assert decoder.decode("scores", encoded) == example("scores"), "a known id needs no registry"


GOOD = frame("scores")
REF = f"fingerprint:{latest('scores').fingerprint.hex()}"


@pytest.mark.parametrize(
    ("bent", "kind", "reason", "ref"),
    [
        (None, InvalidFrame, "no value (a tombstone)", None),
        (b"", InvalidFrame, "empty message", None),
        (b"hello world", InvalidFrame, "no frame we know", None),
        (b"\xc3\x01" + bytes(30), UnknownSchema, "no published schema has", "fingerprint:0000000000000000"),
        (b"\x00\x00\x00\x00\x09abc", UnknownSchema, "no schema 9", "id:9"),
        (GOOD[:10], InvalidPayload, "field score_id: payload ends inside a number at byte 10", REF),
        (GOOD[:30], InvalidPayload, "field score_id: length 36 goes 17 bytes past the end at byte 10", REF),
        (GOOD + b"\x00\x00", InvalidPayload, "2 bytes after the end of the record", REF),
        (GOOD[:11] + b"\xff" + GOOD[12:], InvalidPayload, "field score_id: not UTF-8", REF),
        (
            GOOD[:10] + b"\x01" + GOOD[11:],
            InvalidPayload,
            "score_id: negative length -1 at byte 10",
            REF,
        ),
        (GOOD[:10] + b"\xff" * 11, InvalidPayload, "number of more than 10 bytes at byte 10", REF),
        (
            frame("requests"),
            InvalidPayload,
            "written as PromptRequest, but this",
            None,
        ),
        (frame("scores", value=float("nan")), InvalidValue, "value is not finite: nan", REF),
        (frame("scores", request_id="7"), InvalidValue, "request_id is not a UUID: '7'", REF),
    ],
)
def test_what_is_wrong_with_a_message_is_said_precisely(
    bent: bytes | None, kind: type[InvalidMessage], reason: str, ref: str | None
) -> None:
    with pytest.raises(kind) as refused:
        Decoder(SchemaResolver(MemoryRegistry())).decode("scores", bent)
    assert reason in refused.value.reason
    if ref is not None or kind is InvalidFrame:
        assert refused.value.schema_ref == ref

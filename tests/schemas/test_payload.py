"""The walk over a payload follows the specification by the letter, and names field and byte."""

import json
from io import BytesIO
from typing import Any

import pytest
from fastavro import schemaless_writer
from fastavro.utils import generate_many
from hypothesis import given
from hypothesis import strategies as st

from coalmine_schemas.catalogue import latest
from coalmine_schemas.payload import MalformedPayload, structure_of
from coalmine_schemas.topics import EVENT_NAMES
from coalmine_schemas.writer_schema import vet_writer_schema
from tests.support.data.loose_avro import LooseWriter, varint


def _end(kind: Any, data: bytes) -> int:
    """Where the value of field `f` ends."""
    writer = vet_writer_schema(json.dumps(_record(kind)), "test")
    return structure_of(writer)(data, 0)


def _record(kind: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": [{"name": "f", "type": kind}]}


ENUM = {"type": "enum", "name": "E", "symbols": ["a", "b"]}
INNER = {"type": "record", "name": "I", "fields": [{"name": "x", "type": "int"}]}


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("null", b""),
        ("boolean", b"\x00"),
        ("boolean", b"\x01"),
        ("int", varint(2**31 - 1)),
        ("int", varint(-(2**31))),
        ("int", varint(5, extra=9)),
        ("long", varint(2**63 - 1)),
        ("long", varint(-(2**63))),
        ("float", bytes(4)),
        ("double", bytes(8)),
        ("bytes", b"\x06\xff\x00\xfe"),
        ("string", "\x0e日本x".encode()),
        (ENUM, b"\x02"),
        (["null", "int"], b"\x00"),
        (["null", "int"], b"\x02\x08"),
        (["int", "null", "string"], b"\x04\x02a"),
        ({"type": "fixed", "name": "F", "size": 3}, b"abc"),
        ({"type": "array", "items": "int"}, b"\x00"),
        ({"type": "array", "items": "int"}, b"\x04\x02\x04\x02\x06\x00"),
        ({"type": "array", "items": "int"}, b"\x03\x04\x02\x04\x00"),
        ({"type": "map", "values": "int"}, b"\x02\x02a\x08\x00"),
        ({"type": "map", "values": "int"}, b"\x01\x06\x02a\x08\x00"),
        ({"type": "map", "values": "null"}, b"\x02\x02a\x00"),
        ({"type": "array", "items": INNER}, b"\x02\x08\x00"),
        ({"type": "string", "logicalType": "uuid"}, b"\x02a"),
    ],
)
def test_a_legal_value_ends_where_it_should(kind: Any, data: bytes) -> None:
    assert _end(kind, data) == len(data)
    assert _end(kind, data + b"more") == len(data)


@pytest.mark.parametrize(
    ("kind", "data", "reason"),
    [
        ("boolean", b"", "payload ends before a boolean at byte 0"),
        ("boolean", b"\x02", "2 is not a boolean at byte 0"),
        ("int", b"", "payload ends inside a number at byte 0"),
        ("int", b"\x80", "payload ends inside a number at byte 0"),
        ("int", varint(2**31), "2147483648 does not fit an int at byte 0"),
        ("int", varint(-(2**31) - 1), "-2147483649 does not fit an int at byte 0"),
        ("long", b"\xff" * 10 + b"\x01", "number of more than 10 bytes at byte 0"),
        ("float", bytes(3), "payload ends inside a float at byte 0"),
        ("double", bytes(7), "payload ends inside a double at byte 0"),
        ("bytes", b"\x01", "negative length -1 at byte 0"),
        ("bytes", varint(2**62) + b"abc", "length 4611686018427387904 goes 4611686018427387901 bytes past"),
        ("string", b"\x04\xc3", "length 2 goes 1 bytes past the end at byte 0"),
        ("string", b"\x06a\xffb", "not UTF-8: invalid start byte at byte 2"),
        ("string", b"\x06\xed\xa0\x80", "not UTF-8: invalid continuation byte at byte 1"),
        (ENUM, b"\x04", "symbol 2 of 2 at byte 0"),
        (ENUM, b"\x01", "symbol -1 of 2 at byte 0"),
        (["null", "int"], b"\x04", "branch 2 of a union of 2 at byte 0"),
        (["null", "int"], b"\x01", "branch -1 of a union of 2 at byte 0"),
        ({"type": "fixed", "name": "F", "size": 3}, b"ab", "payload ends inside a fixed at byte 0"),
        ({"type": "array", "items": "int"}, b"\x04\x02", "payload ends inside a number at byte 2"),
        (
            {"type": "array", "items": "int"},
            varint(2**62) + b"\x02",
            "payload ends inside a number at byte 11",
        ),
        ({"type": "map", "values": "int"}, b"\x02\x02\xff\x08\x00", "not UTF-8"),
        ({"type": "array", "items": INNER}, b"\x02" + varint(2**40), "field f.x: 1099511627776 does not fit"),
    ],
)
def test_what_is_malformed_is_said_with_field_and_byte(kind: Any, data: bytes, reason: str) -> None:
    with pytest.raises(MalformedPayload) as refused:
        _end(kind, data)
    assert str(refused.value).startswith("field f")
    assert reason in str(refused.value)


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_whatever_fastavro_writes_is_well_formed(event: Any) -> None:
    schema = latest(event)
    walk = structure_of(vet_writer_schema(schema.json, "test"))
    for value in generate_many(schema.parsed, 20):
        out = BytesIO()
        schemaless_writer(out, schema.parsed, value)
        assert walk(out.getvalue(), 0) == len(out.getvalue())


@given(st.binary(max_size=300), st.sampled_from(EVENT_NAMES))
def test_random_bytes_end_somewhere_or_are_refused(data: bytes, event: Any) -> None:
    walk = structure_of(vet_writer_schema(latest(event).json, "test"))
    try:
        end = walk(data, 0)
    except MalformedPayload as problem:
        assert str(problem).startswith("field ")
        return
    assert 0 <= end <= len(data)


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=40), st.integers(0, 999), st.floats(0, 1))
def test_every_layout_of_blocks_is_walked(items: list[int], seed: int, looseness: float) -> None:
    kind = {"type": "array", "items": "int"}
    data = LooseWriter(seed, looseness).write(kind, items)
    assert _end(kind, data) == len(data)

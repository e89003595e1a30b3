"""Two schemas are compatible exactly if data of either can be read by the other."""

from io import BytesIO
from itertools import pairwise
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from fastavro.utils import generate_one
from hypothesis import given
from hypothesis import strategies as st

from coalmine_schemas.catalogue import latest, versions
from coalmine_schemas.compatibility import full_incompatibilities, incompatibilities
from coalmine_schemas.events import EventName
from coalmine_schemas.topics import EVENT_NAMES


def record(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": list(fields), **more}


def field(kind: Any, name: str = "f", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


COMPATIBLE = {
    "the same": (record(field("int")), record(field("int"))),
    "a field with a default added": (record(), record(field(["null", "int"], default=None))),
    "a field with a default removed": (record(field("string", default="x")), record()),
    "fields in another order": (
        record(field("int"), field("int", "g")),
        record(field("int", "g"), field("int")),
    ),
    "documentation changed": (record(field("int", doc="old")), record(field("int", doc="new"))),
    "a symbol added to an enum with a default": (
        record(field(enum("a", "b", default="a"))),
        record(field(enum("a", "b", "c", default="a"))),
    ),
    "branches of a union in another order": (record(field(["null", "int"])), record(field(["int", "null"]))),
    "string became bytes": (record(field("string")), record(field("bytes"))),
    "renamed with aliases both ways": (
        record(field("int"), name="A", aliases=["B"]),
        record(field("int"), name="B", aliases=["A"]),
    ),
    "a recursive type": (
        record(field(["null", "R"], default=None)),
        record(field(["null", "R"], default=None), field(["null", "int"], "g", default=None)),
    ),
    "below maps and arrays": (
        record(field({"type": "map", "values": {"type": "array", "items": enum("a", default="a")}})),
        record(field({"type": "map", "values": {"type": "array", "items": enum("a", "b", default="a")}})),
    ),
}

INCOMPATIBLE = {
    "a field without a default added": (record(), record(field("int")), ["new readers of old data: f: not"]),
    "a field without a default removed": (
        record(field("int")),
        record(),
        ["old readers of new data: f: not"],
    ),
    "a type changed": (
        record(field("int")),
        record(field("string")),
        ["new readers of old data: f: int cannot", "old readers of new data: f: string cannot"],
    ),
    "a number widened": (
        record(field("int")),
        record(field("long")),
        ["old readers of new data: f: long cannot"],
    ),
    "made nullable": (
        record(field("int")),
        record(field(["null", "int"])),
        ["old readers of new data: f: null cannot be read as int"],
    ),
    "no longer nullable": (
        record(field(["null", "int"])),
        record(field("int")),
        ["new readers of old data: f: null cannot be read as int"],
    ),
    "a branch added": (
        record(field(["null", "int"])),
        record(field(["null", "int", "string"])),
        ["old readers of new data: f: no branch of the union takes string"],
    ),
    "a symbol added without a default": (
        record(field(enum("a"))),
        record(field(enum("a", "b"))),
        ["old readers of new data: f: symbol b is unknown"],
    ),
    "a symbol removed without a default": (
        record(field(enum("a", "b"))),
        record(field(enum("a"))),
        ["new readers of old data: f: symbol b is unknown"],
    ),
    "renamed without an alias": (
        record(field("int"), name="A"),
        record(field("int"), name="B"),
        [
            "new readers of old data: schema: A was renamed to B",
            "old readers of new data: schema: B was renamed",
        ],
    ),
    "milliseconds became microseconds": (
        record(field({"type": "long", "logicalType": "timestamp-millis"})),
        record(field({"type": "long", "logicalType": "timestamp-micros"})),
        ["new readers of old data: f: logical type", "old readers of new data: f: logical type"],
    ),
    "a fixed size changed": (
        record(field({"type": "fixed", "name": "F", "size": 4})),
        record(field({"type": "fixed", "name": "F", "size": 8})),
        ["new readers of old data: f: size 4", "old readers of new data: f: size 8"],
    ),
    "deep below": (
        record(field({"type": "map", "values": {"type": "array", "items": "int"}})),
        record(field({"type": "map", "values": {"type": "array", "items": "string"}})),
        ["new readers of old data: f{}[]: int", "old readers of new data: f{}[]: string"],
    ),
    "a nested record": (
        record(field(record(field("int", "g"), name="N"))),
        record(field(record(field("boolean", "g"), name="N"))),
        ["new readers of old data: f.g: int", "old readers of new data: f.g: boolean"],
    ),
}


@pytest.mark.parametrize(("older", "newer"), COMPATIBLE.values(), ids=COMPATIBLE)
def test_a_compatible_change_is_accepted(older: dict[str, Any], newer: dict[str, Any]) -> None:
    assert full_incompatibilities(older, newer) == []


@pytest.mark.parametrize(("older", "newer", "expected"), INCOMPATIBLE.values(), ids=INCOMPATIBLE)
def test_an_incompatible_change_is_refused_with_its_place(
    older: dict[str, Any], newer: dict[str, Any], expected: list[str]
) -> None:
    found = full_incompatibilities(older, newer)
    assert len(found) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True)), found


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_consecutive_published_versions_are_fully_compatible(event: EventName) -> None:
    for older, newer in pairwise(versions(event)):
        assert full_incompatibilities(older.parsed, newer.parsed) == []


@pytest.mark.parametrize("event", EVENT_NAMES)
@pytest.mark.parametrize("other", EVENT_NAMES)
def test_events_are_compatible_with_themselves_alone(event: EventName, other: EventName) -> None:
    assert (full_incompatibilities(latest(event).parsed, latest(other).parsed) == []) == (event == other)


_LEAVES = st.sampled_from(["null", "boolean", "int", "long", "float", "double", "string", "bytes"]) | st.just(
    {"type": "fixed", "name": "F", "size": 3}
)


def _enums() -> st.SearchStrategy[dict[str, Any]]:
    symbols = st.lists(st.sampled_from("abcd"), min_size=1, unique=True)
    return st.tuples(symbols, st.booleans()).map(
        lambda pair: enum(*pair[0], **({"default": pair[0][0]} if pair[1] else {}))
    )


_TYPES = st.recursive(
    _LEAVES | _enums(),
    lambda inner: (
        inner.map(lambda items: {"type": "array", "items": items})
        | inner.map(lambda values: {"type": "map", "values": values})
    ),
    max_leaves=2,
)
_SCHEMAS = st.dictionaries(st.sampled_from("fgh"), _TYPES, max_size=1).map(
    lambda members: record(*(field(kind, name) for name, kind in members.items()))
)


@given(_SCHEMAS, _SCHEMAS, st.integers(0, 5))
def test_fastavro_reads_whatever_is_called_compatible(
    reader: dict[str, Any], writer: dict[str, Any], _round: int
) -> None:
    if incompatibilities(reader, writer):
        return
    out = BytesIO()
    schemaless_writer(out, parse_schema(writer), generate_one(writer))
    out.seek(0)
    schemaless_reader(out, parse_schema(writer), parse_schema(reader))


@given(_SCHEMAS.filter(lambda schema: len(schema["fields"]) == 1), _TYPES)
def test_fastavro_cannot_read_some_data_of_what_is_called_incompatible(
    writer: dict[str, Any], changed: Any
) -> None:
    member = writer["fields"][0]
    reader = record(field(changed, member["name"]))
    if not incompatibilities(reader, writer):
        return
    kinds = str(member["type"]) + str(changed)
    if "array" in kinds or "map" in kinds or "enum" in kinds:
        return  # data without items or without the missing symbol is readable all the same
    out = BytesIO()
    schemaless_writer(out, parse_schema(writer), generate_one(writer))
    out.seek(0)
    with pytest.raises(SchemaResolutionError):
        schemaless_reader(out, parse_schema(writer), parse_schema(reader))

"""The fast writer writes what fastavro writes, and refuses what does not fit."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any, get_args

import pytest
from fastavro import parse_schema, schemaless_writer
from hypothesis import given, settings
from hypothesis import strategies as st

from coalmine_schemas.catalogue import latest
from coalmine_schemas.events import EventName
from coalmine_schemas.payload_writer import payload_writer
from tests.support.campaign import size

EVENTS: tuple[EventName, ...] = get_args(EventName)
_PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "string": st.text(max_size=80),
    "bytes": st.binary(max_size=80),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats() | st.integers(-(2**53), 2**53),
    "boolean": st.booleans(),
}


def _values(schema: Any) -> st.SearchStrategy[Any]:
    if isinstance(schema, list):
        return st.one_of(*(_values(branch) for branch in schema))
    if isinstance(schema, str):
        return _PRIMITIVES[schema]
    if schema.get("logicalType") == "timestamp-micros":
        return st.integers(0, 2**55) | st.datetimes(timezones=st.just(UTC))
    kind = schema["type"]
    if kind == "record":
        return st.fixed_dictionaries({field["name"]: _values(field["type"]) for field in schema["fields"]})
    if kind == "enum":
        return st.sampled_from(schema["symbols"])
    if kind == "map":
        return st.dictionaries(st.text(max_size=5), _values(schema["values"]), max_size=70)
    if kind == "array":
        return st.lists(_values(schema["items"]), max_size=3)
    return _values(kind)


def _by_fastavro(schema: Any, record: Any) -> bytes:
    out = BytesIO()
    schemaless_writer(out, schema, record)
    return out.getvalue()


@pytest.mark.parametrize("event", EVENTS)
@given(data=st.data())
@settings(max_examples=size(20, 1_000), deadline=None)
def test_the_bytes_are_fastavros(event: EventName, data: st.DataObject) -> None:
    schema = latest(event).parsed
    write = payload_writer(schema)
    assert write is not None
    record = data.draw(_values(schema))
    assert write(record) == _by_fastavro(schema, record)


@pytest.mark.parametrize("event", EVENTS)
def test_a_field_with_a_default_may_be_missing_and_another_may_not(event: EventName) -> None:
    schema = latest(event).parsed
    write = payload_writer(schema)
    assert write is not None
    some: dict[str, Any] = {"string": "x", "int": 1, "long": 1, "double": 1.0, "bytes": b"x"}
    record = {
        field["name"]: some.get(field["type"], 0) if isinstance(field["type"], str) else _first(field["type"])
        for field in schema["fields"]
        if "default" not in field
    }
    assert write(record) == _by_fastavro(schema, record)
    name = next(iter(record))
    with pytest.raises(LookupError, match=name):
        write({key: value for key, value in record.items() if key != name})


def _first(schema: dict[str, Any]) -> Any:
    return schema["symbols"][0] if schema["type"] == "enum" else datetime(2026, 1, 1, tzinfo=UTC)


_OF_ALL_KINDS = parse_schema(
    {
        "type": "record",
        "name": "All",
        "fields": [
            {"name": "string", "type": ["null", "string"], "default": None},
            {"name": "bytes", "type": ["null", "bytes"], "default": None},
            {"name": "int", "type": ["null", "int"], "default": None},
            {"name": "long", "type": ["null", "long"], "default": None},
            {"name": "double", "type": ["null", "double"], "default": None},
            {"name": "boolean", "type": ["null", "boolean"], "default": None},
            {"name": "time", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
            {"name": "enum", "type": ["null", {"type": "enum", "name": "E", "symbols": ["a"]}]},
            {"name": "map", "type": ["null", {"type": "map", "values": "string"}]},
            {"name": "array", "type": ["null", {"type": "array", "items": "long"}]},
        ],
    }
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("string", b"bytes"),
        ("string", 1),
        ("string", "\ud83d"),
        ("bytes", "text"),
        ("int", 2**31),
        ("int", -(2**31) - 1),
        ("int", 1.0),
        ("long", 2**63),
        ("long", "1"),
        ("long", True),
        ("double", "1.0"),
        ("double", True),
        ("double", 10**400),
        ("boolean", 1),
        ("time", "2026-01-01"),
        ("time", datetime(2026, 1, 1)),  # noqa: DTZ001 - the point of it
        ("enum", "b"),
        ("map", {1: "x"}),
        ("map", {"x": 1}),
        ("map", ["x"]),
        ("array", 5),
        ("array", ["x"]),
    ],
)
def test_a_value_of_the_wrong_type_is_an_error(field: str, value: object) -> None:
    write = payload_writer(_OF_ALL_KINDS)  # type: ignore[arg-type]
    assert write is not None
    nothing = dict.fromkeys(["time", "enum", "map", "array"])
    assert write(nothing) == bytes(10)
    with pytest.raises((TypeError, ValueError, LookupError, ArithmeticError, AttributeError)):
        write({**nothing, field: value})


@pytest.mark.parametrize(
    "kind",
    [
        "float",
        {"type": "fixed", "name": "F", "size": 2},
        ["string", "null"],
        ["null", "string", "long"],
        {"type": "int", "logicalType": "date"},
    ],
)
def test_a_schema_with_another_type_is_left_to_fastavro(kind: Any) -> None:
    schema: Any = {"type": "record", "name": "R", "fields": [{"name": "f", "type": kind}]}
    assert payload_writer(schema) is None

"""Writer schemas are not trusted: what would be unsafe to read by is refused."""

import json
from typing import Any

import pytest

from coalmine_schemas.catalogue import latest
from coalmine_schemas.errors import UnknownSchema
from coalmine_schemas.topics import EVENT_NAMES
from coalmine_schemas.writer_schema import vet_writer_schema


def _record(*kinds: Any, name: str = "R") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [_f(f"f{i}", kind) for i, kind in enumerate(kinds)]}


def _f(name: str, kind: Any) -> dict[str, Any]:
    return {"name": name, "type": kind}


def _nested(levels: int, kind: Any = "int") -> Any:
    for _ in range(levels):
        kind = {"type": "array", "items": kind}
    return kind


def _doubling(levels: int) -> dict[str, Any]:
    """A schema of a few lines that stands for 2**levels values."""
    inner: Any = _record("null", name="R0")
    for level in range(1, levels):
        inner = _record(inner, f"R{level - 1}", name=f"R{level}")
    return inner  # type: ignore[no-any-return] # a record after the first round


EMPTY_FIXED = {"type": "fixed", "name": "F", "size": 0}
DEEP = '{"type": "array", "items": ' * 20_000 + '"int"' + "}" * 20_000


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_our_own_schemas_are_taken(event: Any) -> None:
    writer = vet_writer_schema(latest(event).json, "id:1")
    assert writer.ref == "id:1"
    assert writer.document["name"] == latest(event).record_name


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(_record("int", ["null", "string"], {"type": "map", "values": "bytes"}, _nested(10))),
        json.dumps(_record({"type": "fixed", "name": "F", "size": 4}, "F", ["F", "null"])),
        json.dumps(_record(_record("int", name="I"), {"type": "map", "values": "I"})),
        json.dumps(_record({"type": "map", "values": "null"})),
        json.dumps(_record()),
    ],
)
def test_what_is_legal_and_harmless_is_taken(text: str) -> None:
    assert vet_writer_schema(text, "id:1").name == "R"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not valid Avro"),
        ("{", "not valid Avro"),
        ("[1, 2", "not valid Avro"),
        ("null", "not valid Avro"),
        ("7", "not valid Avro"),
        ('"string"', "not a record"),
        ('{"type": "array", "items": "int"}', "not a record"),
        (json.dumps([_record("int"), _record("int", name="S")]), "not a record"),
        ('{"type": "record"}', "not valid Avro"),
        (json.dumps(_record("nonsense")), "not valid Avro"),
        (json.dumps(_record({"type": "enum", "name": "E"})), "not valid Avro"),
        (json.dumps(_record(["null", "R"])), "recursive type R at f0"),
        (json.dumps(_record({"type": "array", "items": "null"})), "items without bytes at f0"),
        (
            json.dumps(_record({"type": "array", "items": _record(name="Empty")})),
            "items without bytes",
        ),
        (
            json.dumps(_record({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}})),
            "without",
        ),
        (json.dumps(_record(_nested(40))), "nested more than 32 levels deep"),
        (json.dumps(_record("int")).replace('"int"', DEEP), "not valid Avro"),
        (json.dumps(_doubling(30)), "more than 10000 types"),
        (json.dumps(_record(*["int"] * 60_000)), "characters is too large"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(UnknownSchema) as refused:
        vet_writer_schema(text, "id:1")
    assert reason in refused.value.reason
    assert refused.value.schema_ref == "id:1"
    assert len(refused.value.reason) <= 600

"""The schema handed to `pyruhvro`: a writer's schema, reduced to what that library reads correctly.

Measured with pyruhvro 0.4: it panics on `bytes` and `fixed`, wraps an `int` that does not fit 32 bits, and
reads the rest as the specification says, except that it neither checks UTF-8 nor looks behind the record. So
bytes are read as strings (which it copies unchecked) and ints as longs, both marked, and `unread.py` checks
what it does not.

In front of the record's fields stand two of our own that cover the frame's header, so that frames need not be
sliced: cutting the header off 100,000 frames costs a third of decoding them.
"""

import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from coalmine_schemas.framing import Confluent, Header, SingleObject
from coalmine_schemas.vectorised.columns import BoolArray, numbers
from coalmine_schemas.writer_schema import Node, WriterSchema

HEADER_FIELDS = 2
"""Columns of a physical batch that cover the header."""

BYTES = {"type": "string", "coalmine": "bytes"}
"""Bytes, as a physical schema has them."""
INT = {"type": "long", "coalmine": "int"}
"""An int, as a physical schema has it."""
MAX_SYMBOLS = 64
"""Symbols of an enum beyond which an index may take two bytes; such enums are left to the exact path."""

_PRIMITIVES: dict[str, Any] = {
    "boolean": "boolean",
    "int": INT,
    "long": "long",
    "float": "float",
    "double": "double",
    "string": "string",
    "bytes": BYTES,
}
_MAGIC: dict[type, int] = {SingleObject: -98, Confluent: 0}
"""First bytes of a frame, read as an Avro long: `C3 01` is -98, `00` is 0."""


@dataclass(frozen=True, slots=True)
class PhysicalSchema:
    """A schema for `pyruhvro` and `scan`, of frames with one kind of header."""

    document: dict[str, Any] = field(repr=False)
    json: str = field(repr=False)


def physical_schema(writer: WriterSchema, header: Header) -> PhysicalSchema | None:
    """The physical schema of frames with this header; None if `pyruhvro` cannot read the payloads."""
    try:
        members = _Reducer(writer.names).members(writer.document)
    except _NotVectorised:
        return None
    reference = "double" if isinstance(header, SingleObject) else "float"
    front = [{"name": "__magic", "type": "long"}, {"name": "__schema", "type": reference}]
    document = {"type": "record", "name": "Frame", "fields": front + members}
    return PhysicalSchema(document, json.dumps(document))


def headers_match(batch: Any, header: Header) -> BoolArray:  # noqa: ANN401 - a pyarrow.RecordBatch
    """Which frames of a physical batch carry exactly this header.

    The magic is a number, and a number can be written too long; such frames differ in length from their
    columns.
    """
    magic = numbers(batch.column(0), np.int64) == _MAGIC[type(header)]
    if isinstance(header, SingleObject):
        same = numbers(batch.column(1), "<u8") == int.from_bytes(header.fingerprint, "little")
    else:
        same = numbers(batch.column(1), ">u4") == header.schema_id
    matching: BoolArray = magic & same
    return matching


class _NotVectorised(Exception):
    """`pyruhvro` cannot read a type."""


class _Reducer:
    """Rewrites types; a named type is written out at each use, under a name of its own."""

    def __init__(self, names: dict[str, dict[str, Any]]) -> None:
        self._names = names
        self._number = count()

    def members(self, record: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"name": f"f{index}", "type": self.node(m["type"])} for index, m in enumerate(record["fields"])
        ]

    def node(self, node: Node) -> Any:  # noqa: ANN401 - an Avro type as JSON
        if isinstance(node, str):
            return _PRIMITIVES[node] if node in _PRIMITIVES else self._definition(node)
        if isinstance(node, list):
            if len(node) != 2 or node.count("null") != 1:
                raise _NotVectorised
            branches = ["null" if branch == "null" else self.node(branch) for branch in node]
            if any(isinstance(branch, dict) and branch["type"] == "record" for branch in branches):
                # Arrow's columns below a null record have rows of their own, which no check expects.
                raise _NotVectorised
            return branches
        kind = node["type"]
        if kind in {"array", "map"}:
            inner = "items" if kind == "array" else "values"
            if isinstance(node[inner], list):
                raise _NotVectorised
            return {"type": kind, inner: self.node(node[inner])}
        return self._definition(node["name"]) if "name" in node else self.node(kind)

    def _definition(self, name: str) -> dict[str, Any]:
        node = self._names.get(name)
        if node is None or node["type"] not in {"record", "enum"}:
            raise _NotVectorised
        unique = f"T{next(self._number)}"
        if node["type"] == "enum":
            if len(node["symbols"]) > MAX_SYMBOLS:
                raise _NotVectorised
            return {"type": "enum", "name": unique, "symbols": node["symbols"]}
        return {"type": "record", "name": unique, "fields": self.members(node)}

"""From the columns a writer wrote to the columns we read: Avro's schema resolution, a column at a time.

Covered are fields the writer has more or fewer (ours then have a default), enums with other symbols, and
fields we made nullable; any other difference is left to fastavro, message by message.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_schemas.catalogue import Schema
from coalmine_schemas.vectorised.arrow_schema import arrow_schema, split_null
from coalmine_schemas.vectorised.columns import offsets
from coalmine_schemas.vectorised.physical import HEADER_FIELDS
from coalmine_schemas.writer_schema import WriterSchema

_Column = Callable[[pa.RecordBatch], pa.Array]
"""Makes one of our columns from a physical batch."""


@dataclass(frozen=True, slots=True)
class Projection:
    """Makes a canonical table of a physical batch."""

    schema: pa.Schema
    columns: tuple[_Column, ...]

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with our columns; no data is copied but ints and replaced enum symbols."""
        return pa.RecordBatch.from_arrays([column(batch) for column in self.columns], schema=self.schema)


def projection(reader: Schema, writer: WriterSchema) -> Projection | None:
    """How to read a writer's columns as ours; None if only the exact path can."""
    theirs = {member["name"]: (index, member) for index, member in enumerate(writer.document["fields"])}
    schema = arrow_schema(reader.event)
    columns = []
    for ours, target in zip(reader.parsed["fields"], schema, strict=True):
        index, member = theirs.get(ours["name"], (0, None))
        if member is None:
            column = _default(ours, target)
        else:
            column = _matching(ours["type"], _written_out(member["type"], writer), index, target)
        if column is None:
            return None
        columns.append(column)
    return Projection(schema, tuple(columns))


def _default(ours: dict[str, Any], target: pa.Field) -> _Column | None:
    if "default" not in ours or "aliases" in ours:
        return None
    value = ours["default"]
    if isinstance(value, dict):
        value = list(value.items())
    if value is None:
        return lambda batch: pa.nulls(len(batch), target.type)
    if not isinstance(value, bool | int | float | str | list) or pa.types.is_binary(target.type):
        return None
    return lambda batch: pa.repeat(pa.scalar(value, target.type), len(batch))


def _matching(ours: Any, theirs: Any, index: int, target: pa.Field) -> _Column | None:  # noqa: ANN401
    we_nullable, our_type = split_null(ours)
    they_nullable, their_type = split_null(theirs)
    if they_nullable and not we_nullable:
        return None
    at = index + HEADER_FIELDS
    if _is_enum(our_type) and _is_enum(their_type):
        return _enum(our_type, their_type, at)
    if _shape(our_type) != _shape(their_type):
        return None
    return lambda batch: _converted(batch.column(at), target.type)


def _enum(ours: dict[str, Any], theirs: dict[str, Any], at: int) -> _Column | None:
    if ours["name"].rpartition(".")[2] != theirs["name"].rpartition(".")[2]:
        return None
    if set(theirs["symbols"]) <= set(ours["symbols"]):
        return lambda batch: batch.column(at)
    default = ours.get("default")
    if default is None:
        return None
    known = pa.array(ours["symbols"])

    def replaced(batch: pa.RecordBatch) -> pa.Array:
        column = batch.column(at)
        unknown = pc.and_(pc.is_valid(column), pc.invert(pc.is_in(column, known)))
        return pc.if_else(unknown, default, column)

    return replaced


def _is_enum(node: Any) -> bool:  # noqa: ANN401
    return isinstance(node, dict) and node["type"] == "enum"


def _shape(node: Any) -> Any:  # noqa: ANN401
    """A type without documentation and defaults; equal shapes have equal columns."""
    if isinstance(node, list):
        return [_shape(branch) for branch in node]
    if isinstance(node, dict):
        kind = node["type"]
        if kind == "record":
            fields = [(member["name"], _shape(member["type"])) for member in node["fields"]]
            return {"record": node["name"].rpartition(".")[2], "fields": fields}
        if kind == "enum":
            return {"enum": node["name"].rpartition(".")[2], "symbols": node["symbols"]}
        if kind in {"array", "map"}:
            return {kind: _shape(node["items" if kind == "array" else "values"])}
        return _shape(kind)
    return node


def _written_out(node: Any, writer: WriterSchema) -> Any:  # noqa: ANN401
    """A type of the writer with named types in place of their names, one level deep."""
    if isinstance(node, list):
        return [_written_out(branch, writer) for branch in node]
    return writer.names.get(node, node) if isinstance(node, str) else node


def _converted(array: pa.Array, target: pa.DataType) -> pa.Array:
    """A physical array as the type we show, sharing its buffers."""
    if array.type == target:
        return array
    if pa.types.is_int32(target):
        return array.cast(target)
    if pa.types.is_map(array.type):
        keys = array.keys
        values = _converted(array.items, target.value_type.field(1).type)
        items = pa.StructArray.from_arrays([keys, values], fields=list(target.value_type))
        return _list(array, items, target)
    if pa.types.is_list(target):
        return _list(array, _converted(array.values, target.value_type), target)
    if pa.types.is_struct(target):
        members = [_converted(array.field(i), member.type) for i, member in enumerate(target)]
        return pa.StructArray.from_arrays(members, fields=list(target))
    # Longs as times and strings as bytes: the same buffers under another name.
    return pa.Array.from_buffers(target, len(array), array.buffers(), array.null_count, array.offset)


def _list(array: pa.Array, items: pa.Array, target: pa.DataType) -> pa.Array:
    validity = array.buffers()[0]
    begins = pa.py_buffer(np.ascontiguousarray(offsets(array)))
    return pa.Array.from_buffers(
        target, len(array), [validity, begins], array.null_count, 0, children=[items]
    )

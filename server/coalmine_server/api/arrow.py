"""Rows of an answer as an Arrow table, typed also where there is no row."""

import types
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pyarrow as pa
from pydantic import TypeAdapter

_PLAIN: dict[object, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
    date: pa.date32(),
}


def arrow_table(row_type: type, rows: Sequence[object]) -> pa.Table:
    """One column for each field of the dataclass `row_type`, one row for each of `rows`."""
    schema = arrow_schema(row_type)
    columns = [_array([_plain(getattr(row, field.name)) for row in rows], field.type) for field in schema]
    fields = [field.with_type(column.type) for field, column in zip(schema, columns, strict=True)]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except OverflowError:  # a sum of counts that no event may have any more, but an old store may hold
        return pa.array(values, pa.decimal128(38))


@cache
def arrow_schema(row_type: type) -> pa.Schema:
    """The Arrow schema of a dataclass, with the fields' descriptions."""
    properties = TypeAdapter(row_type).json_schema(mode="serialization")["properties"]
    hints = get_type_hints(row_type)
    return pa.schema(
        [pa.field(name, _arrow_type(hints[name]), metadata=_metadata(properties[name])) for name in hints]
    )


def _metadata(described: Mapping[str, Any]) -> dict[str, str] | None:
    return {"description": described["description"]} if "description" in described else None


def _arrow_type(annotation: object) -> pa.DataType:
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _arrow_type(next(argument for argument in arguments if argument is not type(None)))
    if origin is Literal:
        return pa.string()
    if origin in (list, tuple, Sequence):
        return pa.list_(_arrow_type(arguments[0]))
    if origin in (dict, Mapping):
        return pa.map_(_arrow_type(arguments[0]), _arrow_type(arguments[1]))
    if is_dataclass(annotation):
        return pa.struct(list(arrow_schema(annotation)))  # type: ignore[arg-type]
    raise TypeError(f"no Arrow type for {annotation}")


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return list(value.items())
    return value


def ipc_stream(table: pa.Table) -> bytes:
    """The table as one Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data

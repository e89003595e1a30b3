"""Answers as Arrow: a table with the columns of an answer's rows, typed also where there is no row."""

import types
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Literal, Union, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel

_PLAIN: dict[object, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
}


def arrow_table(model: type[BaseModel], rows: Sequence[BaseModel]) -> pa.Table:
    """One column for each field of `model`, one row for each of `rows`."""
    schema = arrow_schema(model)
    columns = [pa.array([_plain(getattr(row, field.name)) for row in rows], field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


@cache
def arrow_schema(model: type[BaseModel]) -> pa.Schema:
    """The Arrow schema of a model, with the fields' descriptions."""
    return pa.schema(
        [
            pa.field(
                name,
                _arrow_type(info.annotation),
                metadata={"description": info.description} if info.description else None,
            )
            for name, info in model.model_fields.items()
        ]
    )


def _arrow_type(annotation: object) -> pa.DataType:
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _arrow_type(next(argument for argument in arguments if argument is not type(None)))
    if origin is Literal:
        return pa.string()
    if origin is list:
        return pa.list_(_arrow_type(arguments[0]))
    if origin is dict:
        return pa.map_(_arrow_type(arguments[0]), _arrow_type(arguments[1]))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return pa.struct(list(arrow_schema(annotation)))
    raise TypeError(f"no Arrow type for {annotation}")


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, list):
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

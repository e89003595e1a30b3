"""Answers as Arrow tables."""

import types
from collections.abc import Sequence
from dataclasses import asdict, fields, is_dataclass
from datetime import datetime
from typing import Any, Union, get_args, get_origin, get_type_hints

import pyarrow as pa

_SIMPLE: dict[object, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    datetime: pa.timestamp("us", "UTC"),
}


def to_arrow(rows: Sequence[object], row_type: type) -> pa.Table:
    """One column per field of the row type, in its order, also where there is no row.

    Args:
        rows: Frozen dataclasses of the row type.
        row_type: Whose fields are texts, numbers, times, optional ones, lists, or dataclasses of these.
    """
    schema = pa.schema(_fields(row_type))
    return pa.Table.from_pylist([_plain(row) for row in rows], schema=schema)


def _plain(row: object) -> dict[str, Any]:
    if not is_dataclass(row) or isinstance(row, type):
        raise TypeError(f"{row!r} is not a row")
    return asdict(row)


def _fields(row_type: type) -> list[pa.Field]:
    hints = get_type_hints(row_type)
    return [pa.field(field.name, _arrow_type(hints[field.name])) for field in fields(row_type)]


def _arrow_type(hint: object) -> pa.DataType:
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is list:
        return pa.list_(_arrow_type(get_args(hint)[0]))
    if isinstance(hint, type) and is_dataclass(hint):
        return pa.struct(_fields(hint))
    return _SIMPLE[hint]

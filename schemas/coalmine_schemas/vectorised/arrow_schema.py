"""The Arrow schema in which the rest of Coalmine sees each event."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import pyarrow as pa

from coalmine_schemas.catalogue import latest
from coalmine_schemas.errors import CatalogueError
from coalmine_schemas.events import EventName

_PRIMITIVES: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "bytes": pa.binary(),
}


@cache
def arrow_schema(event: EventName) -> pa.Schema:
    """Columns of an event, in the order of the latest schema.

    Enums are texts; times are `timestamp[us, UTC]`; maps are lists of structs of key and value, because
    DuckDB checks the keys of a MAP for uniqueness, at a third of the cost of an insert.
    """
    return pa.schema([arrow_field(member) for member in latest(event).parsed["fields"]])


def records_as_rows(event: EventName, records: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """Rows of an event's columns.

    Args:
        event: Which event all records are.
        records: As `codec.Decoder.decode_plain` gives them.
    """
    columns = []
    for column in arrow_schema(event):
        values = [record[column.name] for record in records]
        if pa.types.is_list(column.type):
            values = [_items(value) for value in values]
        columns.append(pa.array(values, column.type))
    return pa.RecordBatch.from_arrays(columns, schema=arrow_schema(event))


def _items(value: Any) -> Any:  # noqa: ANN401 - an array or a map of any type
    if isinstance(value, Mapping):
        return [{"key": key, "value": item} for key, item in value.items()]
    return value


def arrow_field(member: dict[str, Any]) -> pa.Field:
    """The Arrow field of one field of an Avro record."""
    nullable, node = split_null(member["type"])
    return pa.field(member["name"], _arrow_type(node), nullable=nullable)


def split_null(node: Any) -> tuple[bool, Any]:  # noqa: ANN401 - an Avro type as JSON
    """Whether a type is a union of null and one other type, and that type."""
    if isinstance(node, list) and len(node) == 2 and "null" in node:
        return True, node[1 - node.index("null")]
    return False, node


def _arrow_type(node: Any) -> pa.DataType:  # noqa: ANN401
    if isinstance(node, str):
        return _PRIMITIVES[node]
    match node["type"]:
        case "long" if node.get("logicalType") == "timestamp-micros":
            return pa.timestamp("us", tz="UTC")
        case "enum":
            return pa.string()
        case "record":
            return pa.struct([arrow_field(member) for member in node["fields"]])
        case "array":
            return _list_of(_arrow_type(node["items"]))
        case "map":
            key = pa.field("key", pa.string(), nullable=False)
            value = pa.field("value", _arrow_type(node["values"]), nullable=False)
            return _list_of(pa.struct([key, value]))
    raise CatalogueError(f"no Arrow type for {node!r}")


def _list_of(item: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("item", item, nullable=False))

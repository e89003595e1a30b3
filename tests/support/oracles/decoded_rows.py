"""Rows of a decoded table as the records the exact path gives, to compare the two."""

from typing import Any

import pyarrow as pa

from coalmine_schemas.catalogue import latest
from coalmine_schemas.events import EventName


def rows_as_records(event: EventName, table: pa.Table) -> list[dict[str, Any]]:
    """Rows with maps as dictionaries and times as microseconds."""
    times = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
    for name in times:
        index = table.schema.get_field_index(name)
        table = table.set_column(index, name, table.column(index).cast(pa.int64()))
    maps = [
        member["name"]
        for member in latest(event).parsed["fields"]
        if isinstance(member["type"], dict) and member["type"]["type"] == "map"
    ]
    records: list[dict[str, Any]] = table.to_pylist()
    for record in records:
        for name in maps:
            pairs = [(item["key"], item["value"]) for item in record[name]]
            assert len(dict(pairs)) == len(pairs), "a key twice in one map"
            record[name] = dict(pairs)
    return records

"""Names that are empty where they may be null: nothing was said, as by `POST /v1/events`.

Writers of languages without null leave an empty text. An `error_type` of no characters would be an error, a
score's `session_id` would make it a late outcome of nobody, an `experiment` would be one without a name.
"""

from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.raw import ReadEvent
from coalmine_schemas.rules import RULES, Length
from coalmine_schemas.vectorised.arrow_schema import arrow_schema


def without_empty_names(event: ReadEvent, rows: pa.Table) -> pa.Table:
    """Decoded rows with null in place of empty names. Copies only columns that hold one."""
    for place in _places(event):
        column = rows.column(place)
        if pc.min(pc.binary_length(column)).as_py() == 0:
            filled = pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
            rows = rows.set_column(place, rows.schema.field(place), filled)
    return rows


@cache
def _places(event: ReadEvent) -> list[int]:
    """Columns of names that may be null. Not of texts: an empty correction is one whose text is not kept."""
    schema = arrow_schema(event)
    names = [rule.field for rule in RULES[event] if isinstance(rule, Length)]
    return [place for name in names if schema.field(place := schema.get_field_index(name)).nullable]

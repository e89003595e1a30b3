"""Decoded events as the store's own rows: 16-byte ids, and texts with few values coded once."""

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.aggregation.coded_names import coded_names
from coalmine_consumers.aggregation.groups import codes_of, distinct, unify
from coalmine_consumers.raw import IngestedEvent
from coalmine_consumers.store.ids import Ids
from coalmine_consumers.store.segments import ID_COLUMN, UUID_COLUMNS
from coalmine_schemas.identifiers import unit_group


def stored_rows(event: IngestedEvent, decoded: pa.Table, ingest_id: int, ingested_at: datetime) -> pa.Table:
    """What is to be stored of decoded events, in the same order.

    Args:
        event: What the rows are.
        decoded: The canonical Arrow schema, but for names that may be coded.
        ingest_id: The batch.
        ingested_at: When it is committed.
    """
    rows = decoded.combine_chunks()
    for name in UUID_COLUMNS[event]:
        rows = rows.set_column(rows.column_names.index(name), name, Ids.from_arrow(rows[name]).to_arrow())
    if event == "requests":
        place = rows.column_names.index("unit_group")
        rows = rows.set_column(place, "unit_group", _unit_groups(rows["unit_id"]))
        rows = coded_names(rows)
        if "cost_uncached_nano_usd" not in rows.column_names:  # nobody priced them
            rows = rows.append_column("cost_uncached_nano_usd", pa.nulls(rows.num_rows, pa.int64()))
    count = rows.num_rows
    rows = rows.append_column("ingest_id", pa.array(np.full(count, ingest_id)))
    moment = pa.scalar(ingested_at, pa.timestamp("us", "UTC"))
    return rows.append_column("ingested_at", pa.repeat(moment, count))


def _unit_groups(unit_ids: pa.ChunkedArray) -> pa.Array:
    """Computed, not believed: a unit with a group of its choice in each event would count as 256 units."""
    coded = pc.dictionary_encode(unit_ids)
    # Null is not for this function to refuse.
    groups = [unit_group(unit or "") for unit in (*distinct(coded), None)]
    return pa.array(np.array(groups, np.int32)[codes_of(coded).of_row])


def with_model(requests: pa.Table) -> pa.Table:
    """Requests with the column `model`: the response's where it is known, else the request's."""
    return requests.append_column("model", unify(requests["response_model"], requests["request_model"]))


def ids_of(event: IngestedEvent, rows: pa.Table) -> Ids:
    """The ids that make these events unique."""
    return Ids.from_arrow(rows[ID_COLUMN[event]])

"""Requests of a simulated service as the store's rows, in bulk."""

from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coalmine_analytics.calibration.end_to_end.service import Requests
from coalmine_schemas.batch import arrow_schema
from tests.support.data.store_feed import ids_of_times

Index = npt.NDArray[np.intp]


def request_rows(
    requests: Requests,
    start: datetime,
    rng: np.random.Generator,
    *,
    named: tuple[str, ...] = ("quality",),
    at: Index | None = None,
    prompt: str = "refund",
    **columns: pa.Array,
) -> pa.Table:
    """Some requests as rows.

    Args:
        requests: All of them.
        start: When they begin.
        rng: Of their ids.
        named: Of their values those that are metrics of the requests.
        at: Which ones; None: all.
        prompt: Their prompt.
        columns: Others than those that an ordinary request of version 1.0.0 has.
    """
    at = np.arange(len(requests.at_s)) if at is None else at
    count, values = len(at), requests.values
    times_us = int(start.timestamp() * 1e6) + (requests.at_s[at] * 1e6).astype(np.int64)
    cost = pa.array(values["cost_uncached_nano_usd"][at].astype(np.int64))
    failed, refused = values["errors"][at] > 0, values["refusals"][at] > 0
    known: dict[str, Any] = {
        "request_id": ids_of_times(times_us, rng),
        "event_time": pa.array(times_us).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC")),
        "app": _repeated("support", count),
        "environment": _repeated("prod", count),
        "prompt": _repeated(prompt, count),
        "version": _repeated("1.0.0", count),
        "unit_id": pa.array([f"user-{unit}" for unit in requests.unit[at].tolist()]),
        "unit_group": pa.array(np.zeros(count, np.int32)),  # computed when stored
        "resolution": _repeated("live", count),
        "request_model": _repeated("gpt-4o-mini", count),
        "request_parameters": _maps({}, count),
        "other_usage": _maps({}, count),
        "input_tokens": pa.array(np.full(count, 1_000)),
        "output_tokens": pa.array(np.full(count, 200)),
        "cost_nano_usd": cost,
        "cost_source": _repeated("price_list", count),
        "outcome": pa.array(np.where(failed, "error", np.where(refused, "refused", "ok"))),
        "latency_ms": pa.array(values["latency_ms"][at]),
        "finish_reason": pa.array(np.where(refused, "content_filter", "stop")),
        "error_type": pa.array(np.full(count, "timeout"), mask=~failed),
        "metrics": _maps({name: values[name][at] for name in named}, count),
        "segments": _maps({}, count),
    }
    known |= columns
    schema = arrow_schema("requests")
    table = pa.table(
        [
            known[one.name].cast(one.type) if one.name in known else pa.nulls(count, one.type)
            for one in schema
        ],
        schema=schema,
    )
    return table.append_column("cost_uncached_nano_usd", cost)  # as pricing adds it


def _repeated(value: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value), count)


def _maps(entries: dict[str, npt.NDArray[np.float64]], count: int) -> pa.Array:
    """A list of entries for each row: all of `entries`."""
    keys = np.tile(np.array(list(entries), np.str_), count)
    values = np.stack(list(entries.values()), axis=-1).ravel() if entries else np.zeros(0)
    pairs = pa.StructArray.from_arrays([pa.array(keys), pa.array(values)], ["key", "value"])
    offsets = np.arange(count + 1, dtype=np.int32) * len(entries)
    return pa.ListArray.from_arrays(pa.array(offsets), pairs)

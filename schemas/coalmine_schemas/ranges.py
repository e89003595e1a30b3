"""Declared ranges of named values: of requests' metrics and of scores.

A mean is at the mercy of one absurd value. A name with a declared range has none: an event with a value
beyond it is a mistake of the service, and becomes a dead letter that says so.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_schemas.events import EventName


class Range(NamedTuple):
    """The least and the greatest value there may be."""

    low: float
    high: float


DEFAULT_RANGES: Mapping[str, Range] = MappingProxyType({"quality": Range(0.0, 1.0)})
"""Ranges that hold where nothing else is declared."""


def out_of_range(event: EventName, rows: pa.RecordBatch, ranges: Mapping[str, Range]) -> dict[int, str]:
    """Rows of a canonical batch with a value beyond its range, each with the first such value, in words."""
    if event == "scores":
        names, values = rows.column("name"), rows.column("value")
        row_of = np.arange(rows.num_rows)
    elif event == "requests":
        metrics = rows.column("metrics")
        names, values = (pc.struct_field(pc.list_flatten(metrics), field) for field in ("key", "value"))
        row_of = pc.list_parent_indices(metrics).to_numpy()
    else:
        return {}
    beyond: dict[int, str] = {}
    numbers = values.to_numpy(zero_copy_only=False)
    for name, (low, high) in ranges.items():
        bad = pc.equal(names, name).to_numpy(zero_copy_only=False) & ((numbers < low) | (numbers > high))
        for entry in np.flatnonzero(bad).tolist():
            reason = f"{name} is {numbers[entry]:.15g}, beyond its range from {low:g} to {high:g}"
            beyond.setdefault(int(row_of[entry]), reason)
    return beyond

"""Values beyond their declared range, found in a whole batch at once."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_schemas.events import EventName
from coalmine_schemas.ranges import Range


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
    for name, limits in ranges.items():
        outside = (numbers < limits.low) | (numbers > limits.high)
        bad = pc.equal(names, name).to_numpy(zero_copy_only=False) & outside
        for entry in np.flatnonzero(bad).tolist():
            beyond.setdefault(int(row_of[entry]), f"{name} {limits.beyond(numbers[entry])}")
    return beyond

"""Late outcomes of units, each counted from its unit's first exposure to an experiment.

What an outcome is attributed to, its unit's last call, says when that call is old enough; and a version that
brings units back has later last calls. So of a unit counts what came within the window after its first
exposure, in the arm of that, and the unit counts, with outcomes or without, once the window is over: then
all units are of one age, whatever they did afterwards.

No sums are kept of this, but are made when they are read, because an earlier call may arrive at any time.
Only what expires goes into cells (see `maintenance/expire.py`).
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.aggregation.cells import PER_UNIT, cells_name
from coalmine_consumers.aggregation.late import OUTCOME_WINDOW_US
from coalmine_consumers.sql import statement

Fetch = Callable[[str, Mapping[str, Any]], pa.Table]
"""Runs one statement with its parameters."""


def unit_outcomes(
    fetch: Fetch, *, experiment: str | None, at: datetime, outcomes: str = "late_outcomes"
) -> pa.Table | None:
    """Late outcomes of units: see `unit_outcomes.sql` for the columns; metrics are named as in cells.

    None if no outcome came, as in most stores.

    Args:
        fetch: Runs statements on the store.
        experiment: Its name; None: all.
        at: Units are old enough then or not.
        outcomes: A relation with the columns of `late_outcomes`.
    """
    if not (names := _names(fetch, outcomes)):
        return None
    found = fetch(
        statement("unit_outcomes", __package__).format(outcomes=outcomes),
        {
            "experiment": experiment,
            "names": names,
            "metrics": [cells_name(name) for name in names],
            "window_us": OUTCOME_WINDOW_US,
            "at": at,
        },
    )
    metrics = pc.binary_join_element_wise(PER_UNIT, found["metric"], "")
    return found.set_column(found.column_names.index("metric"), "metric", metrics)


def unit_metrics(fetch: Fetch, metrics: Collection[str]) -> list[str]:
    """Names of the metrics that outcomes of units are, which cells do not have before these expire.

    Args:
        fetch: Runs statements on the store.
        metrics: Of cells: what has no mean there has no bounds either.
    """
    found = {cells_name(name) for name in _names(fetch, "late_outcomes")}
    return [f"{PER_UNIT}{metric}" for metric in sorted(found.intersection(metrics))]


def _names(fetch: Fetch, outcomes: str) -> list[str]:
    names: list[str] = fetch(f"SELECT DISTINCT name FROM {outcomes}", {})["name"].to_pylist()  # noqa: S608
    return names

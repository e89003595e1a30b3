"""Borders within epochs, such as one each day: from each on, harm is looked for anew."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from coalmine_consumers.experiments import ExperimentSums


def split_at(sums: ExperimentSums, borders: Sequence[ExperimentSums]) -> ExperimentSums:
    """Cut epochs at borders: what came before and after each is an epoch of its own.

    Args:
        sums: Now.
        borders: The sums of the same experiment at each border, oldest first. Each cuts the epoch that was
            the latest one then.

    Returns:
        The same sums over more epochs, in the order of time; the numbers of epochs that were cut repeat.
        Units after a border are at least as many as the groups that had requests since.
    """
    ends = {epoch: [border for border in borders if border.epochs[-1] == epoch] for epoch in sums.epochs}
    cut = [
        _part(sums, epoch, before, until)
        for epoch, at in ends.items()
        for before, until in zip([None, *at], [*at, sums], strict=True)
    ]
    return replace(
        sums,
        epochs=tuple(epoch for epoch, at in ends.items() for _ in range(len(at) + 1)),
        x=np.concatenate([part.x for part in cut], axis=1),
        y=np.concatenate([part.y for part in cut], axis=1),
        units=np.concatenate([part.units for part in cut]),
        first_units=np.concatenate([part.first_units for part in cut]),
    )


def _part(
    sums: ExperimentSums, epoch: int, before: ExperimentSums | None, until: ExperimentSums
) -> ExperimentSums:
    """What one epoch gained between two borders."""
    end = _placed(until, sums, epoch)
    if before is None:
        return end
    start = _placed(before, sums, epoch)
    x = end.x - start.x
    kept = x >= 0  # a value that was taken back since, as an opinion may be, counts for neither part
    x, y = np.where(kept, x, 0.0), np.where(kept, end.y - start.y, 0.0)
    seen = x[sums.metrics.index("requests")] > 0
    units = np.maximum(end.units - start.units, seen)
    return replace(end, x=x, y=y, units=units, first_units=end.first_units - start.first_units)


def _placed(border: ExperimentSums, sums: ExperimentSums, epoch: int) -> ExperimentSums:
    """One epoch of earlier sums, with the metrics and arms of now."""
    rows = [row for row, name in enumerate(border.metrics) if name in sums.metrics]
    metrics = [sums.metrics.index(border.metrics[row]) for row in rows]
    arms = [sums.arms.index(arm) for arm in border.arms]
    at = border.epochs.index(epoch)
    shape = (1, *sums.units.shape[1:])
    x, y = (np.zeros((len(sums.metrics), *shape)) for _ in range(2))
    units, first_units = np.zeros(shape, np.int64), np.zeros(shape[:2], np.int64)
    x[np.ix_(metrics, [0], arms)] = border.x[rows][:, [at]]
    y[np.ix_(metrics, [0], arms)] = border.y[rows][:, [at]]
    units[0, arms], first_units[0, arms] = border.units[at], border.first_units[at]
    return replace(sums, x=x, y=y, units=units, first_units=first_units)

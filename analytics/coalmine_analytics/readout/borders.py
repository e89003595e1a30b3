"""Earlier sums of an experiment: what came since, and borders from which harm is looked for anew.

A border is set each day that an epoch lasts: harm that begins late is diluted by a long good past.
"""

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from coalmine_analytics.arrays import IntArray
from coalmine_analytics.results.readout import Readout
from coalmine_consumers.experiments import ExperimentSums, SegmentSums

BORDER_EVERY = timedelta(days=1)
MOST_BORDERS = 30
"""Of one experiment: a readout compares what came between each two of them."""
SUMS_THEN = "sums_then"
"""Beside the fields of a look that later ones subtract: too large to be shown, or repeated by each."""
_ARRAYS = ("x", "y", "units", "first_units")


def is_border_due(readout: Readout) -> bool:
    """True if a look begins another part of the latest epoch: after a day without a new epoch or border."""
    last = readout.borders[-1] if readout.borders else readout.epoch_since
    return (
        readout.taken_at - max(last, readout.epoch_since) >= BORDER_EVERY
        and len(readout.borders) < MOST_BORDERS
        and not readout.final
    )


def latest_epoch(sums: ExperimentSums) -> ExperimentSums:
    """The latest epoch alone: what a border cuts."""
    return _only(sums, sums.epochs[-1])


def with_sums(document: str, sums: ExperimentSums) -> str:
    """The JSON of a look, with sums of that time beside its fields."""
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        metrics=np.array(sums.metrics),
        epochs=np.array(sums.epochs),
        arms=np.array(sums.arms),
        **{name: getattr(sums, name) for name in _ARRAYS},
        segments=np.frombuffer(b"" if sums.segments is None else sums.segments.to_bytes(), np.uint8),
    )
    return json.dumps({**json.loads(document), SUMS_THEN: base64.b85encode(packed.getvalue()).decode()})


def sums_in(document: str, experiment: str) -> ExperimentSums:
    """The sums in the JSON of a look, as `with_sums` put them there."""
    found = json.loads(document)
    packed = io.BytesIO(base64.b85decode(found[SUMS_THEN]))
    with np.load(packed) as arrays:
        metrics, epochs, arms = (tuple(arrays[name].tolist()) for name in ("metrics", "epochs", "arms"))
        x, y, units, first_units = (arrays[name] for name in _ARRAYS)
        # Looks of earlier versions have none.
        packed_segments = arrays["segments"].tobytes() if "segments" in arrays else b""
    through = found["through_ingest_id"]
    segments = SegmentSums.from_bytes(packed_segments) if packed_segments else None
    return ExperimentSums(
        experiment, metrics, epochs, arms, x, y, units, through, first_units, segments=segments
    )


def since(sums: ExperimentSums, before: ExperimentSums, units: IntArray | None = None) -> ExperimentSums:
    """What came since earlier sums.

    What is taken back later, such as a thumb, may leave less than nothing in a group: it counts as nothing.

    Args:
        sums: Of now.
        before: Of the same experiment; its metrics, epochs and arms only ever grow.
        units: Units with a request since, shape (E, A, 256); None: at least as many as are new, and as there
            are groups with requests.
    """
    metrics, epochs, arms = (
        [names.index(name) for name in old]
        for names, old in (
            (sums.metrics, before.metrics),
            (sums.epochs, before.epochs),
            (sums.arms, before.arms),
        )
    )
    x, y, all_units, first_units = (getattr(sums, name).copy() for name in _ARRAYS)
    of_cells, of_units = np.ix_(metrics, epochs, arms), np.ix_(epochs, arms)
    x[of_cells] -= before.x
    y[of_cells] -= before.y
    all_units[of_units] -= before.units
    first_units[of_units] -= before.first_units
    if units is None:
        units = np.maximum(all_units, x[sums.metrics.index("requests")] > 0)
    return replace(
        sums,
        x=np.maximum(x, 0.0),
        y=np.where(x > 0, y, 0.0),
        units=units,
        first_units=np.maximum(first_units, 0),
        segments=sums.segments and before.segments and sums.segments.since(before.segments),
    )


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
    return end if before is None else since(end, _only(before, epoch))


def _only(sums: ExperimentSums, epoch: int) -> ExperimentSums:
    at = slice(sums.epochs.index(epoch), sums.epochs.index(epoch) + 1)
    return replace(
        sums,
        epochs=(epoch,),
        x=sums.x[:, at],
        y=sums.y[:, at],
        units=sums.units[at],
        first_units=sums.first_units[at],
        segments=None,
    )


def _placed(border: ExperimentSums, sums: ExperimentSums, epoch: int) -> ExperimentSums:
    """One epoch of earlier sums, with the metrics and arms of now."""
    nothing = _only(sums, epoch)
    nothing = replace(nothing, **{name: 0 * getattr(nothing, name) for name in _ARRAYS})
    mine = _only(border, epoch)
    metrics = [sums.metrics.index(name) for name in border.metrics]
    arms = [sums.arms.index(arm) for arm in border.arms]
    nothing.x[np.ix_(metrics, [0], arms)] = mine.x
    nothing.y[np.ix_(metrics, [0], arms)] = mine.y
    nothing.units[:, arms], nothing.first_units[:, arms] = mine.units, mine.first_units
    return nothing

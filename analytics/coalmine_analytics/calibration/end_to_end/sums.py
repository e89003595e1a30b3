"""From simulated requests to the sums of an experiment at any time, as the store would give them."""

from dataclasses import dataclass

import numpy as np

from coalmine_analytics.arrays import FloatArray, IntArray
from coalmine_analytics.calibration.end_to_end.service import Requests, Service
from coalmine_consumers.experiments import UNIT_GROUPS, ExperimentSums

ARMS = ("canary", "control")
_FEEDBACK, _THUMBS, _UP, _CORRECTIONS = 0.1, 0.05, 0.7, 0.05
"""Shares of requests with feedback, with a thumb, of thumbs that are up, of requests with a correction."""
_LATE_QUANTILE = 0.8
_AGED_S, _APART_S = 24 * 3_600.0, 3_600.0


@dataclass(frozen=True, slots=True, eq=False)
class _Stream:
    """What a metric adds, in order of time."""

    name: str
    at_s: FloatArray
    cell: IntArray
    x: FloatArray | None
    """None: 1 each."""
    y: FloatArray


class RunningSums:
    """Sums that grow: times must be asked for in ascending order.

    Args:
        service: The service.
        requests: All of its requests.
        rng: For the feedback.
    """

    def __init__(self, service: Service, requests: Requests, rng: np.random.Generator) -> None:
        stage = np.zeros_like(requests.stage) if service.pooled else requests.stage
        self._requests, self._stage = requests, stage
        arm = np.where(requests.treated, 0, 1)
        shape = (int(stage.max(initial=0)) + 1, len(ARMS), UNIT_GROUPS)
        place = (stage * len(ARMS) + arm) * UNIT_GROUPS
        cell = place + requests.group
        streams = [_Stream(name, requests.at_s, cell, None, y) for name, y in requests.values.items()]
        streams += _feedback(service, requests, cell, rng)
        self._streams = sorted(streams, key=lambda stream: stream.name)
        self._binary = frozenset() if service.passing is None else frozenset(("quality",))
        self._shape = (len(self._streams) + 2, *shape)
        self._x, self._y = (np.zeros((len(self._streams), int(np.prod(shape)))) for _ in range(2))
        self._seen = [0] * len(self._streams)
        # A unit is in one arm of an epoch only; the first request of each in an epoch, and of all.
        epochs = shape[0]
        self._visits, first, self._visit = np.unique(
            requests.unit * epochs + stage, return_index=True, return_inverse=True
        )
        self._visit_cell, self._visit_at = cell[first], requests.at_s[first]
        _, once = np.unique(requests.unit, return_index=True)
        self._once_at, self._once_place = requests.at_s[once], stage[once] * len(ARMS) + arm[once]

    def until(self, at_s: float) -> ExperimentSums:
        """The sums at this time."""
        for row, stream in enumerate(self._streams):
            low, high = self._seen[row], int(np.searchsorted(stream.at_s, at_s, side="right"))
            self._seen[row] = high
            cells, size = stream.cell[low:high], self._x.shape[1]
            x = None if stream.x is None else stream.x[low:high]
            self._x[row] += np.bincount(cells, x, size)
            self._y[row] += np.bincount(cells, stream.y[low:high], size)
        come = int(np.searchsorted(self._requests.at_s, at_s, side="right"))
        epochs = int(self._stage[:come].max(initial=0)) + 1
        units = np.bincount(self._visit_cell[self._visit_at <= at_s], minlength=self._x.shape[1])
        first = np.bincount(self._once_place[self._once_at <= at_s], minlength=self._shape[1] * len(ARMS))
        x, y = np.zeros(self._shape), np.zeros(self._shape)
        x[:-2], y[:-2] = self._x.reshape(x[:-2].shape), self._y.reshape(x[:-2].shape)
        if at_s > _AGED_S:
            self._of_units(x[-2:], y[-2:], at_s, come)
        names = tuple(stream.name for stream in self._streams)
        return ExperimentSums(
            "simulated",
            (*names, "requests.aged", "returned"),
            tuple(range(1, epochs + 1)),
            ARMS,
            x[:, :epochs],
            y[:, :epochs],
            units.reshape(self._shape[1:])[:epochs].astype(np.int64),
            int(at_s),
            first.reshape(-1, len(ARMS))[:epochs].astype(np.int64),
            self._binary,
        )

    def _of_units(self, x: FloatArray, y: FloatArray, at_s: float, come: int) -> None:
        aged = np.flatnonzero(self._visit_at <= at_s - _AGED_S)
        visits, cells, size = self._visit[:come], self._visit_cell[aged], self._x.shape[1]
        requests = np.bincount(visits, minlength=len(self._visits))[aged]
        last = np.zeros(len(self._visits))
        last[visits] = self._requests.at_s[:come]  # in order, so that the last one stays
        returned = last[aged] - self._visit_at[aged] >= _APART_S
        x[:] = np.bincount(cells, minlength=size).reshape(x.shape[1:])
        for row, of_unit in enumerate((requests, returned)):
            y[row] = np.bincount(cells, of_unit, size).reshape(y.shape[1:])


def _feedback(
    service: Service, requests: Requests, cell: IntArray, rng: np.random.Generator
) -> list[_Stream]:
    """Thumbs and corrections: within a window and of requests older than that, or as they come."""
    count, at_s = len(requests.at_s), requests.at_s
    control, canary = (60.0 * delay for delay in service.delays_min)
    delay = rng.exponential(np.where(requests.treated, canary, control), count)
    # Of all delays before the experiment, which were those of control.
    window = -control * np.log1p(-_LATE_QUANTILE) if service.waits else np.inf
    kind = rng.random(count)
    thumb, corrects = kind < _THUMBS, kind >= 1.0 - _CORRECTIONS
    up = (rng.random(count) < _UP).astype(float)
    within = delay <= window
    counted = at_s + window if service.waits else at_s
    # A thumb is a value of its own; feedback and corrections are counted of requests.
    came = counted if service.waits else at_s + delay
    chosen = np.flatnonzero(thumb & within)
    chosen = chosen[np.argsort(came[chosen], kind="stable")]
    streams = [_Stream("thumbs_up", came[chosen], cell[chosen], None, up[chosen])]
    for name, share in (("corrections", corrects), ("feedback", kind < _FEEDBACK)):
        said = np.flatnonzero(share & within)
        at = np.concatenate([counted, came[said]])
        order = np.argsort(at, kind="stable")
        x = np.concatenate([np.ones(count), np.zeros(len(said))])[order]
        cells = np.concatenate([cell, cell[said]])[order]
        streams.append(_Stream(name, at[order], cells, x, 1.0 - x))
    return streams

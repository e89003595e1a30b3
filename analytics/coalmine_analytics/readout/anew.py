"""Evidence that begins anew: what an experiment had until then is subtracted from its sums.

A person asks for it, after a glitch that is not the version's fault. It is not free: the k-th time has
alpha / (k (k + 1)) for its decisions, so all of them together add at most alpha to the chance of erring.
"""

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa

from coalmine_analytics.arrays import FloatArray, IntArray
from coalmine_analytics.readout.plan import Plan
from coalmine_consumers.experiments import ExperimentSums, SegmentSums

SUMS_BEFORE = "sums_before"
"""Beside the fields of the look that begins anew: too large to be shown, or repeated by later looks."""
_ARRAYS = ("x", "y", "first_units")


def plan_of_restart(plan: Plan, number: int) -> Plan:
    """The plan with the alpha of the k-th time that evidence begins anew; 0: of the beginning."""
    return plan if number == 0 else replace(plan, alpha=plan.alpha / (number * (number + 1)))


def with_sums(document: str, sums: ExperimentSums) -> str:
    """The JSON of a look, with the sums at that look beside its fields."""
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        metrics=np.array(sums.metrics),
        epochs=np.array(sums.epochs),
        arms=np.array(sums.arms),
        **{name: getattr(sums, name) for name in _ARRAYS},
        segments=np.frombuffer(_written(sums.segments), np.uint8),
    )
    return json.dumps({**json.loads(document), SUMS_BEFORE: base64.b85encode(packed.getvalue()).decode()})


class SumsBefore:
    """What an experiment had when its evidence began anew.

    Args:
        document: As `with_sums` made it.
    """

    def __init__(self, document: str) -> None:
        packed = io.BytesIO(base64.b85decode(json.loads(document)[SUMS_BEFORE]))
        with np.load(packed) as found:
            self._names = [found[name].tolist() for name in ("metrics", "epochs", "arms")]
            self._arrays = {name: found[name] for name in _ARRAYS}
            # Looks of earlier versions have none.
            self._segments = _read(found["segments"].tobytes()) if "segments" in found else None

    def subtracted_from(self, sums: ExperimentSums, units: IntArray) -> ExperimentSums:
        """What came since.

        Args:
            sums: Of now.
            units: Units with a request since, shape (E, A, 256).
        """
        metrics, epochs, arms = (
            _places(names, old)
            for names, old in zip((sums.metrics, sums.epochs, sums.arms), self._names, strict=True)
        )
        of_cells, of_units = np.ix_(metrics, epochs, arms), np.ix_(epochs, arms)
        x, y, first = sums.x.copy(), sums.y.copy(), sums.first_units.copy()
        x[of_cells] -= self._arrays["x"]
        y[of_cells] -= self._arrays["y"]
        first[of_units] -= self._arrays["first_units"]
        # What is taken back later, such as a thumb, may leave less than nothing in a group.
        nothing: FloatArray = np.zeros(())
        return replace(
            sums,
            x=np.maximum(x, 0.0),
            y=np.where(x > 0, y, nothing),
            units=units,
            first_units=np.maximum(first, 0),
            segments=sums.segments and self._segments and sums.segments.since(self._segments),
        )


def _written(segments: SegmentSums | None) -> bytes:
    """The sums of segments as bytes; nothing if there are none."""
    if segments is None:
        return b""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, segments.cells.schema) as writer:
        writer.write_table(segments.cells)
    return bytes(sink.getvalue())


def _read(written: bytes) -> SegmentSums | None:
    return SegmentSums(pa.ipc.open_stream(written).read_all()) if written else None


def _places(names: tuple[object, ...], old: list[object]) -> list[int]:
    """Where the old names stand among those of now, which only ever grow."""
    return [names.index(name) for name in old]

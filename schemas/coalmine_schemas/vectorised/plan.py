"""How to read the frames of one writer as columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
import pyarrow as pa

from coalmine_schemas.catalogue import Schema
from coalmine_schemas.framing import Header
from coalmine_schemas.vectorised.columns import BoolArray
from coalmine_schemas.vectorised.physical import PhysicalSchema, headers_match, physical_schema
from coalmine_schemas.vectorised.projection import Projection, projection
from coalmine_schemas.vectorised.scan import scan
from coalmine_schemas.vectorised.size import encoded_size
from coalmine_schemas.writer_schema import WriterSchema

try:
    import pyruhvro
except ImportError:  # no wheel for this platform
    pyruhvro = None

IS_FAST = pyruhvro is not None
"""Whether frames are read as columns here; else the exact path reads all of them, a hundred times slower."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Reads frames with one header into physical batches, and those into canonical ones."""

    header: Header
    physical: PhysicalSchema
    projection: Projection

    def decode_all(self, frames: list[bytes], size_bytes: int) -> pa.RecordBatch | None:
        """The physical batch of all frames, one row each; None if any of them needs a closer look.

        All have this header, nothing behind their record, and every number in its shortest form; see
        `size.py`. Anything but bytes among the frames gives None, too.

        Args:
            frames: The frames.
            size_bytes: Their bytes, together.
        """
        batch = self._deserialize(frames)
        if batch is None or not headers_match(batch, self.header).all():
            return None
        whole = encoded_size(self.physical.document, batch) == size_bytes
        return batch if whole else None

    def decode_good(self, frames: list[bytes]) -> tuple[pa.RecordBatch | None, BoolArray]:
        """The physical batch of the frames that are sound, and which those are.

        Args:
            frames: Frames that all begin with this header.
        """
        batch = self.decode_all(frames, sum(map(len, frames)))
        if batch is not None:
            return batch, np.ones(len(frames), np.bool_)
        good = scan(self.physical.document, frames)
        batch = self._deserialize(list(compress(frames, good.tolist()))) if good.any() else None
        if batch is None:
            # None is sound - or `pyruhvro` sees something the scan does not, and the exact path decides on
            # all.
            good = np.zeros(len(frames), np.bool_)
        return batch, good

    def _deserialize(self, frames: Sequence[bytes]) -> pa.RecordBatch | None:
        try:
            return pyruhvro.deserialize_array(frames, self.physical.json)
        except (ValueError, TypeError, OverflowError):
            return None


def make_plan(reader: Schema, writer: WriterSchema, header: Header) -> Plan | None:
    """The plan for a writer's frames; None if only the exact path can read them as ours."""
    if not IS_FAST:
        return None
    physical = physical_schema(writer, header)
    columns = projection(reader, writer)
    return Plan(header, physical, columns) if physical is not None and columns is not None else None

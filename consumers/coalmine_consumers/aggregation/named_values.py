"""Named numbers of events (a request's `metrics` map, a score) laid end to end."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_consumers.aggregation.groups import codes_of
from coalmine_consumers.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class NamedValues:
    """One entry per name and event."""

    names: pa.Array
    """Distinct names."""
    name: IntArray
    """For each entry, the index of its name."""
    row: IntArray
    """For each entry, the row of its event."""
    values: FloatArray

    @classmethod
    def of_maps(cls, maps: pa.ChunkedArray) -> Self:
        """Entries of a column of maps, which are lists of key and value."""
        row = pc.list_parent_indices(maps)
        entries = pc.list_flatten(maps)
        names, name = _coded(pc.struct_field(entries, "key"))
        values = pc.struct_field(entries, "value").to_numpy()
        return cls(names, name, row.to_numpy().astype(np.int64), values)

    @classmethod
    def of_columns(cls, names: pa.ChunkedArray, values: pa.ChunkedArray) -> Self:
        """One entry per row."""
        distinct, name = _coded(names)
        return cls(distinct, name, np.arange(len(names)), values.to_numpy())


def _coded(names: pa.ChunkedArray) -> tuple[pa.Array, IntArray]:
    array = pa.concat_arrays(names.chunks) if names.num_chunks else pa.array([], pa.string())
    if not pa.types.is_dictionary(array.type):
        array = pc.dictionary_encode(array)
    return array.dictionary, codes_of(array).of_row

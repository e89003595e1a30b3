"""How many bytes a batch takes in Avro's shortest encoding.

Whatever a batch was read from is at least as long. So if the frames are exactly as long together, each of
them ends where its record ends, and no number was written longer than it must be: one comparison for the
whole batch.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from coalmine_schemas.vectorised.columns import IntArray, numbers, offsets, valid_rows

_FIXED_SIZES = {"boolean": 1, "float": 4, "double": 8, "enum": 1}


def encoded_size(schema: dict[str, Any], batch: pa.RecordBatch) -> int:
    """Bytes of the shortest frames that give a physical batch, all together.

    Args:
        schema: Physical schema the batch was decoded with.
        batch: As `pyruhvro` gave it.
    """
    return sum(_size(member["type"], batch.column(index)) for index, member in enumerate(schema["fields"]))


def _size(node: Any, array: pa.Array) -> int:  # noqa: ANN401 - an Avro type as JSON
    if isinstance(node, list):
        present = node[1 - node.index("null")]
        return len(array) + _size_of_present(present, array)
    return _size_of_present(node, array)


def _size_of_present(node: Any, array: pa.Array) -> int:  # noqa: ANN401
    """Bytes of the values that are not null, without the branches of their unions."""
    kind = node["type"] if isinstance(node, dict) else node
    present = len(array) - int(array.null_count)
    if kind in _FIXED_SIZES:
        return present * _FIXED_SIZES[kind]
    if kind == "long":
        valid = valid_rows(array)
        values = numbers(array, np.int64)
        return _varint_sizes(values if valid is None else values[valid])
    if kind == "record":
        return sum(_size(member["type"], array.field(index)) for index, member in enumerate(node["fields"]))
    # Null rows have no length, which costs nothing beyond the one byte that `present` counts.
    begins = offsets(array)
    lengths = np.diff(begins)
    if kind == "string":
        return present + _beyond_first_byte(lengths) + int(begins[-1]) - int(begins[0])
    filled = lengths[lengths != 0]
    blocks = present + _varint_sizes(filled)
    if kind == "map":
        return blocks + _size("string", array.keys) + _size(node["values"], array.items)
    return blocks + _size(node["items"], array.values)


def _varint_sizes(values: IntArray) -> int:
    return len(values) + _beyond_first_byte(values)


def _beyond_first_byte(values: IntArray) -> int:
    """Bytes of zigzag varints, without the first of each."""
    if not len(values):
        return 0
    low, high = int(values.min()), int(values.max())
    total = 0
    for bits in range(6, 63, 7):
        limit = 1 << bits
        if high < limit and low >= -limit:
            break
        if low >= limit or high < -limit:
            total += len(values)
            continue
        if high >= limit:
            total += int(np.count_nonzero(values >= limit))
        if low < -limit:
            total += int(np.count_nonzero(values < -limit))
    return total

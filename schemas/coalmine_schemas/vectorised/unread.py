"""What `pyruhvro` does not look at: UTF-8, the range of an int, and keys that come twice in a map.

A text that is not UTF-8 or an int beyond 32 bits makes a message invalid. A key twice is legal, and the last
one counts; as a list of structs both would. Rows with any of these are left to the exact path.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from coalmine_schemas.vectorised.columns import (
    ByteArray,
    IntArray,
    numbers,
    offsets,
    rows_of,
    text_bytes,
    valid_rows,
)
from coalmine_schemas.vectorised.physical import BYTES, INT

_WINDOW = 256
"""Texts decoded together once one of a column is known to be bad."""
_MAX_LAG = 16
"""Items of a map up to which each is compared with all others of its map; beyond, all are sorted."""
_INT = np.iinfo(np.int32)

_Lift = Callable[[IntArray], IntArray]
"""From the index of a nested value to the rows of the batch that hold it."""


def doubtful_rows(schema: dict[str, Any], batch: pa.RecordBatch) -> IntArray:
    """Rows of a physical batch that the exact path must decide about, ascending."""
    found: list[IntArray] = []
    for index, member in enumerate(schema["fields"]):
        _visit(member["type"], batch.column(index), lambda rows: rows, found)
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def _visit(node: Any, array: pa.Array, lift: _Lift, found: list[IntArray]) -> None:  # noqa: ANN401
    if isinstance(node, list):
        node = node[1 - node.index("null")]
    kind = node["type"] if isinstance(node, dict) else node
    if node == INT:
        _note(_not_int(array), lift, found)
    elif kind == "string" and node != BYTES:
        _note(_not_utf8(array), lift, found)
    elif kind == "record":
        for index, member in enumerate(node["fields"]):
            _visit(member["type"], array.field(index), lift, found)
    elif kind == "map":
        _note(_repeated_keys(array), lift, found)
        below = _below(array, lift)
        _visit("string", array.keys, below, found)
        _visit(node["values"], array.items, below, found)
    elif kind == "array":
        _visit(node["items"], array.values, _below(array, lift), found)


def _below(array: pa.Array, lift: _Lift) -> _Lift:
    return lambda items: lift(rows_of(items, array))


def _note(rows: IntArray, lift: _Lift, found: list[IntArray]) -> None:
    if len(rows):
        found.append(lift(rows))


def _not_int(array: pa.Array) -> IntArray:
    values = numbers(array, np.int64)
    if not len(values) or (values.min() >= _INT.min and values.max() <= _INT.max):
        return np.empty(0, np.int64)
    bad = (values < _INT.min) | (values > _INT.max)
    valid = valid_rows(array)
    return np.flatnonzero(bad if valid is None else bad & valid)


def _not_utf8(array: pa.Array) -> IntArray:
    """Texts that may not be UTF-8, none left out. Nearly always one look at a column shows none."""
    begins = offsets(array)
    data = text_bytes(array)[: begins[-1]]
    if _is_ascii(data):
        return np.empty(0, np.int64)
    within = [] if _is_utf8(data) else _texts_with_errors(begins, data)
    # A text that begins inside a character is bad, and so is the one before it, which ends inside it.
    starts = np.flatnonzero(begins[:-1] < begins[-1])
    split = starts[(data[begins[starts]] & 0xC0) == 0x80]
    before = np.searchsorted(begins, begins[split], side="left") - 1
    return np.unique(np.concatenate([np.array(within, np.int64), split, before[before >= 0]]))


def _is_ascii(data: ByteArray) -> bool:
    whole = len(data) // 8 * 8
    high_bits = np.bitwise_or.reduce(data[:whole].view(np.uint64)) & np.uint64(0x8080_8080_8080_8080)
    return not high_bits and not (data[whole:] >= 0x80).any()


def _is_utf8(data: ByteArray) -> bool:
    ends = pa.py_buffer(np.array([0, len(data)], np.int64))
    joined = pa.Array.from_buffers(pa.large_string(), 1, [None, ends, pa.py_buffer(data)])
    try:
        joined.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _texts_with_errors(begins: npt.NDArray[np.int32], data: ByteArray) -> list[int]:
    """Texts in which decoding fails when it restarts after each such text, over `_WINDOW` of them."""
    found = []
    for first in range(0, len(begins) - 1, _WINDOW):
        last = min(first + _WINDOW, len(begins) - 1)
        start = first
        while start < last:
            try:
                data[begins[start] : begins[last]].tobytes().decode()
            except UnicodeDecodeError as error:
                bad = int(np.searchsorted(begins, begins[start] + error.start, side="right")) - 1
                found.append(bad)
                start = bad + 1
            else:
                break
    return found


def _repeated_keys(array: pa.Array) -> IntArray:
    """Maps in which a key comes more than once."""
    counts = np.diff(offsets(array))
    most = int(counts.max(initial=0))
    if most < 2:
        return np.empty(0, np.int64)
    keys = pc.dictionary_encode(array.keys)
    codes = numbers(keys.indices, np.int32)
    row = np.repeat(np.arange(len(counts)), counts)
    if most <= _MAX_LAG:
        pairs = [
            row[lag:][(codes[lag:] == codes[:-lag]) & (row[lag:] == row[:-lag])] for lag in range(1, most)
        ]
        return np.unique(np.concatenate(pairs))
    both = np.sort(row * len(keys.dictionary) + codes)
    return np.unique(both[1:][both[1:] == both[:-1]] // len(keys.dictionary))

"""Types of numpy arrays, and a number of theirs as a result carries it."""

import math
from collections.abc import Sequence
from types import EllipsisType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
IndexArray = npt.NDArray[np.intp]
ByteArray = npt.NDArray[np.uint8]

Index: TypeAlias = (
    BoolArray | IndexArray | tuple[EllipsisType | slice | int | Sequence[int] | IndexArray | None, ...]
)
"""What selects comparisons: a mask, numbers, or a place on some axes."""


def known(value: float) -> float | None:
    """The number, or None where it is NaN or infinite."""
    return float(value) if math.isfinite(value) else None

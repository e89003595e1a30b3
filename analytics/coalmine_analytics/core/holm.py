"""Several hypotheses at once: Holm's correction, over metrics or over arms."""

import numpy as np
import numpy.typing as npt

from coalmine_analytics.arrays import FloatArray
from coalmine_analytics.errors import invalid


def holm(p: npt.ArrayLike, *, axis: int = -1) -> FloatArray:
    """Adjusted p-values: those <= alpha may be rejected together, with family-wise error at most alpha.

    Needs no independence. Holds at every look when each p is a running p. A hypothesis without a look yet
    (NaN) still belongs to the family, whose size is fixed in advance.

    Args:
        p: p-values, shape (..., M, ...), each in [0, 1] or NaN.
        axis: The family.

    Returns:
        Same shape, each at least its own p and at most 1; NaN where p is.

    Raises:
        InvalidParameter: A p lies outside [0, 1].

    References:
        S. Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    values = np.moveaxis(np.asarray(p, dtype=np.float64), axis, -1)
    odd = values[(values < 0) | (values > 1)]
    if odd.size:
        raise invalid("p", float(odd[0]), "p-values lie between 0 and 1")
    order = np.argsort(values, axis=-1, kind="stable")  # NaN last
    ordered = np.take_along_axis(values, order, axis=-1)
    size = values.shape[-1]
    stepped = np.fmax.accumulate(np.minimum(ordered * (size - np.arange(size)), 1.0), axis=-1)
    adjusted = np.empty_like(values)
    np.put_along_axis(adjusted, order, np.where(np.isnan(ordered), np.nan, stepped), axis=-1)
    return np.moveaxis(adjusted, -1, axis)

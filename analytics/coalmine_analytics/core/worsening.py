"""How much worse a treatment may be: a limit on one side of control, or on both."""

from dataclasses import dataclass

import numpy as np

from coalmine_analytics.arrays import BoolArray, FloatArray, Index, IndexArray
from coalmine_analytics.core.contrast import Contrast
from coalmine_analytics.core.effect import Effect
from coalmine_analytics.errors import invalid


@dataclass(frozen=True, slots=True, eq=False)
class Worsening:
    """A worsening relative to control, of each comparison; fields broadcast to their shape.

    A relative one is a share of control's value as it is now, uncertainty and all: R_T is compared with
    (1 - share) R_C or (1 + share) R_C. Nothing is fixed at a first look, at which control may be 0 by luck.
    """

    better: FloatArray
    """Which way is better: 1 for higher, -1 for lower, 0 where any change is worse."""
    size: FloatArray
    """>= 0, in the metric's own unit, or as a share of control's value."""
    relative: BoolArray

    def __post_init__(self) -> None:
        odd = self.size[~(np.isfinite(self.size) & (self.size >= 0))]
        if odd.size:
            raise invalid("size", float(odd[0]), "give how much worse it may be, as a number >= 0")

    @property
    def side(self) -> FloatArray:
        """1 where lower values are worse or any change is, -1 where higher ones are."""
        return np.where(self.better < 0, -1.0, 1.0)

    @property
    def both(self) -> BoolArray:
        """Where any change is worse."""
        return np.asarray(self.better == 0)

    def rows_of_both(self, rows: int) -> IndexArray:
        """Where, along the first axis of so many rows of comparisons, that is so."""
        both = self.both.reshape(len(self.both), -1).any(axis=1)
        return np.flatnonzero(np.broadcast_to(both, (rows,)))

    def of_rows(self, rows: IndexArray) -> "Worsening":
        """Some rows of comparisons; a size that is the same for all stays so."""
        return self if len(self.size) == 1 else self.at(rows)

    def at(self, index: Index) -> "Worsening":
        """The comparisons at an index of numpy's."""
        return Worsening(self.better[index], self.size[index], self.relative[index])

    def absolute(self, contrast: Contrast) -> FloatArray:
        """The size in the metric's own unit, at control's value now."""
        return np.where(self.relative, self.size * np.abs(contrast.ratios[1]), self.size)

    def factor(self, contrast: Contrast, side: FloatArray) -> FloatArray:
        """What control's value is multiplied with for the limit on one side."""
        share = np.where(self.relative, self.size, 0.0)
        if (negative := contrast.ratios[1] < 0).any():
            share = np.where(negative, -share, share)
        return np.asarray(1.0 - side * share)  # as small as the sizes are, where nothing is below 0

    def room(self, contrast: Contrast, side: FloatArray) -> Effect:
        """By how much the treatment is better than the limit on one side; below 0 it is beyond it."""
        effect = contrast.effect(self.factor(contrast, side))
        room = side * effect.estimate + np.where(self.relative, 0.0, self.size)
        return Effect(room, effect.standard_error, effect.degrees_of_freedom)

"""How many units it takes before anything is said, and the answer until then."""

from dataclasses import dataclass

MIN_UNITS = 30
"""No result before so many units in each arm: a number fixed in advance, for all metrics."""


@dataclass(frozen=True, slots=True)
class NotEnoughData:
    """It is too early: not an effect of 0, not p = 1, but no answer."""

    units_treatment: int
    """Units in the arm under test."""
    units_control: int
    """Units in the other."""
    units_needed: int = MIN_UNITS
    """Units each arm must have first."""

    @property
    def reason(self) -> str:
        """Why, in words."""
        least = min(self.units_treatment, self.units_control)
        if least < self.units_needed:
            return f"each arm needs {self.units_needed} units first; there are {least} in the smaller one"
        return "the values do not vary yet, so nothing says how sure an effect is"

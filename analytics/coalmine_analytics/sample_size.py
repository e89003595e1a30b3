"""What a look at the data can yield: an estimate, or the statement that it is too early for one."""

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


@dataclass(frozen=True, slots=True)
class Estimate:
    """One effect at one look."""

    effect: float
    """Treatment minus control, metric's own unit."""
    lower: float
    """Lower end of the confidence sequence now, same unit; -infinity where nothing is excluded."""
    upper: float
    """Upper end, same unit."""
    standard_error: float
    """Same unit."""
    degrees_of_freedom: float
    """Welch's."""
    log_e: float
    """Natural logarithm of the e-value against no effect, now."""

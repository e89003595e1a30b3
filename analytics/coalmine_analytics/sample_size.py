"""The number of units required before any result, and the answer until then."""

from dataclasses import dataclass

MIN_UNITS = 30
"""No result before each arm has this many units: fixed in advance, for all metrics."""


@dataclass(frozen=True, slots=True)
class NotEnoughData:
    """Too early for an answer: neither an effect of 0 nor p = 1."""

    units_treatment: int
    """Units in the arm under test."""
    units_control: int
    """Units in control."""
    units_needed: int = MIN_UNITS
    """Units that each arm must have."""

    @property
    def reason(self) -> str:
        """The reason, as a sentence."""
        least = min(self.units_treatment, self.units_control)
        if least < self.units_needed:
            return f"each arm needs {self.units_needed} units first; there are {least} in the smaller one"
        return "the values do not vary yet, so the uncertainty of an effect is unknown"

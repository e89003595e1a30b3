"""Numbers for people, never in scientific notation: `0.0000105`, `1,790`. Shared, so that all parts agree."""

import math
from decimal import Decimal


def plain_number(value: float, digits: int = 3, *, sign: bool = False) -> str:
    """Writes a number with so many significant digits; all digits before the point are kept.

    Args:
        value: The number.
        digits: Significant digits.
        sign: True to put a plus before positive numbers.
    """
    if not math.isfinite(value):
        return str(value)
    kept = max(digits, math.floor(math.log10(abs(value))) + 1) if value else digits
    number = Decimal(f"{value:.{kept}g}")
    return f"{number:+,f}" if sign else f"{number:,f}"


def hours_in_words(hours: float) -> str:
    """Writes a length of time."""
    if hours < 1:
        return f"{max(hours * 60, 1):.0f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"

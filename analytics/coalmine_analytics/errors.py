"""Errors of the statistics: there is one, a caller's mistake.

Too little data is no error: it is the result `NotEnoughData`.
"""

from coalmine_schemas.errors import InvalidParameter


def invalid(name: str, value: object, remedy: str) -> InvalidParameter:
    """The error for one argument: which, what it was, and what to give instead."""
    return InvalidParameter(f"{name} is {value!r}: {remedy}")


def check_alpha(alpha: float) -> None:
    """Refuse an error rate outside (0, 1).

    Raises:
        InvalidParameter: It is.
    """
    if not 0.0 < alpha < 1.0:
        raise invalid("alpha", alpha, "give a chance of error strictly between 0 and 1, such as 0.05")

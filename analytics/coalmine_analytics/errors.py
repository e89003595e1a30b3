"""Invalid arguments, the only error of the statistics.

Too little data is not an error: it is the result `NotEnoughData`.
"""

from coalmine_schemas.errors import InvalidParameter


def invalid(name: str, value: object, remedy: str) -> InvalidParameter:
    """The error for one argument: its name, its value, and what to give instead."""
    return InvalidParameter(f"{name} is {value!r}: {remedy}")


def check_alpha(alpha: float) -> None:
    """Check that an error rate lies in (0, 1).

    Raises:
        InvalidParameter: It does not.
    """
    if not 0.0 < alpha < 1.0:
        raise invalid("alpha", alpha, "give a chance of error strictly between 0 and 1, such as 0.05")

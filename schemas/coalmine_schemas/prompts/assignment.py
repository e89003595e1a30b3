"""Which arm of an experiment a unit belongs to: a pure function of salt, unit and weights.

Written down in docs/assignment.md with test vectors, so that a service in another language assigns alike.
"""

import math
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.results import result

_BITS: Final = 53
"""A double holds every integer of so many bits exactly: all languages compute the same fraction."""
_SHIFT: Final = 64 - _BITS
_SCALE: Final = 1.0 / (1 << _BITS)
_TOLERANCE: Final = 1e-9


@result
class Arm:
    """One arm of an experiment."""

    variant: str
    """Name of the arm, e.g. `treatment`; unique within the experiment."""
    version: str
    """Version of the prompt that units of this arm get."""
    weight: float
    """Share of units that get this arm, from 0 to 1; the weights of all arms add up to 1."""


def assignment_point(salt: str, unit_id: str) -> float:
    """Where a unit stands in [0, 1): uniform over units, independent between salts.

    The first 53 bits of SHA-256 over salt, a zero byte and unit id (both UTF-8), divided by 2^53.
    """
    try:
        message = f"{salt}\0{unit_id}".encode()
    except UnicodeEncodeError:  # half a surrogate pair; a unit id may be any text that a service has
        message = f"{salt}\0{unit_id}".encode(errors="surrogatepass")
    # A power of two scales a double exactly.
    return (int.from_bytes(sha256(message).digest()[:8], "big") >> _SHIFT) * _SCALE


def choose_arm(arms: Sequence[Arm], point: float) -> Arm:
    """The arm whose stretch of [0, 1) holds the point; the last one takes what is left.

    Treatment arms come first and control last, so raising the weight of a single treatment only moves units
    from control to it, never back.

    Args:
        arms: Treatments first, control last, as `check_arms` demands.
        point: In [0, 1).
    """
    end = 0.0
    for arm in arms:
        end += arm.weight
        if point < end:
            return arm
    return arms[-1]


def percent(share: float) -> str:
    """A share for people: as short as it can be, and never 0 % or 100 % where it is not."""
    value = share * 100
    nearest_end = min(value, 100 - value)
    for digits in range(8):
        if abs(round(value, digits) - value) <= nearest_end / 200:
            return f"{value:.{digits}f}%"
    return f"{value:.3g}%" if share < 0.5 else f"{value:.12g}%"


def check_arms(arms: Sequence[Arm]) -> None:
    """Refuses arms that cannot be assigned.

    Raises:
        InvalidParameter: No arm, repeated names, a weight outside [0, 1], or weights that do not add up to 1.
    """
    if not arms:
        raise InvalidParameter("an experiment needs at least one arm")
    names = [arm.variant for arm in arms]
    if len(set(names)) < len(names):
        raise InvalidParameter(f"the arms are called {', '.join(names)}: give each a name of its own")
    for arm in arms:
        if not 0.0 <= arm.weight <= 1.0:
            raise InvalidParameter(
                f"the weight of arm {arm.variant} is {arm.weight}: give a share from 0 to 1"
            )
    total = math.fsum(arm.weight for arm in arms)
    if abs(total - 1.0) > _TOLERANCE:
        raise InvalidParameter(f"the weights add up to {total}: make them add up to 1")

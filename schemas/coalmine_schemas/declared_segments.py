"""Declared segments: keys of requests' segments that experiments are counted and judged by.

Every value of a key has cells of its own for each metric, so both have a limit; settings, store and the plans
of experiments share it.
"""

from collections.abc import Sequence
from typing import Final

from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.limits import NAME_CHARS

MOST_KEYS: Final = 4
"""Keys declared at a time."""
MOST_VALUES: Final = 20
"""Values of a key that an experiment tells apart; further ones are `(other)`."""


def check_keys(keys: Sequence[str], where: str = "segments") -> None:
    """Checks declared keys.

    Args:
        keys: Keys of requests' segments.
        where: Where they stand, for errors.

    Raises:
        InvalidParameter: There are too many of them, or one is no name or given twice.
    """
    if len(keys) > MOST_KEYS:
        raise InvalidParameter(f"{where} has {len(keys)} keys, {', '.join(keys)}: keep at most {MOST_KEYS}")
    for at, key in enumerate(keys):
        if not 0 < len(key) <= NAME_CHARS:
            raise InvalidParameter(
                f"{where} has {key!r}: give keys of requests' segments, of 1 to {NAME_CHARS} characters"
            )
        if key in keys[:at]:
            raise InvalidParameter(f"{where} has {key!r} twice: name each key once")

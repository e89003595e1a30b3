"""How much a user's input says: the length of the values that a prompt was filled with, in a few buckets.

Of the values, and not of the rendered prompt, which is longer for one version than for another: then the same
input would be in another segment for the treatment than for the control, and what looks like harm to long
inputs might be nothing but a template that grew. Only the bucket leaves the service.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final

INPUT_LENGTH: Final = "input_length"
"""Key of the segment that the client adds by itself, unless the service sends one of that name."""

_BUCKETS: Final = ((500, "<500"), (2_000, "500-2k"), (8_000, "2k-8k"))
_LONGEST: Final = "8k+"
_ENOUGH: Final = _BUCKETS[-1][0]
"""Nobody counts further than what the last bucket needs, however much a service passes."""

_filled: ContextVar[tuple[object, int] | None] = ContextVar("coalmine_filled", default=None)
"""What was filled last in this task or thread, since a prompt may be shared by several."""


def note_input(of: object, variables: Mapping[str, object]) -> None:
    """Notes the length of the values that something is filled with."""
    try:
        _filled.set((of, _characters(variables)))
    except Exception:  # noqa: BLE001 - a mapping that changes meanwhile, say: then it goes without
        _filled.set(None)


def input_length(of: object) -> str | None:
    """The bucket of what it was filled with last, in characters; None if that was not here."""
    last = _filled.get()
    return None if last is None or last[0] is not of else _bucket(last[1])


def length_bucket(variables: Mapping[str, object]) -> str:
    """The bucket of values that something would be filled with, such as those of an evaluation's case."""
    return _bucket(_characters(variables))


def _bucket(characters: int) -> str:
    return next((name for below, name in _BUCKETS if characters < below), _LONGEST)


def _characters(variables: Mapping[str, object]) -> int:
    """Characters of all texts, also in lists and mappings; at most about as many as make a difference."""
    found = 0
    waiting: list[object] = list(variables.values())
    while waiting and found < _ENOUGH:
        each = waiting.pop()
        if isinstance(each, str):
            found += len(each)
            continue
        found += 1
        if isinstance(each, dict):
            waiting.extend(list(each.values())[:_ENOUGH])
        elif isinstance(each, list | tuple):
            waiting.extend(each[:_ENOUGH])
    return found

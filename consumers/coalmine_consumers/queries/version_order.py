"""Versions in order of precedence: 1.9.0 before 1.10.0, a pre-release before its release."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from semver import Version

from coalmine_schemas.limits import NAME_CHARS, shortened


def version_key(version: str) -> tuple[Any, ...]:
    """Returns a sort key: semantic versions by precedence (semver.org, item 11), then all others by text.

    Never raises, whatever a store holds: Python does not read numbers of thousands of digits.
    """
    try:
        if len(version) > NAME_CHARS:
            return (1, version)
        return (0, Version.parse(version), version)
    except ValueError:
        return (1, version)


def cursor_name(name: Sequence[str]) -> list[str]:
    """Returns a prompt and its version as a cursor has them: old stores may hold any length."""
    return [shortened(part, NAME_CHARS) for part in name]


def place_after(names: Sequence[Sequence[str]], cursor: Sequence[str]) -> int:
    """Returns how many of the names, in order, come up to and with the one that a cursor names."""
    for place, name in enumerate(names, start=1):
        if cursor_name(name) == cursor:
            return place
    return bisect_right(names, by_prompt_and_version(cursor), key=by_prompt_and_version)


def by_prompt_and_version(name: Sequence[str]) -> tuple[Any, ...]:
    """Returns the sort key of a prompt and its version."""
    prompt, version = name
    return (prompt, version_key(version))

"""Versions in order of precedence: 1.9.0 before 1.10.0, a pre-release before its release."""

from collections.abc import Sequence
from typing import Any

from semver import Version

from coalmine_schemas.limits import NAME_CHARS


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


def by_prompt_and_version(name: Sequence[str]) -> tuple[Any, ...]:
    """Returns the sort key of a prompt and its version."""
    prompt, version = name
    return (prompt, version_key(version))

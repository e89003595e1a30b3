"""Versions in the order of their precedence: 1.9.0 before 1.10.0, a pre-release before its release."""

import re
from typing import Any

_SEMANTIC = re.compile(
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?"
)


def version_key(version: str) -> tuple[Any, ...]:
    """A sort key: semantic versions by precedence (semver.org, item 11), then all others by text."""
    match = _SEMANTIC.fullmatch(version)
    if match is None:
        return (1, version)
    major, minor, patch, pre_release = match.groups()
    numbers = (int(major), int(minor), int(patch))
    return (0, numbers, _pre_release_key(pre_release), version)


def _pre_release_key(pre_release: str | None) -> tuple[Any, ...]:
    """None comes last; numeric parts come before texts; fewer parts before more."""
    if pre_release is None:
        return (1,)
    parts = pre_release.split(".")
    return (0, tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts))

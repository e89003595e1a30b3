"""Names and versions of prompts, and references such as `support-refund@1.2.0`."""

import re
from functools import lru_cache
from typing import Final

from coalmine_schemas.prompts.errors import InvalidPrompt

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_LONGEST_VERSION: Final = 100
# The expression that semver.org suggests, with ASCII digits only.
_VERSION: Final = re.compile(
    r"(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)"
    r"(?:-(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)


def check_prompt_name(name: object, field: str = "name") -> str:
    """The name, if it is one.

    Args:
        name: E.g. `support-refund`.
        field: What to call it in the error.

    Raises:
        InvalidPrompt: It is not valid.
    """
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise InvalidPrompt(
        field,
        name,
        "begin with a lower-case letter or a digit, go on with at most 99 of a-z, 0-9, '.', '_', '-'",
    )


def check_version(version: object, field: str = "version") -> str:
    """The version, if it is one by Semantic Versioning 2.0.0.

    Args:
        version: E.g. `1.10.0` or `2.0.0-rc.1`.
        field: What to call it in the error.

    Raises:
        InvalidPrompt: It is not valid.

    References:
        https://semver.org/spec/v2.0.0.html
    """
    if isinstance(version, str) and is_semantic(version):
        return version
    raise InvalidPrompt(
        field,
        version,
        "give MAJOR.MINOR.PATCH by Semantic Versioning 2.0.0, e.g. 1.10.0 or 2.0.0-rc.1",
    )


@lru_cache(maxsize=1024)
def is_semantic(version: str) -> bool:
    """Whether `check_version` takes a version; for those of events, of which few are different."""
    return len(version) <= _LONGEST_VERSION and _VERSION.fullmatch(version) is not None


def parse_reference(reference: object, field: str = "reference") -> tuple[str, str]:
    """Name and version of a reference such as `support-refund@1.2.0`.

    Raises:
        InvalidPrompt: It is not a reference, or names no exact version.
    """
    if not isinstance(reference, str) or "@" not in reference:
        raise InvalidPrompt(field, reference, "name an exact version, e.g. support-refund@1.2.0")
    name, _, version = reference.partition("@")
    return check_prompt_name(name, field), check_version(version, field)


def reference_to(name: str, version: str) -> str:
    """How a version of a prompt is referred to: `name@version`."""
    return f"{name}@{version}"

"""Cursors of pages: the sort key of the last row, opaque to clients."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from coalmine_schemas.errors import InvalidParameter

Key = str | int | float | None
"""One component of a sort key."""

BAD_CURSOR = "cursor is not a `next_cursor` of this list: leave it out for the first page"

LONGEST_CURSOR = 4000
"""Characters; a longer one was not made here."""


def encode_cursor(key: Sequence[Key]) -> str:
    """Encodes the sort key of the last row of a page as URL-safe text."""
    text = json.dumps(list(key), separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, types: Sequence[type | tuple[type, ...]]) -> list[Any]:
    """Decodes a cursor; the components have the types asked for.

    Args:
        cursor: What `encode_cursor` returned.
        types: The type of each component, in order.

    Raises:
        InvalidParameter: The cursor is not one of this list.
    """
    try:
        padded = cursor[:LONGEST_CURSOR] + "=" * (-len(cursor[:LONGEST_CURSOR]) % 4)
        key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        key = None
    if (
        not isinstance(key, list)
        or len(key) != len(types)
        or not all(isinstance(part, kind) for part, kind in zip(key, types, strict=True))
    ):
        raise InvalidParameter(BAD_CURSOR)
    return key

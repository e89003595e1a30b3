"""What is judged, as a block that no text within it can leave."""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from coalmine_schemas.prompts.json_values import JsonValue, canonical_json

LONGEST_CHARS: Final = 200_000
"""A longer block is not judged: cut, it would be another text."""

# Invisible, steering or private: written as escapes, so that a model reads what people would not see.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})
_SELECTORS: Final = frozenset((*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
"""Variation selectors, which are invisible and can carry bytes."""
_PLAIN: Final = re.compile(r"[\x20-\x3b\x3d-\x7e]*")


@dataclass(frozen=True, slots=True)
class Block:
    """The judged texts between two lines that they cannot contain."""

    boundary: str
    text: str
    """The line, one line of JSON, the line."""


class TooLong(ValueError):
    """What is to be judged is too long to be judged whole."""


def block_of(judge: str, texts: Mapping[str, JsonValue]) -> Block:
    """Puts what is judged into a block.

    The boundary is computed from the texts themselves, so that nobody can write a text that holds it, and the
    same question is asked in the same words again: its answer can be cached.

    Args:
        judge: Name of the judge.
        texts: What is judged, by what it is.

    Raises:
        TooLong: The block would have more than `LONGEST_CHARS` characters.
    """
    line = _escaped(json.dumps(_plain(texts), ensure_ascii=False))
    if len(line) > LONGEST_CHARS:
        raise TooLong(f"{len(line):,} characters to be judged; at most {LONGEST_CHARS:,} are")
    boundary = f"-----{sha256(canonical_json([judge, line])).hexdigest()[:32]}-----"
    while boundary in line:  # a text that holds a hash of itself: nobody can write one
        boundary = f"-----{sha256(boundary.encode()).hexdigest()[:32]}-----"
    return Block(boundary, f"{boundary}\n{line}\n{boundary}")


def _escaped(line: str) -> str:
    """JSON in which markup begins nowhere and nothing is invisible: the value that is read is the same."""
    if _PLAIN.fullmatch(line):
        return line
    return "".join(_escape(each) if _hides(each) else each for each in line)


def _hides(letter: str) -> bool:
    return letter == "<" or unicodedata.category(letter) in _UNSEEN or ord(letter) in _SELECTORS


def _escape(letter: str) -> str:
    """As JSON escapes it: in one unit of UTF-16 or in two."""
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _plain(value: JsonValue) -> object:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value

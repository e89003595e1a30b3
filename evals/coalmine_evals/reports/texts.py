"""What both sides answered to a case, and their difference, safe to show."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from itertools import islice

from coalmine_schemas.safe_text import masked, printable

_LONGEST_TEXT = 8_000
"""Characters of a text that are compared: a difference takes the square of them."""
_LONGEST_LINE = 200
_MOST_LINES = 30


@dataclass(frozen=True, slots=True)
class CaseTexts:
    """The answers to one case; None where there is none."""

    baseline: str | None
    candidate: str | None


def difference(texts: CaseTexts) -> str:
    """The answers as a unified diff of at most 30 lines, without its header."""
    old, new = (_lines(text) for text in (texts.baseline, texts.candidate))
    if old == new:
        return "\n".join(f" {line}" for line in old[:_MOST_LINES])
    lines = list(islice(_changes(old, new), _MOST_LINES + 1))
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES:] = [" ..."]
    return "\n".join(lines)


def _changes(old: list[str], new: list[str]) -> Iterator[str]:
    found = unified_diff(old, new, lineterm="", n=2)
    return (line for line in islice(found, 2, None) if not line.startswith("@@"))


def _lines(text: str | None) -> list[str]:
    if text is None:
        return ["(no answer)"]
    clipped = text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} ..."
    return [
        line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]} ..."
        for line in printable(masked(clipped)).split("\n")
    ]

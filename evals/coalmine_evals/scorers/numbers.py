"""The number that a text gives as its answer."""

from fractions import Fraction
from typing import Final

import regex

_LONGEST: Final = 300
"""Digits of a number; a model in a loop writes thousands."""
_NUMBER: Final = regex.compile(
    # Not within a word (`CO2`) or another number; a dash between two numbers (`3-5`) is no minus.
    r"(?<![A-Za-z_\p{N}]|\d\.)"
    r"(?P<minus>(?<![)\]])[-\u2212])?(?:[$€£¥₹]|US\$)?(?P<minus>[-\u2212])?"
    r"(?P<number>(?:\d{1,3}(?:[,\u00a0\u202f]\d{2,3})*[,\u00a0\u202f]\d{3}(?!\d)|\d+)(?:\.\d+)?|\.\d+)"
    r"(?:[eE](?P<exponent>[-+]?\d{1,2})(?![\p{L}\d]))?"
    # A fraction, but no part of a date.
    r"(?:/(?<!\d/\d+/)(?P<below>[1-9]\d*)(?![\d./]))?"
)
# Says that the answer follows. `A:` begins a line or a sentence; `Plan A: 30` is none.
_MARK: Final = regex.compile(
    r"####"
    r"|(?:^|(?<=[.!?>]\s))[ \t>*_]*(?:A|(?i:(?:(?:the|my)\s+)?(?:final\s+|correct\s+)?answer))[*_]*\s*[:=]"
    r"|(?i:\banswer\s+is\b)"
    r"|\\boxed\s*\{",
    regex.MULTILINE | regex.REVERSE,  # the last one is wanted
)
_BETWEEN: Final = regex.compile(r"(?:[\s*_:=≈~`'\"(\[{\\]|text\{)*")


def final_number(text: str) -> Fraction | None:
    r"""The number that a text gives as its answer, or None if there is none.

    After the last `A:`, `Answer:`, `the answer is`, `####` or `\boxed{` it is, on the same line, the number
    that follows at once, or that follows the last `=`, else the last one; without a number there, or without
    such a mark, it is the last one of the text. Currencies, `%` and commas between thousands do not count.
    """
    mark = _MARK.search(text)
    if mark is None:
        return _last(text)
    answer = text[mark.end() :].lstrip()
    line = answer.partition("\n")[0]
    after = line.rfind("=") + 1
    between = _BETWEEN.match(line, after)
    at_once = _NUMBER.match(line, between.end() if between else after)
    if at_once is None:
        found = _last(line)
        return _last(answer) if found is None else found
    return _value(at_once)


def _last(text: str) -> Fraction | None:
    found = None
    for found in _NUMBER.finditer(text):  # noqa: B007 - the last one
        pass
    return None if found is None else _value(found)


def _value(match: "regex.Match[str]") -> Fraction | None:
    digits = "".join(sign for sign in match["number"] if sign not in ",\u00a0\u202f")
    below = match["below"] or "1"
    if len(digits) > _LONGEST or len(below) > _LONGEST:
        return None
    value = Fraction(f"{digits}e{match['exponent'] or 0}") / int(below)
    return -value if match["minus"] else value

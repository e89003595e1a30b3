"""Finds texts that speak to whoever judges them: shown beside the score, never part of it."""

import re
import unicodedata
from typing import Final

_LOOKED_AT: Final = 50_000

_SIGNS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        (
            "orders",
            r"\b(?:ignore|disregard|forget|override|overlook)\b.{0,40}\b(?:instruction|rule|prompt|rubric|"
            r"criteri|above|previous|prior|earlier)",
        ),
        (
            "orders",
            r"\b(?:ignorier|vergiss|ignorez|oubliez|ignora|olvida|игнориру)|忽略|无视|無視|تجاهل",
        ),
        (
            "asks for a verdict",
            r"\b(?:give|assign|return|output|award|respond with|mark|rate|score|say)\b.{0,60}"
            r"\b(?:full marks|perfect score|verdict|(?:highest|maximum|top) (?:score|mark|grade)|5/5|10/10)",
        ),
        ("asks for a verdict", r"\bverdict\b.{0,30}\b(?:is|was|should|must|other)\b|\bagreed label\b"),
        (
            "asks for a verdict",
            r"[\"']?\b(?:verdict|score|rating|grade)\b[\"']?\s*[:=]\s*(?:\"|'|\d|[a-z]+\s*(?:\n|$))",
        ),
        (
            "speaks to the judge",
            r"\b(?:dear|hello|hey|note to|attention|message (?:to|for)|as)\b.{0,20}\b(?:judge|grader|"
            r"evaluator|assessor|reviewer|rater)\b|\bthe (?:judge|evaluation system)\b",
        ),
        (
            "plays a role",
            r"\byou are (?:now|no longer)\b|\b(?:system|developer|admin(?:istrator)?) (?:message|prompt|"
            r"override|note|mode)\b|\bnew instructions?\b",
        ),
        (
            "fakes structure",
            r"<\|?/?(?:im_start|im_end|system|user|assistant|answer|response|eot_id|start_header_id|s)\b|"
            r"\[/?INST\]|-{5}(?:END|BEGIN|[0-9a-f]{16,})|(?:^|\n)#{1,6} ?(?:system|instruction|assistant)",
        ),
    )
)


def signs_of_address(text: str) -> tuple[str, ...]:
    """Returns the signs that a text speaks to its judge, each once; empty for most texts.

    It misses what is said another way, and finds some that is harmless: a reason to look, nothing more.
    """
    head = text if len(text) <= _LOOKED_AT else text[: _LOOKED_AT // 2] + text[-_LOOKED_AT // 2 :]
    hidden = sum(unicodedata.category(letter) in ("Cf", "Co") for letter in head)
    plain = unicodedata.normalize("NFKC", "".join(_shown(letter) for letter in head))
    found = dict.fromkeys(name for name, pattern in _SIGNS if pattern.search(plain))
    if hidden > 20:
        found["invisible characters"] = None
    return tuple(found)


def _shown(letter: str) -> str:
    """Tag characters as the letters they stand for, other invisible ones not at all."""
    code = ord(letter)
    if 0xE0020 <= code <= 0xE007E:
        return chr(code - 0xE0000)
    return "" if unicodedata.category(letter) == "Cf" else letter

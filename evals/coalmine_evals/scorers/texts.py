"""What scorers see of a text: its normal form, its words, its sentences. In time linear in its length."""

import unicodedata
from typing import Final

import regex

LONGEST: Final = 100_000
"""Characters of an answer that scorers read; nobody reads more, and a model in a loop writes megabytes."""

_WORD: Final = regex.compile(
    # Languages written without spaces: a character is a word.
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Khmer}\p{Lao}]\p{M}*"
    # `don't` is two, as other tools have it; `_` parts words.
    r"|[\p{L}\p{M}\p{N}]+"
)
_NEAR: Final = 40
"""Characters around the end of a sentence that tell whether it is one."""
_SPACE: Final = regex.compile(r"\s+")
_INVISIBLE: Final = regex.compile("[\u00ad\u200b\u2060\ufeff]")
"""Soft hyphens and the like, which hide a word from who looks for it."""
_LIST_ITEM: Final = regex.compile(r"^\s*(?:[-*+\u2022\u2013]|\(?(?:\d{1,3}|[A-Za-z])[.)])\s+")
_CLOSING: Final = r"[\p{Pe}\p{Pf}\p{Pi}\"'*_]*"
_END: Final = regex.compile(
    rf"[.!?\u2026]+{_CLOSING}(?=\s|$)"
    # Signs of Chinese, Japanese, Hindi, Arabic; no space follows.
    rf"|[\u3002\uff01\uff1f\u0964\u061f]{_CLOSING}"
)
_ABBREVIATION: Final = regex.compile(
    # Those that seldom end a sentence, unlike `etc.` and `Inc.`
    "approx|bspw|bzw|ca|cf|dept|dr|eg|evtl|fig|ggf|hon|ie|lt|mio|mr|mrd|mrs|ms|nr|pp|prof|resp|rev|sen|sgt|st|tel"
    "|vgl|vol|vs",
    regex.IGNORECASE,
)
_LAST_WORD: Final = regex.compile(r"(?:^|[\s\p{Ps}\p{Pi}\"'])(?:\p{L}\.)*(\p{L}+|\d{1,2})$")


def capped(text: str) -> str:
    """The text as far as scorers read it."""
    return text[:LONGEST]


def plain(text: str) -> str:
    """The text in its normal form of Unicode, of small letters, with single spaces between words."""
    normal = unicodedata.normalize("NFKC", _INVISIBLE.sub("", capped(text)))
    return _SPACE.sub(" ", normal).strip().casefold()


def words(text: str) -> list[str]:
    """The words of a text in small letters, without punctuation; each character where no spaces are used."""
    found: list[str] = _WORD.findall(plain(text))
    return found


def sentences(text: str) -> list[str]:
    """The sentences of a text.

    A sentence ends at `.`, `!`, `?` or the same signs of other scripts, not after an abbreviation (`Dr.`,
    `z. B.`), an initial, or within a number; at an empty line; and each item of a list is one at least. The
    end of a line does not end it. Text within ``` is left out.
    """
    found: list[str] = []
    for block in _blocks(capped(text)):
        begin = 0
        for match in _END.finditer(block):
            if _ends(block, begin, match):
                found.append(block[begin : match.end()].strip())
                begin = match.end()
        found.append(block[begin:].strip())
    return [each for each in found if _WORD.search(each)]


def _ends(block: str, begin: int, match: "regex.Match[str]") -> bool:
    after = block[match.end() : match.end() + _NEAR].lstrip()
    if match[0] != ".":
        # Dots that trail off within a sentence: `well... maybe`.
        return not (match[0].startswith(("..", "\u2026")) and after[:1].islower())
    if not after:
        return True
    before = _LAST_WORD.search(block, max(begin, match.start() - _NEAR), match.start())
    if before is None:
        return not after[0].islower()
    last = before[1]
    if last.isdecimal():
        # `1. First`; but `on page 7. The` ends. So does `am 3. Mai`: nouns look like beginnings.
        return not (after[0].islower() or before.start() <= begin)
    if len(last) == 1 and last not in "Iiaà":
        return False
    return not (_ABBREVIATION.fullmatch(last) or after[0].islower())


def _blocks(text: str) -> list[str]:
    """Pieces of text that no sentence reaches over: paragraphs, items of lists, headings."""
    blocks: list[list[str]] = [[]]
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
            blocks.append([])
            continue
        if fenced:
            continue
        item = _LIST_ITEM.match(line)
        heading = line.startswith("#")
        if item or heading or not line.strip():
            blocks.append([])
        blocks[-1].append(line[item.end() :] if item else line)
        if heading:
            blocks.append([])
    return [" ".join(block) for block in blocks]

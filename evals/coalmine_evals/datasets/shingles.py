"""Texts of cases as runs of words, and which of them are nearly the same.

Pairs are found by prefix filtering: two sets with a Jaccard similarity of at least t share one of the first
|s| - ceil(t |s|) + 1 elements of each, in any common order; with the rarest first, few sets share one.

References:
    Bayardo, Ma, Srikant, "Scaling Up All Pairs Similarity Search", WWW 2007; Chaudhuri, Ganti, Kaushik, "A
    Primitive Operator for Similarity Joins in Data Cleaning", ICDE 2006.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from coalmine_evals.results.datasets import Case

Shingles = frozenset[tuple[str, ...]]

WORDS: Final = 3
"""Words in a run."""
# A letter of a script that writes words without blanks is a word of its own.
_WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]|[^\W_]+")
_MOST_WORDS: Final = 5_000
"""Of one text; what follows is not compared."""
MOST_COMPARED: Final = 300_000
"""Pairs that are looked at closely: a thousand questions of one pattern are half a million."""


def words_of(text: str, most: int = _MOST_WORDS) -> list[str]:
    """Returns the words of a text in lower case."""
    found = (each[0] for each in _WORD.finditer(text.casefold()))
    return [word for word, _ in zip(found, range(most), strict=False)]


def texts_of(value: Any, name: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    """Yields each text in a value of JSON with the name of where it stands."""
    match value:
        case str():
            yield name, value
        case Mapping():
            for key, each in value.items():
                yield from texts_of(each, f"{name}.{key}" if name else key)
        case list() | tuple():
            for at, each in enumerate(value):
                yield from texts_of(each, f"{name}[{at}]")


def shingles_of(case: Case) -> Shingles:
    """Returns the runs of words of what a case asks; all of them as one, if there are too few for a run."""
    words = [word for _, text in texts_of(case.variables) for word in words_of(text)][:_MOST_WORDS]
    if len(words) < WORDS:
        return frozenset({tuple(words)}) if words else frozenset()
    return frozenset(zip(*(words[at:] for at in range(WORDS)), strict=False))


def similar(sets: Sequence[Shingles], least: float) -> Iterator[tuple[int, int, float]]:
    """Yields pairs of places, the smaller first, whose sets have a Jaccard similarity of at least `least`.

    Of more than `MOST_COMPARED` pairs that may be similar, the rest are not looked at.
    """
    frequency = Counter(each for one in sets for each in one)
    by_first: dict[tuple[str, ...], list[int]] = defaultdict(list)
    compared = 0
    for place, one in enumerate(sets):
        if not one:
            continue
        rarest_first = sorted(one, key=lambda each: (frequency[each], each))
        prefix = rarest_first[: len(one) - math.ceil(least * len(one)) + 1]
        near = {other for each in prefix for other in by_first[each]}
        for other in sorted(near):
            if (compared := compared + 1) > MOST_COMPARED:
                return
            common = len(one & sets[other])
            similarity = common / (len(one) + len(sets[other]) - common)
            if similarity >= least:
                yield other, place, similarity
        for each in prefix:
            by_first[each].append(place)

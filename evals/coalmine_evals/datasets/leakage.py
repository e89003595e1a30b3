"""Finds cases of which a good result says nothing: the prompt shows them, or was written with their like."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from coalmine_evals.datasets.shingles import Shingles, shingles_of, similar, texts_of, words_of
from coalmine_evals.results.datasets import Case, Leakage, LeakedCase, NearDuplicate, Split
from coalmine_schemas.prompts.content import PromptContent

_NEAR: Final = 0.8
_FEWEST_WORDS: Final = 5
"""A shorter text, such as a name, may stand in a prompt by chance."""
_MOST: Final = 100
_MOST_WORDS_OF_PROMPT: Final = 200_000


def leakage_of(cases: Sequence[Case], content: PromptContent | None) -> Leakage:
    """Looks for cases that leak.

    Args:
        cases: Of both splits.
        content: The prompt that they try; None: not known, so only the cases are compared.
    """
    shown = [] if content is None else list(_shown(cases, content))
    shared: list[NearDuplicate] = []
    alike: list[NearDuplicate] = []
    groups: dict[Shingles, _Same] = defaultdict(_Same)
    for case in cases:
        groups[shingles_of(case)].of(case.split).append(case)
    groups.pop(frozenset(), None)
    same = list(groups.values())
    for each in same:
        _compare(each, each, 1.0, shared, alike)
    for one, other, similarity in similar([*groups], _NEAR):
        _compare(same[one], same[other], similarity, shared, alike)
    counts = (
        len({each.case for each in shown}),
        len({each.one for each in shared}),
        len({id_ for each in alike for id_ in (each.one, each.other)}),
    )
    return Leakage(
        shown=tuple(shown[:_MOST]),
        shared=tuple(shared[:_MOST]),
        alike=tuple(alike[:_MOST]),
        cases_shown=counts[0],
        cases_shared=counts[1],
        cases_alike=counts[2],
        warnings=tuple(_warnings(counts, shown, shared, alike)),
    )


@dataclass(slots=True)
class _Same:
    """Cases that ask the same, by split: comparing them among themselves would take the square of them."""

    test: list[Case] = field(default_factory=list)
    dev: list[Case] = field(default_factory=list)

    def of(self, split: Split) -> list[Case]:
        return self.test if split == "test" else self.dev


def _compare(
    one: _Same, other: _Same, similarity: float, shared: list[NearDuplicate], alike: list[NearDuplicate]
) -> None:
    """Notes each case of test with the first that it is like, in dev and in test."""
    for mine, theirs in ((one, other), (other, one)):
        if theirs.dev:
            shared += [NearDuplicate(each.id, theirs.dev[0].id, similarity) for each in mine.test]
        if one is other:
            break
    if one.test and other.test:
        first = one.test[0]
        alike += [
            NearDuplicate(first.id, each.id, similarity)
            for each in other.test
            if each.cluster != first.cluster
        ]


def _shown(cases: Sequence[Case], content: PromptContent) -> Iterator[LeakedCase]:
    """Yields cases that decide and whose text stands in the prompt, word for word."""
    templates = [(field, words_of(text, _MOST_WORDS_OF_PROMPT)) for field, text in content.templates()]
    joined = [(field, f" {' '.join(words)} ") for field, words in templates]
    beginnings = {
        tuple(words[at : at + _FEWEST_WORDS])
        for _, words in templates
        for at in range(len(words) - _FEWEST_WORDS + 1)
    }
    for case in cases:
        if case.split != "test":
            continue
        for name, text in (*texts_of(case.variables), *texts_of(case.expected, "expected")):
            words = words_of(text)
            # Nearly no text begins like anything in the prompt: that is quicker to see.
            if tuple(words[:_FEWEST_WORDS]) not in beginnings:
                continue
            needle = f" {' '.join(words)} "
            if (field := next((field for field, each in joined if needle in each), None)) is not None:
                yield LeakedCase(case.id, field, name)
                break


def _warnings(
    counts: tuple[int, int, int],
    shown: Sequence[LeakedCase],
    shared: Sequence[NearDuplicate],
    alike: Sequence[NearDuplicate],
) -> Iterator[str]:
    if counts[0]:
        first = shown[0]
        yield (
            f"{_cases(counts[0])} in the prompt itself, e.g. {first.case} in {first.field}: "
            "move them to `split: dev`, or take them out of the prompt"
        )
    if counts[1]:
        pair = shared[0]
        yield (
            f"{_cases(counts[1])} nearly in dev, too, e.g. {pair.one} beside {pair.other}: "
            "keep each in one split only"
        )
    if counts[2]:
        pair = alike[0]
        yield (
            f"{_cases(counts[2])} nearly each other, e.g. {pair.one} and {pair.other}: "
            "give them the same `cluster`, or they count as independent"
        )


def _cases(count: int) -> str:
    return f"{count} case{' of test is' if count == 1 else 's of test are'}"

"""Which lines of two texts match, in bounded time.

difflib alone takes up to the cube of the number of lines. It compares what is short; longer stretches are
first cut at lines that both have exactly once (patience diff), and what has none counts as replaced.

References:
    https://bramcohen.livejournal.com/73318.html
"""

import difflib
from bisect import bisect_left
from collections import Counter
from itertools import pairwise
from typing import Final

_COMPARISONS: Final = 10_000_000
_LINES: Final = 2_000_000


class Matcher(difflib.SequenceMatcher[str]):
    """difflib's matcher with another search for matching blocks.

    Args:
        a: Old lines.
        b: New lines.
    """

    def __init__(self, a: list[str], b: list[str]) -> None:
        super().__init__(None, [], [])
        self.a, self.b = a, b
        self._comparisons = _COMPARISONS
        self._lines = _LINES

    def get_matching_blocks(self) -> list[difflib.Match]:
        """Returns blocks in order, the last of which is empty."""
        found: list[difflib.Match] = []
        waiting = [(0, len(self.a), 0, len(self.b))]
        while waiting:
            waiting += self._match(*waiting.pop(), found)
        joined: list[difflib.Match] = []
        for block in sorted(found):
            if joined and (joined[-1].a + joined[-1].size, joined[-1].b + joined[-1].size) == block[:2]:
                joined[-1] = joined[-1]._replace(size=joined[-1].size + block.size)
            else:
                joined.append(block)
        return [*joined, difflib.Match(len(self.a), len(self.b), 0)]

    def _match(
        self, a: int, a_end: int, b: int, b_end: int, found: list[difflib.Match]
    ) -> list[tuple[int, int, int, int]]:
        """Adds matches of a stretch, and returns the stretches in between."""
        start = (a, b)
        while a < a_end and b < b_end and self.a[a] == self.b[b]:
            a, b = a + 1, b + 1
        if a > start[0]:
            found.append(difflib.Match(*start, a - start[0]))
        end = a_end
        while a < a_end and b < b_end and self.a[a_end - 1] == self.b[b_end - 1]:
            a_end, b_end = a_end - 1, b_end - 1
        if a_end < end:
            found.append(difflib.Match(a_end, b_end, end - a_end))
        lines, others = a_end - a, b_end - b
        self._lines -= lines + others
        if not lines or not others or self._lines < 0:
            return []
        if lines * others * min(lines, others) <= self._comparisons:
            self._comparisons -= lines * others * min(lines, others)
            plain = difflib.SequenceMatcher(None, self.a[a:a_end], self.b[b:b_end], autojunk=False)
            blocks = plain.get_matching_blocks()[:-1]
            found += [difflib.Match(a + each.a, b + each.b, each.size) for each in blocks]
            return []
        anchors = _anchors(self.a[a:a_end], self.b[b:b_end])
        found += [difflib.Match(a + i, b + j, 1) for i, j in anchors]
        edges = [(-1, -1), *anchors, (lines, others)]
        return [(a + i + 1, a + k, b + j + 1, b + m) for (i, j), (k, m) in pairwise(edges) if anchors]


def _anchors(a: list[str], b: list[str]) -> list[tuple[int, int]]:
    """Returns places of lines that stand once in each, as many as are in the same order in both."""
    places = {line: at for at, line in enumerate(b)}
    once = {line for line, times in Counter(a).items() if times == 1}
    once &= {line for line, times in Counter(b).items() if times == 1}
    pairs = [(at, places[line]) for at, line in enumerate(a) if line in once]
    # The longest increasing run of places in b.
    tails: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for at, (_, place) in enumerate(pairs):
        length = bisect_left(tails, place)
        before.append(last[length - 1] if length else -1)
        if length == len(tails):
            tails.append(place)
            last.append(at)
        else:
            tails[length], last[length] = place, at
    chain = []
    at = last[-1] if last else -1
    while at >= 0:
        chain.append(pairs[at])
        at = before[at]
    return chain[::-1]

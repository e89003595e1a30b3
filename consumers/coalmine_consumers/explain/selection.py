"""Selection of dimensions, and sentences about what is left out.

Nothing is left out in silence: a segment with a value for each user says nothing about users as a group, so
it is not used, and the answer says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from coalmine_consumers.errors import UnknownSegment
from coalmine_consumers.explain.dimensions import (
    APP,
    LEAST_COVERED,
    MOST_MIXES,
    MOST_TESTED,
    MOST_TRAFFIC_VALUES,
    Dimension,
    Size,
)

MOST_TRAFFIC_KEYS = 3
"""Keys that the mix of traffic is made of by default."""
MOST_TRIED = 6
"""Keys that are tried for it: those that moved most."""
LEAST_PER_CELL = 10
"""Requests of the smaller side there have to be for each cell: of finer ones each side lacks many by chance,
and those would count as mix."""
_FINER = 1.01
"""A key that makes mixes by less than this factor more says what the others say."""


@dataclass(frozen=True, slots=True)
class MixCount:
    """How fine a mix of traffic is."""

    different: int
    """Mixes there are."""
    effective: float
    """As many mixes of the same size would be as likely to meet twice: rare ones hardly count."""
    cells: float
    """The same for cells, which models and versions divide mixes into."""


CountMixes = Callable[[Sequence[Dimension]], MixCount]
"""Counts the mixes that some dimensions make."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is used for what."""

    tested: tuple[Dimension, ...]
    """Whose values are looked at one by one."""
    traffic: tuple[Dimension, ...]
    """Whose mix is the mix of traffic."""
    left_out: tuple[str, ...]
    """What was not looked at, and why, in words."""
    traffic_words: tuple[str, ...]
    """What the mix of traffic does not tell apart, and why."""


def choose(
    dimensions: Sequence[Dimension],
    wanted: Sequence[str] | None,
    left_out: Sequence[str],
    size: Size,
    count: CountMixes,
    *,
    always: Sequence[Dimension] = (),
) -> Choice:
    """Chooses the dimensions to use.

    The mix of traffic is made of the segments whose mix moved most between the sides beyond chance, whatever
    the metric did in them: choosing by the outcome would find causes in noise.

    Args:
        dimensions: All there are: segments, applications, models, versions.
        wanted: Segments (or "app") that the mix of traffic is to be made of; None: decide.
        left_out: Words about segments that are left out already.
        size: How much there is of each side.
        count: Counts mixes.
        always: Dimensions that the mix of traffic is made of in any case.

    Raises:
        InvalidParameter: Requests do not have a segment that is wanted.
    """
    words = list(left_out)
    tested = []
    for each in dimensions:
        if each.different < 2:
            words.append(f"{each.name}: {_named(each.values[0].value)} in every request")
            continue
        if each.different > MOST_TESTED:
            covered = each.covered(MOST_TESTED)
            if covered < LEAST_COVERED:
                words.append(f"{each.name}: {each.different:,} different values, none with many requests")
                continue
            words.append(
                f"{each.name}: {each.different - MOST_TESTED:,} of its {each.different:,} values, with "
                f"{1 - covered:.1%} of the requests"
            )
        tested.append(each)
    kinds = [each for each in dimensions if each.is_segment or each.name == APP]
    if wanted is not None:
        return Choice(tuple(tested), (*always, *_asked_for(kinds, wanted)), tuple(words), ())
    traffic, not_told = _moved_most([each for each in kinds if each.different >= 2], size, count, always)
    return Choice(tuple(tested), traffic, tuple(words), not_told)


def _asked_for(kinds: Sequence[Dimension], wanted: Sequence[str]) -> tuple[Dimension, ...]:
    # A service's own segment "app" comes before the application, which then cannot be asked for.
    by_name = {each.name: each for each in reversed(kinds)}
    for name in wanted:
        if name not in by_name:
            raise UnknownSegment(name, [*by_name])
    return tuple(by_name[name] for name in dict.fromkeys(wanted))


def _moved_most(
    kinds: Sequence[Dimension], size: Size, count: CountMixes, always: Sequence[Dimension]
) -> tuple[tuple[Dimension, ...], tuple[str, ...]]:
    """Those to tell traffic apart by, and words about the others."""
    chosen: list[Dimension] = list(always)
    most = MOST_TRAFFIC_KEYS + len(always)
    words = []
    tried = 0
    for each in sorted(kinds, key=lambda kind: (-kind.clearly_moved(size), kind.name)):
        if each.covered(MOST_TRAFFIC_VALUES) < LEAST_COVERED:
            words.append(f"{each.name}: {each.different:,} different values, none with many requests")
            continue
        if len(chosen) == most or tried == MOST_TRIED:
            words.append(f"{each.name}: its mix moved less ({each.moved:.1%} of the requests)")
            continue
        tried += 1
        made = count([*chosen, each])
        if chosen and made.effective < _FINER * count(chosen).effective:
            words.append(f"{each.name}: {_names(chosen)} tells the same apart")
        elif made.cells * LEAST_PER_CELL > size.requests:
            words.append(f"{each.name}: too few requests for about {made.cells:,.0f} cells")
        elif made.different > MOST_MIXES:
            words.append(f"{each.name}: with it there would be {made.different:,} mixes, too many to examine")
        else:
            chosen.append(each)
            for before in chosen[len(always) : -1]:
                rest = [other for other in chosen if other is not before]
                if made.effective < _FINER * count(rest).effective:
                    chosen = rest
                    words.append(f"{before.name}: {_names(rest)} tells the same apart")
    return tuple(chosen), tuple(words)


def _names(dimensions: Sequence[Dimension]) -> str:
    return ", ".join(each.name for each in dimensions)


def _named(value: str) -> str:
    return repr(value) if value else "absent"

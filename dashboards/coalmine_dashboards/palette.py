"""A colour for each version that stays the same for as long as the page is open.

The colours are those of Okabe and Ito ("Color Universal Design", 2008), which people with any of the
common colour deficiencies can tell apart. Their yellow and black are left out: one is lost on white, the
other on a dark page. Lightness is adapted to the page's background. After seven versions colours
repeat with another dash pattern.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["DASHES", "Style", "VersionKey", "assign_slots", "style_of"]

VersionKey = tuple[str, str]
"""Prompt and version."""

Mode = Literal["light", "dark"]

_COLOURS: dict[Mode, tuple[str, ...]] = {
    # blue, vermilion, bluish green, reddish purple, orange, sky blue, grey
    "light": ("#0072B2", "#D55E00", "#009E73", "#B45C91", "#C98700", "#2E9BDC", "#767676"),
    "dark": ("#4FA8E0", "#F2803D", "#2CC295", "#E39AC4", "#EDB233", "#8CD0F5", "#A8A8A8"),
}

DASHES: tuple[tuple[int, ...], ...] = ((1, 0), (8, 3), (2, 3), (10, 3, 2, 3))
"""Solid, dashed, dotted, dash-dotted."""


@dataclass(frozen=True, slots=True)
class Style:
    """How one version is drawn."""

    colour: str
    """`#RRGGBB`."""
    dash: tuple[int, ...]
    """Lengths of strokes and gaps, in pixels."""


def assign_slots(known: Mapping[VersionKey, int], versions: Iterable[VersionKey]) -> dict[VersionKey, int]:
    """A number for each version: those known keep theirs, new ones get the next in the order given."""
    slots = dict(known)
    following = max(slots.values(), default=-1) + 1
    for version in versions:
        if version not in slots:
            slots[version] = following
            following += 1
    return slots


def style_of(slot: int, mode: Mode) -> Style:
    """The style that belongs to a number."""
    colours = _COLOURS[mode]
    return Style(colours[slot % len(colours)], DASHES[slot // len(colours) % len(DASHES)])

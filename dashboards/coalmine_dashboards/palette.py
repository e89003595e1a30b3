"""Colours of versions, stable while the page is open.

The hues are those of Okabe and Ito ("Color Universal Design", 2008), adjusted until any two differ clearly
(CIE76 above 20) for people with protanopia or deuteranopia and each has a contrast of 3:1 with the page,
light or dark; the tests compute both. After seven versions, colours repeat with another dash pattern.
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
    "light": ("#174C80", "#AC3C00", "#00A96B", "#C472B1", "#C88800", "#009AF8", "#6E6E6E"),
    "dark": ("#3891D5", "#EA7956", "#5AD7A6", "#E08FBF", "#EDB233", "#A8DEFF", "#7C7C7C"),
}

DASHES: tuple[tuple[int, ...], ...] = ((1, 0), (8, 3), (2, 3), (10, 3, 2, 3))
"""Solid, dashed, dotted, dash-dotted."""


@dataclass(frozen=True, slots=True)
class Style:
    """Colour and dash pattern of one version."""

    colour: str
    """`#RRGGBB`."""
    dash: tuple[int, ...]
    """Lengths of strokes and gaps, in pixels."""


def assign_slots(known: Mapping[VersionKey, int], versions: Iterable[VersionKey]) -> dict[VersionKey, int]:
    """Numbers the versions: known ones keep their number, new ones get the next, in the order given."""
    slots = dict(known)
    following = max(slots.values(), default=-1) + 1
    for version in versions:
        if version not in slots:
            slots[version] = following
            following += 1
    return slots


def style_of(slot: int, mode: Mode) -> Style:
    """Returns the style for a version's number."""
    colours = _COLOURS[mode]
    return Style(colours[slot % len(colours)], DASHES[slot // len(colours) % len(DASHES)])

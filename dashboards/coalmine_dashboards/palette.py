"""Colours of versions, given by their names.

The hues are those of Okabe and Ito ("Color Universal Design", 2008), adjusted until any two differ clearly
(CIE76 above 20) for people with protanopia or deuteranopia and each has a contrast of 3:1 with the page,
light or dark; the tests compute both. After seven versions, colours repeat with another dash pattern.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

__all__ = ["DASHES", "Mode", "Style", "VersionKey", "assign_slots", "colours_of", "style_of"]

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
_FILLS: tuple[str, ...] = ("", "80", "40", "C0")
"""The last two digits of the colour of bars, which have no dashes."""


@dataclass(frozen=True, slots=True)
class Style:
    """Colour and dash pattern of one version."""

    colour: str
    """`#RRGGBB`."""
    dash: tuple[int, ...]
    """Lengths of strokes and gaps, in pixels."""
    bar: str
    """`#RRGGBB` or `#RRGGBBAA`: bars have no dashes, and are paler instead."""

    @property
    def swatch(self) -> str:
        """A background of CSS that looks as the line does: its colour, dashed as it is."""
        if len(self.dash) == 2 and self.dash[1] == 0:
            return self.colour
        ends = [
            f"{sum(self.dash[:at]) / 2:g}px {sum(self.dash[: at + 1]) / 2:g}px"
            for at in range(len(self.dash))
        ]
        stops = (f"{'transparent' if at % 2 else self.colour} {end}" for at, end in enumerate(ends))
        return f"repeating-linear-gradient(90deg, {', '.join(stops)})"


def assign_slots(versions: Mapping[str, Sequence[str]]) -> dict[VersionKey, int]:
    """Numbers the versions: by their names, so that every viewer sees the same colours, whatever is selected.

    A prompt begins at a colour that its name gives, and its versions follow each other. Where versions of two
    prompts would look alike, the later one by name takes the next look that is free.

    Args:
        versions: All versions of each prompt, in order of precedence.
    """
    colours = len(_COLOURS["light"])
    slots: dict[VersionKey, int] = {}
    taken: set[int] = set()
    for prompt in sorted(versions):
        first = int.from_bytes(sha256(prompt.encode()).digest()[:4])
        for place, version in enumerate(versions[prompt], first):
            # All colours before the next dash pattern: colours tell more than dashes do.
            looks = [
                dash * colours + (place + i) % colours for dash in range(len(DASHES)) for i in range(colours)
            ]
            slot = next((look for look in looks if look not in taken), looks[0])
            taken.add(slot)
            slots[prompt, version] = slot
    return slots


def colours_of(mode: Mode) -> list[str]:
    """Returns the colours on a page of that mode, for charts whose series are no versions."""
    return list(_COLOURS[mode])


def style_of(slot: int, mode: Mode) -> Style:
    """Returns the style for a version's number."""
    colours = _COLOURS[mode]
    turn = slot // len(colours) % len(DASHES)
    colour = colours[slot % len(colours)]
    return Style(colour, DASHES[turn], f"{colour}{_FILLS[turn]}")

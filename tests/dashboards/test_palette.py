from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_dashboards.palette import DASHES, Mode, assign_slots, style_of

NUMBERS = st.lists(st.sampled_from("123456"), unique=True, max_size=6)
VERSIONS = st.dictionaries(st.sampled_from("abcd"), NUMBERS)


@given(VERSIONS)
def test_the_look_of_a_version_depends_on_names_alone(versions: dict[str, list[str]]) -> None:
    backwards = dict(reversed(list(versions.items())))
    assert assign_slots(versions) == assign_slots(backwards)
    for prompt, numbers in versions.items():
        assert assign_slots({prompt: numbers[:-1]}).items() <= assign_slots({prompt: numbers}).items()


@given(VERSIONS)
def test_no_two_versions_look_alike_while_there_are_looks(versions: dict[str, list[str]]) -> None:
    slots = assign_slots(versions)
    assert len(set(slots.values())) == len(slots) == sum(map(len, versions.values()))
    if len(slots) <= 7:
        assert len({style_of(slot, "light").colour for slot in slots.values()}) == len(slots)


def test_colours_repeat_with_another_dash() -> None:
    styles = [style_of(slot, "light") for slot in range(7 * len(DASHES))]
    assert len({(style.colour, style.dash) for style in styles}) == len(styles)
    assert len({style.bar for style in styles}) == len(styles), "bars have no dashes"
    assert len({style.swatch for style in styles}) == len(styles), "the table says which is which"


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(("mode", "background"), [("light", "#FFFFFF"), ("dark", "#171614")])
def test_every_colour_stands_out_from_the_page(mode: Mode, background: str) -> None:
    # WCAG 2.2, criterion 1.4.11, asks 3:1 of graphics.
    for slot in range(7):
        assert contrast(style_of(slot, mode).colour, background) >= 3.0, style_of(slot, mode)


# Viénot, Brettel, Mollon 1999: what people without one kind of cone see, in linear RGB.
DEFICIENCIES = {
    "protanopia": ((0.11238, 0.88762, 0.0), (0.11238, 0.88762, 0.0), (0.00401, -0.00401, 1.0)),
    "deuteranopia": ((0.29275, 0.70725, 0.0), (0.29275, 0.70725, 0.0), (-0.02234, 0.02234, 1.0)),
}


def seen(colour: str, deficiency: str) -> tuple[float, float, float]:
    """CIE L*a*b* of a colour as someone with the deficiency sees it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    red, green, blue = (
        sum(f * c for f, c in zip(row, linear, strict=True)) for row in DEFICIENCIES[deficiency]
    )
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    fx, fy, fz = (max(t, 0.0) ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("deficiency", sorted(DEFICIENCIES))
def test_colours_differ_for_people_who_see_fewer_of_them(mode: Mode, deficiency: str) -> None:
    for one, other in combinations(range(7), 2):
        colours = style_of(one, mode).colour, style_of(other, mode).colour
        first, second = (seen(colour, deficiency) for colour in colours)
        distance = sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) ** 0.5
        # A difference of 2.3 is just noticeable side by side; lines in a chart need several times that.
        assert distance > 20, (colours, deficiency, distance)

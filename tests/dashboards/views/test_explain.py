"""Charts and columns of an explanation."""

from itertools import pairwise

import pytest

from coalmine_dashboards.parts.tables import table_html
from coalmine_dashboards.views.explain import (
    axis_title,
    chance,
    moved_columns,
    range_chart,
    range_rows,
    waterfall,
    waterfall_rows,
)
from tests.support.data.prompt_answers import an_explanation


def test_the_bars_lead_from_one_side_to_the_other() -> None:
    found = an_explanation()
    rows = waterfall_rows(found)
    assert [row["name"] for row in rows] == ["1.3.0", "prompt", "model mix", "traffic mix", "1.4.0"]
    for row, following in pairwise(rows):
        assert row["end"] == pytest.approx(following["start"])
    assert rows[0]["end"] == found.a.value
    assert rows[-1]["end"] == found.b.value


def test_a_bar_has_its_interval_and_says_whether_it_is_clear() -> None:
    _, prompt, _, traffic, _ = waterfall_rows(an_explanation())
    assert (prompt["lower"], prompt["upper"]) == (pytest.approx(0.68), pytest.approx(0.72))
    assert prompt["kind"] == "clear"
    assert (traffic["lower"], traffic["upper"], traffic["kind"]) == (None, None, "not clear")


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_charts_are_valid(mode: str) -> None:
    found = an_explanation()
    assert waterfall(found, mode).spec["layer"]  # type: ignore[arg-type]
    rows = range_rows([("language: de", -0.11, -0.16, -0.06, True)], found.unit)
    assert range_chart(rows, "change", mode).spec["layer"]  # type: ignore[arg-type]


def test_intervals_of_more_than_a_dozen_values_are_not_drawn_nor_values_that_are_unknown() -> None:
    many = [(f"value {place}", float(place), None, None, False) for place in range(40)]
    assert len(range_rows(many, "")) == 12
    assert range_rows([("unknown", None, None, None, False)], "") == []


def test_axes_name_the_unit() -> None:
    assert axis_title("error_rate", "share") == "error_rate (share, 0 to 1)"
    assert axis_title("cost_per_request", "USD") == "cost_per_request (US dollars)"
    assert axis_title("quality", "") == "quality"


def test_what_is_not_known_is_a_dash_and_names_are_text() -> None:
    markup = table_html(an_explanation().moved, moved_columns(""), "Moved")
    assert "<img" not in markup
    assert "\N{EN DASH}" in markup
    assert "<0.001" not in markup.replace("&lt;0.001", "")
    assert chance(0.0004) == "<0.001"
    assert chance(0.0312) == "0.031"

"""Models in use, and prompts on models."""

from dataclasses import replace
from datetime import date, timedelta

from coalmine_dashboards.parts.tables import table_html
from coalmine_dashboards.views.models import (
    calendar_chart,
    calendar_columns,
    ends_words,
    matrix_columns,
    matrix_rows,
    models_of,
)
from tests.support.data.drift_answers import CALENDAR, FLAGS, HOSTILE, NOW, VERSIONS, measured

END = date(2027, 1, 14)


def words(day: date) -> str:
    said = ends_words(CALENDAR[0], day)
    return said if isinstance(said, str) else said.markup


def test_an_end_says_how_soon_it_is() -> None:
    assert "in 44 days" in words(END - timedelta(days=44))
    assert "cm-notice" in words(END - timedelta(days=44))
    assert "cm-bad" in words(END - timedelta(days=30))
    assert "tomorrow" in words(END - timedelta(days=1))
    assert "today" in words(END)
    assert "over" in words(END + timedelta(days=1))
    assert ends_words(CALENDAR[1], END) == "no end known"


def test_the_calendar_names_what_takes_its_place_and_counts_prompts_it_does_not_name() -> None:
    many = replace(CALENDAR[0], prompts=["a", "b", "c", "d"], prompts_in_all=25)
    shown = table_html([many], calendar_columns(str, END), "Models")
    assert "gpt-6-luna" in shown
    assert "a, b, c and 22 more" in shown
    assert len(calendar_chart(CALENDAR, NOW).data["ends"]) == 1


def test_a_matrix_has_what_was_measured_and_what_runs_say() -> None:
    rows = matrix_rows([*VERSIONS, replace(measured("summarize", "m", 0.5), preferred=True)], FLAGS)
    assert [(row.prompt, row.version) for row in rows] == [(HOSTILE, "1.3.0"), ("summarize", "1.3.0")]
    models = models_of(rows)
    assert models == ["gpt-4o-mini-2024-07-18", "gpt-4o-mini-2026-11-20", "claude-haiku-4-5"]
    shown = table_html(rows, matrix_columns(models, "Quality"), "Matrix")
    assert "0.842 <small>of 45,000</small>" in shown
    assert "unsafe" in shown
    assert "<img" not in shown
    costs = table_html(rows, matrix_columns(models, "Cost"), "Matrix")
    assert "$0.00180" in costs

"""Tables and charts of runs."""

from dataclasses import replace

from coalmine_dashboards.parts.tables import table_html
from coalmine_dashboards.views.evaluations import (
    case_columns,
    cases_that_matter,
    gate_chart,
    gate_columns,
    named_cases,
    said_by_scorers,
    score_words,
    side_words,
)
from tests.support.data.eval_answers import CORRECT, REPORT, RUN


def test_a_difference_comes_with_its_interval_margin_and_what_could_be_seen() -> None:
    shown = table_html(REPORT.rows, gate_columns(), "Gate")
    assert "\N{MINUS SIGN}0.088 to \N{MINUS SIGN}0.044" in shown
    assert "500 in 480" in shown
    assert "undecided (shown only)" in shown
    assert "correct, german" in shown
    assert "&lt;0.001" in shown


def test_the_chart_leaves_out_what_has_no_interval() -> None:
    chart = gate_chart(REPORT)
    assert chart is not None
    rows = chart.to_dict()["datasets"]["rows"]
    assert [row["metric"] for row in rows] == ["correct", "polite", "correct, german"]
    assert rows[0]["margin"] == -0.02
    nothing = replace(CORRECT, difference=None, lower=None, upper=None)
    assert gate_chart(replace(REPORT, rows=(nothing,))) is None


def test_cases_that_matter_come_first_each_once() -> None:
    assert named_cases(REPORT, ["refund-001", "refund-044"])[-1] == "refund-001"
    assert len(named_cases(REPORT, [])) == 3
    assert named_cases(None, ["x"]) == ["x"]
    shown = table_html(cases_that_matter(REPORT), case_columns("ev-1"), "Cases")
    assert "run=ev-1&amp;case=refund-017" in shown
    assert "<img" not in shown


def test_scores_and_details_are_said_without_json() -> None:
    assert score_words({"correct": 1.0, "polite": None}) == "correct 1, polite \N{EN DASH}"
    assert score_words({}) == "not scored"
    details = {"correct": {"right": True, "parts": ["a", 0.25]}, "polite": "kind", "length": None}
    assert said_by_scorers(details) == ["correct, right: yes", "correct, parts: a, 0.25", "polite: kind"]
    assert side_words(None) == "\N{EN DASH}"
    assert side_words(replace(RUN.candidate, version=None)) == "support-refund draft"
    assert side_words(replace(RUN.candidate, prompt=None)) == "recorded answers"

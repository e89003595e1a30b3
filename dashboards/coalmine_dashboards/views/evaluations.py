"""Tables and charts of runs: what the gate says of a candidate, and the cases that say so."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import altair as alt

from coalmine_dashboards.formatting import UNKNOWN, count, difference, interval, milliseconds, money, percent
from coalmine_dashboards.parts.links import anchor
from coalmine_dashboards.parts.tables import Column, Html, Tone, When, dot
from coalmine_dashboards.views.markup import shown
from coalmine_evals.results.gate import CaseDifference, GateReport, GateRow
from coalmine_evals.results.runs import EvalRun, Side
from coalmine_schemas.plain_number import plain_number

TONES: Final[dict[str, Tone]] = {"pass": "good", "fail": "bad", "undecided": "notice", "invalid": "bad"}
_COLOURS: Final = {"pass": "#1a9e6e", "fail": "#d5384d", "undecided": "#d99000", "invalid": "#808080"}
_SHAPES: Final = {"pass": "circle", "fail": "triangle-down", "undecided": "diamond", "invalid": "cross"}
_NANO: Final = 1e-9
_ROW_PX: Final = 24
_AROUND_PX: Final = 120
_MOST_ROWS: Final = 24


def side_words(side: Side | None) -> str:
    """What was run, for people: `support-refund 1.1.0`, `a draft`, `recorded answers`."""
    if side is None:
        return UNKNOWN
    if side.prompt is None:
        return "recorded answers"
    return f"{side.prompt} {side.version or 'draft'}"


def outcome_of(run: EvalRun) -> str | Html:
    """The gate's word, or how far the run is."""
    if run.gate is not None:
        return dot(TONES[run.gate.outcome], run.gate.outcome)
    return run.state if run.state != "ended" else "nothing to compare with"


def run_columns(local: When) -> list[Column[EvalRun]]:
    """Columns of the table of runs."""
    return [
        Column(
            "Candidate",
            lambda run: Html(anchor(side_words(run.candidate), "evaluations", run=run.id)),
            text=True,
        ),
        Column("Baseline", lambda run: side_words(run.baseline), text=True, vital=False),
        Column("Suite", lambda run: run.suite, text=True),
        Column("Gate", outcome_of, "What the gate says.", text=True),
        Column(
            "What it says", lambda run: "" if run.gate is None else run.gate.sentence, text=True, wraps=True
        ),
        Column("Cases", lambda run: count(run.cases)),
        Column("Cost", lambda run: _nano(run.spent_nano_usd), "US dollars; cached answers cost nothing."),
        Column(
            "Evidence", lambda run: "yes" if run.evidence else "no", "Counts for a promotion.", vital=False
        ),
        Column("Started", lambda run: local(run.started_at), text=True),
        Column("By", lambda run: run.started_by, text=True, vital=False),
    ]


def gate_columns() -> list[Column[GateRow]]:
    """Columns of the table of metrics of a run."""
    return [
        Column("Metric", row_name, text=True),
        Column("Says", _says, "Rows that do not decide are shown only.", text=True),
        Column("Baseline", lambda row: _figure(row.baseline), "Mean over cases."),
        Column("Candidate", lambda row: _figure(row.candidate), "Mean over the same cases."),
        Column("Difference", lambda row: difference(row.difference, "")),
        Column(
            "90 % interval",
            lambda row: interval(row.lower, row.upper, ""),
            "Two-sided; each end is a one-sided bound at 5 %.",
        ),
        Column("Margin", lambda row: plain_number(row.margin), "How much worse it may be."),
        Column("Better / worse", lambda row: f"{count(row.better)} / {count(row.worse)}", "Cases."),
        Column(
            "Cases",
            lambda row: (
                count(row.cases) + (f" in {count(row.clusters)}" if row.clusters != row.cases else "")
            ),
            "With a score on both sides, in so many clusters of cases that are not independent.",
        ),
        Column(
            "Sees", lambda row: _figure(row.smallest_drop), "Smallest drop, with 80 % power.", vital=False
        ),
        Column("p (harm)", lambda row: _p(row.p_harm), "After Holm; small values show harm.", vital=False),
        Column(
            "Unscored",
            lambda row: percent(row.unscored_candidate),
            "Share of the candidate's answers without a score.",
            vital=False,
        ),
    ]


def gate_chart(report: GateReport) -> alt.LayerChart | None:
    """Draws each difference with its interval and the margin that it must not pass; None without any."""
    points: list[dict[str, object]] = [
        {
            "metric": shown(row_name(row)),
            "outcome": row.outcome,
            "difference": row.difference,
            "lower": row.lower,
            "upper": row.upper,
            "margin": -row.margin,
            "words": difference(row.difference, ""),
            "range": interval(row.lower, row.upper, ""),
            "cases": row.cases,
        }
        for row in report.rows[:_MOST_ROWS]
        if row.difference is not None and row.lower is not None and row.upper is not None
    ]
    if not points:
        return None
    outcomes = [name for name in _COLOURS if any(point["outcome"] == name for point in points)]
    colour = alt.Color(
        "outcome:N",
        title=None,
        scale=alt.Scale(domain=outcomes, range=[_COLOURS[name] for name in outcomes]),
        legend=alt.Legend(orient="top"),
    )
    shape = alt.Shape(
        "outcome:N", title=None, scale=alt.Scale(domain=outcomes, range=[_SHAPES[name] for name in outcomes])
    )
    base = alt.Chart(alt.NamedData("rows")).encode(
        y=alt.Y("metric:N", sort=None, title=None, axis=alt.Axis(labelLimit=220, labelOverlap=False))
    )
    tooltip = [
        alt.Tooltip("metric:N", title="Metric"),
        alt.Tooltip("outcome:N", title="Says"),
        alt.Tooltip("words:N", title="Candidate minus baseline"),
        alt.Tooltip("range:N", title="90 % interval"),
        alt.Tooltip("margin:Q", title="Must not pass", format=".3~f"),
        alt.Tooltip("cases:Q", title="Cases", format=",d"),
    ]
    x = alt.X("difference:Q", title="candidate minus baseline, score")
    return alt.LayerChart(
        layer=[
            alt.Chart(alt.NamedData("zero")).mark_rule(color="#808080").encode(x=alt.X("at:Q")),
            base.mark_rule(strokeWidth=2).encode(x=alt.X("lower:Q"), x2="upper:Q", color=colour),
            base.mark_tick(thickness=3, size=18, color="#808080").encode(x=alt.X("margin:Q")),
            base.mark_point(filled=True, size=75, opacity=1).encode(
                x=x, color=colour, shape=shape, tooltip=tooltip
            ),
        ],
        height=_ROW_PX * len(points) + _AROUND_PX,
        datasets={"rows": points, "zero": [{"at": 0}]},
    )


def case_columns(run: str) -> list[Column[tuple[str, CaseDifference]]]:
    """Columns of the table of cases that matter; each comes with why it does."""
    return [
        Column(
            "Case", lambda row: Html(anchor(row[1].case, "evaluations", run=run, case=row[1].case)), text=True
        ),
        Column("Why", lambda row: row[0], text=True),
        Column("Metric", lambda row: row[1].metric, text=True),
        Column("Baseline", lambda row: _figure(row[1].baseline), "Mean over repeats."),
        Column("Candidate", lambda row: _figure(row[1].candidate), "Mean over repeats."),
        Column(
            "Flicker",
            lambda row: _figure(row[1].flicker),
            "Standard deviation over repeats, of the side where it is larger.",
        ),
    ]


def cases_that_matter(report: GateReport) -> list[tuple[str, CaseDifference]]:
    """Cases that had to be right and were not, those that became worst, and flaky ones."""
    return [
        *(("must pass, and did not", each) for each in report.must_pass_failures),
        *(("became worse", each) for each in report.worst),
        *(("flaky", each) for each in report.flaky),
    ]


def side_rows(run: EvalRun) -> list[tuple[str, Side]]:
    """The sides of a run, by name."""
    return [("candidate", run.candidate), *([("baseline", run.baseline)] if run.baseline is not None else [])]


def side_columns(local: When) -> list[Column[tuple[str, Side]]]:
    """Columns of the table of sides."""
    return [
        Column("Side", lambda row: row[0], text=True),
        Column("What", lambda row: side_words(row[1]), text=True),
        Column("Asked", lambda row: row[1].model or row[1].provider, text=True),
        Column("Answered", lambda row: ", ".join(row[1].response_models) or UNKNOWN, text=True, vital=False),
        Column(
            "Scores", lambda row: _scores(row[1]), "Mean over cases, and its standard deviation.", text=True
        ),
        Column("p50", lambda row: milliseconds(row[1].latency_ms_p50), "Median latency of an answer."),
        Column("p95", lambda row: milliseconds(row[1].latency_ms_p95), "95th percentile of it.", vital=False),
        Column("Cost", lambda row: _nano(row[1].cost_nano_usd), "US dollars, cached answers included."),
        Column("Answers from", lambda row: local(row[1].answered_from), text=True, vital=False),
    ]


def said_by_scorers(details: Mapping[str, Any]) -> list[str]:
    """What scorers say of an answer, a line each."""
    lines = []
    for metric, said in details.items():
        if isinstance(said, Mapping):
            lines += [f"{metric}, {name}: {_short(value)}" for name, value in said.items()]
        elif said is not None:
            lines.append(f"{metric}: {_short(said)}")
    return lines


def score_words(scores: Mapping[str, float | None]) -> str:
    """Scores of an answer."""
    return ", ".join(f"{name} {_figure(value)}" for name, value in scores.items()) or "not scored"


def named_cases(report: GateReport | None, others: Sequence[str]) -> list[str]:
    """Cases to choose from: those that matter first."""
    first = [] if report is None else [each.case for _, each in cases_that_matter(report)]
    return list(dict.fromkeys([*first, *others]))


def row_name(row: GateRow) -> str:
    """Metric, and the capability whose cases these are."""
    return row.metric if row.capability is None else f"{row.metric}, {row.capability}"


def _says(row: GateRow) -> Html:
    return dot(TONES[row.outcome], row.outcome if row.decides else f"{row.outcome} (shown only)")


def _sentence(run: EvalRun) -> str:
    return "" if run.gate is None else run.gate.sentence


def _cases(row: GateRow) -> str:
    return count(row.cases) + (f" in {count(row.clusters)}" if row.clusters != row.cases else "")


def _figure(value: float | None) -> str:
    return UNKNOWN if value is None else plain_number(value)


def _p(value: float | None) -> str:
    return UNKNOWN if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def _nano(nano_usd: int | None) -> str:
    return UNKNOWN if nano_usd is None else money(nano_usd * _NANO)


def _scores(side: Side) -> str:
    found = [
        f"{each.metric} {_figure(each.mean)}" + ("" if each.sd is None else f" (sd {_figure(each.sd)})")
        for each in side.metrics
    ]
    return ", ".join(found) or UNKNOWN


def _short(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return plain_number(value)
    if isinstance(value, list | tuple):
        return ", ".join(_short(each) for each in value)
    return str(value)

"""A run of a suite: what the gate says of the candidate and why, and its cases side by side."""

from dataclasses import dataclass
from typing import Final

import streamlit as st

from coalmine_dashboards.api import NotFound, segment
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.tables import table
from coalmine_dashboards.parts.viewer import client, local, may
from coalmine_dashboards.views.evaluations import (
    case_columns,
    cases_that_matter,
    gate_chart,
    gate_columns,
    named_cases,
    row_name,
    said_by_scorers,
    score_words,
    side_columns,
    side_rows,
    side_words,
)
from coalmine_dashboards.views.markup import plain, shown
from coalmine_evals.results.datasets import Case
from coalmine_evals.results.gate import GateReport
from coalmine_evals.results.runs import Answer, EvalRun
from coalmine_registry.roles import Role

_MOST_CASES: Final = 500


@dataclass(frozen=True, slots=True)
class SeenRun:
    """A run, and what is shown of it."""

    run: EvalRun
    other: GateReport | None
    """Beside the run that the address names as `b`."""
    cases: list[Case]
    """Empty for who may not see texts."""
    answers: list[Answer]
    """To the chosen case."""
    case: str | None


def read_run(name: str, other: str | None, case: str | None) -> SeenRun:
    """Asks for a run, for how it stands beside another one, and for one of its cases with the answers."""
    asked = client()
    path = f"/v1/eval-runs/{segment(name)}"
    run = asked.read(path, EvalRun)
    beside = None if other is None else asked.read(f"{path}/compare", GateReport, baseline=other)
    if not may(Role.AUTHOR):
        return SeenRun(run, beside, [], [], case)
    cases: list[Case] = []
    try:
        at = f"/v1/datasets/{segment(run.dataset)}/cases"
        cases = asked.first(at, Case, _MOST_CASES, digest=run.dataset_digest)
    except NotFound:
        pass  # the run was published without its dataset
    if case is None:
        case = next(iter(named_cases(run.gate, [each.id for each in cases])), None)
    answers = [] if case is None else asked.items(f"{path}/answers", Answer, case=case)
    return SeenRun(run, beside, cases, answers, case)


def draw_run(seen: SeenRun) -> None:
    """Draw a run: what the gate says and why, the cases that matter, and one of them side by side."""
    run = seen.run
    st.subheader(f"{plain(side_words(run.candidate))} on {plain(run.suite)}", anchor=False)
    if run.gate is not None:
        box = {"pass": st.success, "fail": st.error}.get(run.gate.outcome, st.warning)
        box(f"**{run.gate.outcome}**: {plain(run.gate.sentence)}")
    else:
        st.info(f"This run is {run.state}." if run.state != "ended" else "It had nothing to compare with.")
    st.caption(_facts(run))
    for each in () if run.gate is None else run.gate.warnings:
        st.caption(f":material/warning: {plain(each)}")
    table(side_rows(run), side_columns(local), "Sides of the run")
    if run.gate is not None:
        _draw_gate(run.gate, f"run-{run.id}")
        _draw_cases(run, run.gate)
    _draw_beside(seen)
    _draw_case(seen)


def _facts(run: EvalRun) -> str:
    answers = "1 answer" if run.repeats == 1 else f"{run.repeats} answers"
    words = [
        f"{run.cases:,} cases of {plain(run.dataset)} ({run.split}), {answers} each",
        f"started {local(run.started_at)} by {plain(run.started_by)}",
        "evidence for a promotion" if run.evidence else "no evidence",
    ]
    if run.partial:
        words.append("limited to fewer cases or repeats than the suite says")
    return " · ".join(words)


def _draw_gate(report: GateReport, name: str) -> None:
    chart = gate_chart(report)
    if chart is not None:
        st.altair_chart(chart, width="stretch", key=f"chart-{name}")
        st.caption("Lines: 90 % intervals. Grey ticks: how much worse it may be; a pass keeps right of them.")
    table(report.rows, gate_columns(), "Metrics of the run")
    downloads(report.rows, name)
    with st.expander("What the gate could have seen"):
        for each in report.power:
            st.markdown(f"- {plain(each)}")
        for row in report.rows:
            st.caption(plain(f"{row_name(row)}: {row.reason}"))


def _draw_cases(run: EvalRun, report: GateReport) -> None:
    rows = cases_that_matter(report)
    if not rows:
        st.caption("No case became worse, none is flaky, and all that had to pass did.")
        return
    st.markdown("**Cases that matter**")
    table(rows, case_columns(run.id), "Cases that matter")
    downloads([each for _, each in rows], f"cases-{run.id}")


def _draw_beside(seen: SeenRun) -> None:
    other = st.text_input(
        "Beside the candidate of another run",
        value=st.query_params.get("b", ""),
        placeholder="id of a run of the same suite",
        key="beside",
    ).strip()
    if other != st.query_params.get("b", ""):
        if other:
            st.query_params["b"] = other
        else:
            del st.query_params["b"]
        st.rerun()
    if seen.other is not None:
        st.markdown(f"**{seen.other.outcome}**: {plain(seen.other.sentence)}")
        _draw_gate(seen.other, f"beside-{seen.run.id}")


def _draw_case(seen: SeenRun) -> None:
    st.markdown("**Cases side by side**")
    if not may(Role.AUTHOR):
        st.caption("Answers may hold what users wrote: authors see them.")
        return
    known = named_cases(seen.run.gate, [each.id for each in seen.cases])
    if seen.case is not None and seen.case not in known:
        known.insert(0, seen.case)
    if not known:
        st.caption("No cases are kept of this run.")
        return
    chosen = st.selectbox(
        "Case",
        known,
        index=known.index(seen.case) if seen.case in known else 0,
        format_func=shown,
        key="case-chosen",
        help="Type to search; those that matter come first.",
    )
    if chosen != seen.case:
        st.query_params["case"] = chosen
        st.rerun()
    case = next((each for each in seen.cases if each.id == chosen), None)
    if case is not None:
        _draw_question(case)
    if not seen.answers:
        st.caption("There is no answer to this case in the run.")
    names = [name for name, _ in side_rows(seen.run)]
    for column, side in zip(st.columns(len(names), gap="medium"), reversed(names), strict=True):
        with column:
            st.markdown(f"**{side.capitalize()}**")
            for answer in seen.answers:
                if answer.side == side:
                    _draw_answer(answer)


def _draw_question(case: Case) -> None:
    facts = [
        *([f"expected: {plain(str(case.expected))}"] if case.expected is not None else []),
        *([f"tries {plain(', '.join(case.capabilities))}"] if case.capabilities else []),
        *(["must pass"] if case.must_pass else []),
        *([f"from {plain(case.source)}"] if case.source else []),
    ]
    for name, value in case.variables.items():
        st.caption(plain(name))
        st.code(_text(value), language=None, wrap_lines=True)
    if facts:
        st.markdown(" · ".join(facts))


def _text(value: object) -> str:
    """A variable as text; lists a line each."""
    if isinstance(value, list | tuple):
        return "\n".join(str(each) for each in value)
    return str(value)


def _draw_answer(answer: Answer) -> None:
    repeat = f" (repeat {answer.repeat + 1})" if answer.repeat else ""
    st.caption(f"{plain(score_words(answer.scores))}{repeat}")
    if answer.error is not None:
        st.warning(plain(answer.error))
    elif answer.text is None:
        st.caption("The text is not kept.")
    else:
        st.code(answer.text, language=None, wrap_lines=True)
    for line in said_by_scorers(answer.details):
        st.caption(plain(line))

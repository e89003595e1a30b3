"""Runs and what the gate says of them, cases side by side, flaky cases, judges, runs of the server's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

from coalmine_dashboards.formatting import money
from coalmine_dashboards.parts.actions import action
from coalmine_dashboards.parts.advice import nothing
from coalmine_dashboards.parts.downloads import downloads
from coalmine_dashboards.parts.eval_run import draw_run, read_run
from coalmine_dashboards.parts.links import link
from coalmine_dashboards.parts.live import live
from coalmine_dashboards.parts.tables import table
from coalmine_dashboards.parts.viewer import client, local, may
from coalmine_dashboards.views.evaluations import run_columns
from coalmine_dashboards.views.judges import (
    CONFUSION_COLUMNS,
    SEGMENT_COLUMNS,
    calibration_columns,
    canary_columns,
    rerun_columns,
    scoring_columns,
)
from coalmine_dashboards.views.markup import plain
from coalmine_evals.results.judges import Calibration, CanaryStatus
from coalmine_evals.results.models import Rerun, RerunCell
from coalmine_evals.results.production import ProductionReport
from coalmine_evals.results.runs import EvalRun
from coalmine_registry.roles import Role

_EVERY_S: Final = 15.0
_MOST_RUNS: Final = 100


@dataclass(frozen=True, slots=True)
class _Judges:
    calibrations: list[Calibration]
    canaries: list[CanaryStatus]
    reruns: list[RerunCell]
    production: ProductionReport


def show() -> None:
    """Draw the page."""
    asked = st.query_params
    prompt, run = asked.get("prompt"), asked.get("run")
    if run is not None:
        other, case = asked.get("b"), asked.get("case")
        live(
            "run",
            lambda: read_run(run, other, case),
            draw_run,
            asked=(run, other, case),
            every_s=_EVERY_S,
        )
    st.subheader("Runs", anchor=False)
    live(
        "runs",
        lambda: client().first("/v1/eval-runs", EvalRun, _MOST_RUNS, prompt=prompt),
        lambda runs: _draw_runs(runs, prompt, run),
        asked=prompt,
        every_s=_EVERY_S,
    )
    live("judges", lambda: _judges(prompt), _draw_judges, asked=prompt, every_s=_EVERY_S)


def _draw_runs(runs: Sequence[EvalRun], prompt: str | None, current: str | None) -> bool:
    if prompt is not None:
        st.caption(f"Only runs of {plain(prompt)}. [All runs]({link('evaluations', run=current)})")
    if not runs:
        nothing(
            "No runs yet",
            "A suite says what good means; a run tries a version on it, and the gate says if it is worse.",
            "coalmine evals run evals/refunds.yaml --candidate prompts/support-refund/1.1.0.md "
            "--baseline support-refund@1.0.0",
        )
        return False
    said = [run.gate.outcome for run in runs if run.gate is not None]
    st.caption(
        f"The latest {len(runs)}: {said.count('pass')} passed, {said.count('fail')} failed, "
        f"{said.count('undecided')} undecided."
    )
    table(runs, run_columns(local), "Runs")
    downloads(runs, "eval-runs")
    return True


def _judges(prompt: str | None) -> _Judges:
    asked = client()
    return _Judges(
        asked.read("/v1/judges/calibrations", list[Calibration]),
        asked.read("/v1/judges/canaries", list[CanaryStatus]),
        asked.first("/v1/eval-reruns", RerunCell, _MOST_RUNS, prompt=prompt),
        asked.read("/v1/production-scores", ProductionReport),
    )


def _draw_judges(seen: _Judges) -> None:
    st.subheader("Judges", anchor=False)
    if seen.calibrations:
        table(seen.calibrations, calibration_columns(local), "Judges beside people")
        downloads(seen.calibrations, "judges")
        for each in seen.calibrations:
            with st.expander(f"Where {plain(each.scorer)} and people differ"):
                table(each.confusion, CONFUSION_COLUMNS, f"Verdicts of people and of {each.scorer}")
                if each.segments:
                    table(each.segments, SEGMENT_COLUMNS, f"Agreement with {each.scorer} by segment")
    else:
        nothing(
            "No judge was compared with people",
            "A gate decides by a judge once it was; until then its scores are shown only.",
            "coalmine judge calibrate JUDGE LABELS.jsonl",
        )
    if seen.canaries:
        st.markdown("**Fixed answers, scored every day**")
        table(seen.canaries, canary_columns(), "Fixed answers, scored every day")
    st.subheader("Runs that the server makes", anchor=False)
    _ask_rerun()
    if seen.reruns:
        table(seen.reruns, rerun_columns(local), "Runs that the server makes")
        downloads(seen.reruns, "eval-reruns")
    else:
        st.caption("None yet: it runs suites of what is served when a model changes, and when asked.")
    st.subheader("Scoring in production", anchor=False)
    _draw_production(seen.production)


def _ask_rerun() -> None:
    if not may(Role.APPROVER):
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = st.text_input("Run what is served with another model", placeholder="gpt-5-mini", key="rerun")
        action(
            "Run",
            lambda _reason: client().send("POST", "/v1/eval-reruns", Rerun, {"models": [model.strip()]}),
            "It will be run, within the day's budget.",
            key="rerun-ask",
            role=Role.APPROVER,
            question=f"The server will run the suites of every served version with {model.strip()}.",
            affected="It costs money, within the budget of the day; nothing that is served changes.",
            needs_reason=False,
            disabled=None if model.strip() else "Name a model first.",
        )


def _draw_production(report: ProductionReport) -> None:
    if report.texts_missing is not None:
        st.caption(f":material/warning: {plain(report.texts_missing)}")
    if not report.scoring:
        nothing(
            "Nothing is scored in production",
            "The file of evaluations says which metrics are, and of how many requests: docs/evaluations.md.",
        )
        return
    table(report.scoring, scoring_columns(local), "Scoring in production")
    budget = "any amount" if report.budget_usd is None else money(report.budget_usd)
    st.caption(plain(f"Spent on scores today (UTC): {money(report.spent_usd)} of {budget}."))
    downloads(report.scoring, "production-scoring")

"""Answers of the API about runs and judges, as a server gives them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from coalmine_evals.results.datasets import Case
from coalmine_evals.results.gate import CaseDifference, GateReport, GateRow
from coalmine_evals.results.judges import (
    Calibration,
    CanaryStatus,
    Confusion,
    JudgeAgreement,
    SegmentAgreement,
)
from coalmine_evals.results.models import RerunCell
from coalmine_evals.results.production import ProductionReport, ProductionScoring
from coalmine_evals.results.runs import Answer, EvalRun, MetricSummary, Side
from tests.support.data.drift_answers import HOSTILE, json_of

NOW = datetime.now(UTC).replace(microsecond=0)
DIGEST = "c" * 64

CORRECT = GateRow(
    metric="correct", capability=None, outcome="fail", decides=True,
    reason="the candidate is worse by more than the margin", margin=0.02, cases=500, clusters=480, better=11,
    worse=44, baseline=0.942, candidate=0.876, difference=-0.066, lower=-0.088, upper=-0.044, method="tango",
    p_harm=0.0002, p_differs=0.0001, spread=0.31, flicker=None, smallest_drop=0.021, cases_needed=520,
    unscored_baseline=0.0, unscored_candidate=0.004,
)  # fmt: skip
POLITE = replace(
    CORRECT, metric="polite", outcome="pass", reason="not worse by more than the margin", better=20, worse=18,
    baseline=0.91, candidate=0.914, difference=0.004, lower=-0.011, upper=0.019, method="t", p_harm=1.0,
)  # fmt: skip
GERMAN = replace(
    CORRECT, capability="german", outcome="undecided", decides=False, reason="too few cases", cases=22,
    clusters=22, better=1, worse=2, difference=-0.045, lower=-0.14, upper=0.05, p_harm=0.4,
)  # fmt: skip
REPORT = GateReport(
    outcome="fail",
    sentence="Worse: correct fell by 0.066 (0.044 to 0.088), more than the margin of 0.02.",
    power=("correct: with these 500 cases the gate sees a drop of 0.021 with a power of 80 %.",),
    rows=(CORRECT, POLITE, GERMAN),
    must_pass_failures=(CaseDifference("refund-017", "correct", 1.0, 0.0, 0.0),),
    worst=(CaseDifference(HOSTILE, "correct", 1.0, 0.0, None),),
    flaky=(CaseDifference("refund-044", "correct", 0.5, 0.5, 0.58),),
    warnings=("The baseline's answers are 40 days old.",),
)


def side(version: str, correct: float) -> Side:
    """A version as it was run."""
    return Side(
        prompt="support-refund", version=version, digest="d" * 64, provider="openai", model="gpt-4o-mini",
        response_models=("gpt-4o-mini-2024-07-18",), answered_from=NOW - timedelta(days=2), answered_to=NOW,
        cost_nano_usd=412_000_000, latency_ms_p50=812.0, latency_ms_p95=2_040.0,
        metrics=(MetricSummary("correct", correct, 0.3, 0.0, 1.0, 500, 2),),
    )  # fmt: skip


RUN = EvalRun(
    id="ev-1", state="ended", suite="refunds", suite_digest="s" * 64, dataset="refunds",
    dataset_digest=DIGEST, split="test", cases=500, repeats=1, partial=False, candidate=side("1.1.0", 0.876),
    baseline=side("1.0.0", 0.942), gate=REPORT, evidence=None, spent_nano_usd=206_000_000,
    started_at=NOW - timedelta(hours=2), ended_at=NOW - timedelta(hours=1), started_by="ci",
)  # fmt: skip
PASSED = replace(
    RUN, id="ev-2", candidate=side("1.0.1", 0.95), evidence="e-1",
    gate=replace(
        REPORT, outcome="pass", sentence="Not worse on any metric.", rows=(POLITE,), worst=(), flaky=(),
        must_pass_failures=(),
    ),
)  # fmt: skip
RUNNING = replace(RUN, id="ev-3", state="running", gate=None, baseline=None, ended_at=None)
RUNS = [RUN, PASSED, RUNNING]
CASES = [
    Case("refund-017", {"question": f"Where is my money? {HOSTILE}"}, "ask for the order", ("refunds",), "a",
         "test", True, "request:r1"),
    Case("refund-044", {"question": "Wo ist mein Geld?"}, None, ("german",), "b", "test", False, None),
]  # fmt: skip
ANSWERS = [
    Answer("refund-017", "candidate", 0, f"I do not know. {HOSTILE}", None, {"correct": 0.0, "polite": None},
           {"correct": {"reason": "it does not ask for the order"}}),
    Answer("refund-017", "baseline", 0, "Which order is it?", None, {"correct": 1.0, "polite": 1.0}, {}),
]  # fmt: skip
AGREEMENT = JudgeAgreement(400, 0.93, 0.61, 0.82, 0.76, 0.88)
JUDGES = [
    Calibration(
        scorer="judge-rubric@1.0.0/refunds/gpt-4o-mini", found=AGREEMENT, decides=True,
        reason="the lower end of kappa reaches 0.6", least_kappa=0.6,
        confusion=(Confusion("pass", "pass", 310), Confusion("fail", "pass", 18)),
        segments=(SegmentAgreement("language", "de", replace(AGREEMENT, labels=60)),), lenience=0.03,
        spread=0.1, length_correlation=0.2, human_length_correlation=0.1, position_consistency=None,
        unscored=2, labels_digest="l" * 64, cost_nano_usd=80_000_000, calibrated_at=NOW,
    ),
]  # fmt: skip
CANARIES = [
    CanaryStatus("judge-rubric@1.0.0/refunds/gpt-4o-mini", "moved", 50, 40, "2026-11-28", -0.08, -0.12, -0.04,
                 "2026-11-26", ("gpt-4o-mini-2026-11-20",), "It scores lower than it did."),
]  # fmt: skip
RERUNS = [
    RerunCell(
        id=1, batch="b1", cause="asked", prompt="support-refund", version="1.0.0", digest="d" * 64,
        suite="refunds", model="claude-haiku-4-5", seen=None, state="done", outcome="pass",
        said="Not worse on any metric.", run="ev-2", cost_nano_usd_per_case=410_000,
        baseline_cost_nano_usd_per_case=820_000, latency_ms_p50=500.0, baseline_latency_ms_p50=812.0,
        asked_by="bob", asked_at=NOW, ended_at=NOW,
    ),
]  # fmt: skip
PRODUCTION = ProductionReport(
    texts_missing=None, budget_usd=5.0, spent_usd=1.25,
    scoring=(
        ProductionScoring("prod", "support-refund", "correct", "judge-rubric", 0.05, None, NOW, 3,
                          "the budget of the day is spent", down=False),
    ),
    quality=(),
)  # fmt: skip


def eval_handlers() -> dict[str, Any]:
    """What a server would answer to the page of evaluations."""
    return {
        "/v1/eval-runs": lambda _parameters: page(list[EvalRun], RUNS),
        **{f"/v1/eval-runs/{run.id}": (lambda _parameters, run=run: json_of(EvalRun, run)) for run in RUNS},
        "/v1/eval-runs/ev-1/compare": lambda _parameters: json_of(GateReport, PASSED.gate),
        "/v1/eval-runs/ev-1/answers": lambda parameters: page(
            list[Answer], [each for each in ANSWERS if each.case == parameters.get("case", each.case)]
        ),
        "/v1/eval-runs/ev-2/answers": lambda _parameters: page(list[Answer], []),
        "/v1/datasets/refunds/cases": lambda _parameters: page(list[Case], CASES),
        "/v1/judges/calibrations": lambda _parameters: json_of(list[Calibration], JUDGES),
        "/v1/judges/canaries": lambda _parameters: json_of(list[CanaryStatus], CANARIES),
        "/v1/eval-reruns": lambda _parameters: page(list[RerunCell], RERUNS),
        "/v1/production-scores": lambda _parameters: json_of(ProductionReport, PRODUCTION),
        "/v1/whoami": lambda _parameters: {"subject": "ann", "role": "admin", "environment": None},
    }


def page(kind: Any, items: list[Any]) -> dict[str, Any]:
    """A list of the API, all on one page."""
    return {"items": json_of(kind, items), "next_cursor": None}

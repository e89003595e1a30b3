"""Tables of judges: how far people agree with them, and whether they still measure what they measured."""

from collections.abc import Callable
from typing import Final

from coalmine_dashboards.formatting import UNKNOWN, count, difference, interval, milliseconds, money, percent
from coalmine_dashboards.parts.links import anchor
from coalmine_dashboards.parts.tables import Column, Html, Tone, When, dot
from coalmine_dashboards.views.evaluations import TONES
from coalmine_evals.results.judges import Calibration, CanaryStatus, Confusion, SegmentAgreement
from coalmine_evals.results.models import RerunCell
from coalmine_evals.results.production import ProductionScoring

_CANARIES: Final[dict[str, Tone]] = {"steady": "good", "moved": "bad", "learning": "notice"}
_CAUSES: Final = {
    "registered": "a version was registered",
    "model_seen": "a new model answered",
    "scheduled": "its time had come",
    "deprecated": "a model ends soon",
    "asked": "somebody asked",
}
_NANO: Final = 1e-9


def calibration_columns(local: When) -> list[Column[Calibration]]:
    """Columns of the table of judges beside people."""
    return [
        Column("Judge", lambda row: row.scorer, text=True),
        Column(
            "Decides",
            lambda row: dot(
                "good" if row.decides else "notice", "may decide" if row.decides else "shown only"
            ),
            text=True,
        ),
        Column(
            "Kappa",
            lambda row: UNKNOWN if row.found.kappa is None else f"{row.found.kappa:.2f}",
            "Cohen's, linearly weighted: agreement beyond chance.",
        ),
        Column(
            "95 % interval",
            lambda row: _between(row.found.lower, row.found.upper),
        ),
        Column("Needed", lambda row: f"{row.least_kappa:.2f}", "What the lower end has to reach."),
        Column("Agreement", lambda row: percent(row.found.agreement)),
        Column("Labels", lambda row: count(row.found.labels), "Answers that people labelled."),
        Column(
            "Lenience",
            lambda row: difference(row.lenience, ""),
            "Judge minus people, scale 0 to 1.",
            vital=False,
        ),
        Column("Why", lambda row: row.reason, text=True, wraps=True, vital=False),
        Column("Compared", lambda row: local(row.calibrated_at), text=True),
    ]


CONFUSION_COLUMNS: Final[list[Column[Confusion]]] = [
    Column("People said", lambda row: row.human, text=True),
    Column("The judge said", lambda row: row.judge, text=True),
    Column("Answers", lambda row: count(row.count)),
]
SEGMENT_COLUMNS: Final[list[Column[SegmentAgreement]]] = [
    Column("Segment", lambda row: f"{row.key}={row.value}", text=True),
    Column("Agreement", lambda row: percent(row.found.agreement)),
    Column("95 % interval of kappa", lambda row: _between(row.found.lower, row.found.upper)),
    Column("Labels", lambda row: count(row.found.labels)),
]


def canary_columns() -> list[Column[CanaryStatus]]:
    """Columns of the table of fixed answers, scored every day."""
    return [
        Column("Judge", lambda row: row.scorer, text=True),
        Column("State", lambda row: dot(_CANARIES[row.state], row.state), text=True),
        Column("Shift", lambda row: difference(row.shift, ""), "Last day minus the first ones."),
        Column("Interval", lambda row: interval(row.lower, row.upper, ""), "Holds however often one looks."),
        Column("Answers", lambda row: count(row.cases), vital=False),
        Column("Days", lambda row: count(row.days), vital=False),
        Column("Moved since", lambda row: row.moved_since or UNKNOWN, "Day, UTC.", text=True),
        Column("Models", lambda row: ", ".join(row.response_models) or UNKNOWN, text=True, vital=False),
        Column("What it means", lambda row: row.sentence, text=True, wraps=True),
    ]


def rerun_columns(local: When) -> list[Column[RerunCell]]:
    """Columns of the table of runs that the server makes by itself or when asked."""
    return [
        Column("Version", _version, text=True),
        Column("Model", lambda row: row.model or row.seen or "its own", text=True),
        Column("Why", lambda row: _CAUSES[row.cause], text=True),
        Column("State", _state, text=True),
        Column("What the gate says", lambda row: row.said or "", text=True, wraps=True),
        Column(
            "Cost per case",
            lambda row: _beside(row.cost_nano_usd_per_case, row.baseline_cost_nano_usd_per_case, _nano),
            "US dollars; in parentheses what it is compared with.",
        ),
        Column(
            "Latency, median",
            lambda row: _beside(row.latency_ms_p50, row.baseline_latency_ms_p50, milliseconds),
            "In parentheses what it is compared with.",
            vital=False,
        ),
        Column("Asked", lambda row: local(row.asked_at), text=True, vital=False),
        Column("By", lambda row: row.asked_by, text=True, vital=False),
    ]


def scoring_columns(local: When) -> list[Column[ProductionScoring]]:
    """Columns of the table of scoring in production."""
    return [
        Column("Prompt", lambda row: row.prompt, text=True),
        Column("Environment", lambda row: row.environment, text=True),
        Column("Metric", lambda row: row.metric, text=True),
        Column("Scorer", lambda row: row.scorer, text=True, vital=False),
        Column("State", lambda row: dot("bad", "down") if row.down else dot("good", "scores"), text=True),
        Column("Requests scored", lambda row: percent(row.rate), "Share of the last ones."),
        Column("Missed", lambda row: count(row.missed), "Since the latest score."),
        Column("Latest score", lambda row: local(row.scored_at), text=True),
        Column("Why not", lambda row: row.cause or "", text=True, wraps=True, vital=False),
    ]


def _version(row: RerunCell) -> str | Html:
    name = f"{row.prompt} {row.version}"
    return name if row.run is None else Html(anchor(name, "evaluations", run=row.run))


def _state(row: RerunCell) -> str | Html:
    if row.outcome is not None:
        return dot(TONES[row.outcome], row.outcome)
    return dot("bad", "failed") if row.state == "failed" else row.state


def _beside(value: float | None, other: float | None, words: Callable[[float | None], str]) -> str:
    return words(value) if other is None else f"{words(value)} ({words(other)})"


def _nano(nano_usd: float | None) -> str:
    return UNKNOWN if nano_usd is None else money(nano_usd * _NANO)


def _between(lower: float | None, upper: float | None) -> str:
    return UNKNOWN if lower is None or upper is None else f"{lower:.2f} to {upper:.2f}"

"""The result of the grid, as a list for machines and as a document for people."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from textwrap import fill
from typing import Any

from coalmine_analytics.calibration.trial import Row


@dataclass(frozen=True, slots=True)
class Calibration:
    """One run of the grid."""

    rows: Sequence[Row]
    full: bool
    seed: int
    finished_at: datetime
    """UTC."""

    @property
    def failures(self) -> list[Row]:
        """Rows that must not occur: our methods beyond their limits, and controls within theirs."""
        return [row for row in self.rows if not row.as_it_must]


def as_list(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """`cell`, `method`, `rate`, `replications`, `limit`, `passes` of each row that is judged.

    A negative control's limit is what it must reach, and it passes where it does not.
    """
    return [
        {
            "cell": row.cell,
            "method": row.method,
            "rate": round(row.rate, 6),
            "replications": row.replications,
            "limit": row.limit,
            "passes": row.passes,
        }
        for row in rows
        if row.role != "beyond"
    ]


def in_words(row: Row) -> str:
    """The outcome of a row."""
    match row.role, row.as_it_must:
        case "ours", True:
            return "holds"
        case "ours", False:
            return "FAILS"
        case "control", True:
            return "fails, as it must"
        case "control", False:
            return "PASSES, and must not"
        case _:
            return "holds" if row.passes else "does not hold"


def limit_of(row: Row) -> str:
    """The limit as text."""
    if row.role == "control":
        return f">= {row.limit:g}"
    return f"{row.at_least:g} to {row.limit:g}" if row.at_least else f"<= {row.limit:g}"


def rate_of(row: Row) -> str:
    """The figure as text."""
    return f"{row.rate:.4f}" if row.rate < 10 else f"{row.rate:.0f}"


WIDTH = 110
"""Characters of a line of text."""

_READING = (
    "`rate` is the share of simulated experiments in which a method rejected a true hypothesis at any look "
    "(or, for an interval, missed the true effect at any look), unless the method's name says otherwise. A "
    "negative control is a common shortcut on the same data: it must be seen to fail, or the grid proves "
    "nothing. Fixed n is the number of requests of a two-sided test at 5 % with a power of 80 %; decisions "
    "ask on one side, and so does what is held against it."
)
_BEYOND = (
    "A small canary whose values are far more spread and skewed than the control's: what it has not met yet, "
    "no method can know, and it looks better than it is. Most two-sided tests still hold; one-sided ones err "
    "more often than stated, on that side. Capping values at a quantile from before the experiment, as cost "
    "and latency are, is what keeps this small."
)


def as_markdown(calibration: Calibration) -> str:
    """The document."""
    judged = [row for row in calibration.rows if row.role != "beyond"]
    beyond = [row for row in calibration.rows if row.role == "beyond"]
    ours = [row for row in judged if row.role == "ours"]
    form = "full" if calibration.full else "reduced"
    failed = len(calibration.failures)
    verdict = "everything is as it must be" if not failed else f"{failed} rows are not as they must be"
    command = f"coalmine calibrate{' --full' if calibration.full else ''} --report FILE"
    lines = [
        "# Calibration of the sequential statistics",
        "",
        fill(
            f"The {form} grid, seed {calibration.seed}, {calibration.finished_at:%Y-%m-%d}, "
            f"numpy {version('numpy')}, scipy {version('scipy')}: {verdict} "
            f"({len(ours)} figures of ours, {len(judged) - len(ours)} negative controls). "
            f"Made by `{command}`.",
            WIDTH,
        ),
        "",
        fill(_READING, WIDTH),
        "",
        *_table(judged),
    ]
    if beyond:
        lines += [
            "",
            "## Beyond what is promised",
            "",
            fill(_BEYOND, WIDTH),
            "",
            *_table(beyond),
        ]
    return "\n".join(lines) + "\n"


def _table(rows: Iterable[Row]) -> list[str]:
    return [
        "| cell | method | rate | replications | limit | |",
        "|---|---|---:|---:|---|---|",
        *(
            f"| {row.cell} | {row.method} | {rate_of(row)} | {row.replications:,} | {limit_of(row)} | "
            f"{in_words(row)} |"
            for row in rows
        ),
    ]

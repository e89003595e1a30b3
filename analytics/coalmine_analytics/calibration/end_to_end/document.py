"""The result of whole rollouts, as a list for machines and as a document for people."""

from collections.abc import Iterable
from importlib.metadata import version
from textwrap import fill
from typing import Any

from coalmine_analytics.calibration import document
from coalmine_analytics.calibration.document import WIDTH, Calibration, in_words, limit_of, rate_of
from coalmine_analytics.calibration.end_to_end.trials import ENOUGH, LIMIT
from coalmine_analytics.calibration.trial import Row

_READING = (
    "Each replication is a service of 1 request a second, unless its name says otherwise, with a canary of "
    "10 % for two hours and of 50 % from then on. Its sums go through the readout that decides about a real "
    "one, with the default plan, for 24 hours with a look every 30 s. Looks that can change nothing are left "
    "out: while every running p-value is far from a decision, the next look is where the stage has grown by "
    "15 %, then by 5 %, near a decision by 1 %, and an hour later at the latest. Accepted means that the "
    "readout says promote; no controller stands between. A negative control is a behaviour that was "
    "replaced, on the same data: it must be seen to fail."
)
_WHOLE = (
    "In a whole rollout the readout goes to the decision that the controller makes, by a plan as shipped, "
    "with its stages, clock, gates, holds, limits, bake, budget of alpha and two declared segments; requests "
    "follow the weights that it sets. Ticks are a minute apart at first, then a tenth of what the stage has "
    "lasted, half an hour at most. Its negative control is a controller that takes a version back once a "
    "plain test of any acting metric says p < .05, at any tick."
)
_BOUND = (
    "`at most` is the upper end of the one-sided 95 % interval (Clopper-Pearson) of a rate of errors. With "
    f"fewer than {ENOUGH} replications a limit leaves room for the bad luck of one grid in a hundred."
)


def as_list(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """As the grid's list, with the upper bound of rates of errors."""
    rows = list(rows)
    return [
        {**each, "upper_bound": None if row.upper_bound is None else round(row.upper_bound, 6)}
        for each, row in zip(document.as_list(rows), rows, strict=True)
    ]


def as_markdown(calibration: Calibration) -> str:
    """The document."""
    rows, failed = calibration.rows, len(calibration.failures)
    verdict = "everything is as it must be" if not failed else f"{failed} rows are not as they must be"
    form = "full" if calibration.full else "reduced"
    counts = [row.replications for row in rows]
    count = min(counts, default=0)
    more = " or more" if count < max(counts, default=0) else ""
    lines = [
        "# Calibration of decisions, end to end",
        "",
        fill(
            f"The {form} grid, {count:,} replications{more}, seed {calibration.seed}, "
            f"{calibration.finished_at:%Y-%m-%d}, numpy {version('numpy')}, scipy {version('scipy')}: "
            f"{verdict}. Made by `coalmine calibrate --end-to-end{' --full' if calibration.full else ''} "
            f"--replications {count} --report FILE`.{_too_few(count)}",
            WIDTH,
        ),
        "",
        fill(_READING, WIDTH),
        "",
        fill(_WHOLE, WIDTH),
        "",
        fill(_BOUND, WIDTH),
        "",
        "| cell | figure | rate | at most | replications | limit | |",
        "|---|---|---:|---:|---:|---|---|",
        *(
            f"| {row.cell} | {row.method} | {rate_of(row)} | "
            f"{'' if row.upper_bound is None else f'{row.upper_bound:.4f}'} | {row.replications:,} | "
            f"{limit_of(row)} | {in_words(row)} |"
            for row in rows
        ),
    ]
    return "\n".join(lines) + "\n"


def _too_few(count: int) -> str:
    """What so few replications cannot show."""
    if count >= ENOUGH:
        return ""
    bound = 1.0 - 0.05 ** (1.0 / max(count, 1))
    return (
        f" These are too few to show that errors are rarer than {LIMIT:g}: a cell without one may still err "
        f"in {bound:.2f} of rollouts. They show that the harness works, and the size of times and requests."
    )

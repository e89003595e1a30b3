"""`coalmine stats-check`: hold our statistics against experiments of your own."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import typer

from coalmine_server.cli.output import AsJson, note, write_facts, write_json
from coalmine_server.errors import ConfigurationError


def stats_check(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV file of cumulative statistics, one row per look: experiment_id, variant_id, metric_id, "
            "time_since_start, count_c, count_t, mean_c, mean_t, variance_c, variance_t; c is control."
        ),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            help="CSV file to write: the same rows in order, plus estimate, lower, upper, p, verdict.",
            show_default=False,
        ),
    ] = None,
    alpha: Annotated[
        float, typer.Option(help="Chance of ever erring in one series, between 0 and 1.")
    ] = 0.05,
    mde: Annotated[
        str,
        typer.Option(
            help="Effect to be sharpest at, in the metric's own unit; auto is 0.2 pooled standard deviations "
            "at the first row of a series."
        ),
    ] = "auto",
    as_json: AsJson = False,
) -> None:
    """Run our sequential test over cumulative statistics of experiments, from any source.

    A series is one metric of one variant of one experiment, ordered by time_since_start. `p` is the running
    p-value of the series: reject when it first reaches alpha, whenever that is. `lower` and `upper` are the
    confidence sequence at that row, which holds for all rows of a series together. Before 30 units in each
    arm p is empty and the interval infinite.
    """
    from coalmine_analytics.stats_check import check
    from coalmine_analytics.stats_file import read_statistics, write_checked

    if not 0 < alpha < 1:
        raise ConfigurationError(
            f"--alpha is {alpha}", "give a chance of error between 0 and 1, such as 0.05"
        )
    width = _mde(mde)
    if out is not None and out.exists() and file.exists() and out.samefile(file):
        raise ConfigurationError(
            f"--out {out} is the file to be read", "name another file: yours is left as it is"
        )
    read = read_statistics(file)
    checked = check(read.looks, alpha=alpha, mde=width)
    if out is not None:
        write_checked(out, read, checked)
    looks = read.looks
    order = looks.time.argsort(kind="stable").tolist()
    latest = {looks.series[at]: at for at in order}  # the last look of each series wins
    verdicts = Counter(checked.verdict[at] for at in latest.values())
    if as_json:
        write_json(
            {
                "file": str(file),
                "out": None if out is None else str(out),
                "rows": len(read.rows),
                "series": checked.series_count,
                "alpha": alpha,
                "mde": width,
                "verdicts": dict(sorted(verdicts.items())),
                "columns_copied": read.other_columns,
            }
        )
        return
    write_facts({"rows": len(read.rows), "series": checked.series_count, **dict(sorted(verdicts.items()))})
    if read.other_columns:
        note(f"copied unchanged: {', '.join(read.other_columns)}")
    if out is None:
        note("nothing was written; name a file with --out to get the answer for every row")


def _mde(text: str) -> float | Literal["auto"]:
    if text == "auto":
        return "auto"
    try:
        width = float(text)
    except ValueError:
        width = 0.0
    if not 0 < width < float("inf"):
        raise ConfigurationError(f"--mde is {text}", "give a positive number, or auto")
    return width

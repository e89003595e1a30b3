"""`coalmine calibrate` proves the statistics by simulation; `coalmine stats-check` runs them on your data."""

import json
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from coalmine_server.cli.named_file import named_path, write_named
from coalmine_server.cli.output import AsJson, note, progress_bar, write_facts, write_json, write_table
from coalmine_server.errors import ConfigurationError

if TYPE_CHECKING:  # numpy, which other commands do not need
    from coalmine_analytics.calibration import Trial


def calibrate(
    *,
    full: Annotated[
        bool,
        typer.Option(
            "--full", help="Every cell, 4,000 replications of 500 looks: half an hour on two cores."
        ),
    ] = False,
    whole: Annotated[
        bool,
        typer.Option(
            "--end-to-end",
            help="Instead of the grid, simulated services through the readouts that decide, and whole "
            "rollouts under their controller: a minute; with --full 200 replications of each, which takes "
            "hours.",
        ),
    ] = False,
    replications: Annotated[
        int | None,
        typer.Option(min=1, help="Of each cell, instead of those of the form.", show_default=False),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            help="File to write the rows to: cell, method, rate, replications, limit, passes.",
            show_default=False,
            parser=named_path,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="File to write the result to as a Markdown document.", show_default=False, parser=named_path
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(help="Only cells with this text in their name.", show_default=False),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Of all random numbers; that of the committed document if not given."),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="How many to use; one for each core if not given.")
    ] = None,
) -> None:
    """Simulate experiments in which nothing differs, and count how often our tests say that something does.

    Rare, skewed, clustered and unequally split data, ramps, intervals and sample ratios, at every look.
    Beside our methods run common shortcuts, which must be seen to fail on the same data. Exit code 1 if one
    of ours breaks its limit, or a shortcut does not.
    """
    from coalmine_analytics import calibration
    from coalmine_analytics.calibration import SEED, Calibration, end_to_end
    from coalmine_analytics.calibration.document import in_words, limit_of, rate_of

    for option, file in (("--json", json_file), ("--report", report)):
        if file is not None and not file.parent.is_dir():  # better known now than in twenty minutes
            raise ConfigurationError(f"{option} {file} is in a folder that does not exist", "make it first")
    if whole:
        cells = [*end_to_end.scenarios(full=full), *_whole_rollouts(full=full)]
        usual, block_size = end_to_end.REPLICATIONS[full], 1
        as_list, as_markdown = end_to_end.as_list, end_to_end.as_markdown
    else:
        cells, usual = calibration.grid(full=full), calibration.size_of(full=full).replications
        as_list, as_markdown, block_size = calibration.as_list, calibration.as_markdown, calibration.BLOCK
    trials = [trial for trial in cells if only is None or only in trial.cell]
    if not trials:
        raise ConfigurationError(
            f"--only {only}: no cell has that in its name", "run without it, and see the first column"
        )
    used = SEED if seed is None else seed
    with progress_bar("calibrating", quiet=False, unit="blocks") as advance:
        rows = calibration.run(
            trials,
            replications or usual,
            seed=used,
            processes=processes or os.cpu_count() or 1,
            block_size=block_size,
            on_done=advance,
        )
    result = Calibration(rows, full, used, datetime.now(UTC))
    if json_file is not None:
        write_named(json_file, json.dumps(as_list(rows), indent=1) + "\n")
    if report is not None:
        write_named(report, as_markdown(result))
    write_table(
        ("cell", "method", "rate", "replications", "limit", ""),
        [
            (row.cell, row.method, rate_of(row), row.replications, limit_of(row), in_words(row))
            for row in rows
        ],
        empty="",
    )
    ours = sum(row.role == "ours" for row in rows)
    controls = sum(row.role == "control" for row in rows)
    if result.failures:
        for row in result.failures:
            note(f"{row.cell}: {row.method}: {rate_of(row)}, limit {limit_of(row)}: {in_words(row)}")
        note(f"{len(result.failures)} of {ours + controls} rows are not as they must be")
        raise typer.Exit(1)
    note(f"all {ours} figures of ours hold, and all {controls} shortcuts fail, as they must (seed {used})")


def _whole_rollouts(*, full: bool) -> "list[Trial]":
    from coalmine_analytics.readout import Plan
    from coalmine_rollouts.calibration import whole_rollouts
    from coalmine_server.services.plan_metrics import plan_with

    return whole_rollouts(lambda plan: plan_with(plan.experiment_plan(), Plan()), full=full)


def stats_check(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV file of cumulative statistics, one row per look: experiment_id, variant_id, metric_id, "
            "time_since_start, count_c, count_t, mean_c, mean_t, variance_c, variance_t; c is control.",
            parser=named_path,
        ),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            help="CSV file to write: the same rows in order, plus estimate, lower, upper, p, verdict.",
            show_default=False,
            parser=named_path,
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
    arm p is empty and the interval infinite. A row with an empty cell has not enough data: it is counted,
    and says nothing.
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
    complete = looks.complete
    # The last look of each series wins, of those that say something.
    order = sorted(range(len(read.rows)), key=lambda at: (complete[at], looks.time[at]))
    latest = {looks.series[at]: at for at in order}
    verdicts = Counter(checked.verdict[at] for at in latest.values())
    incomplete = int((~complete).sum())
    if incomplete:
        note(
            f"{incomplete:,} of {len(read.rows):,} rows have an empty cell: they count as not enough data "
            f"(the first is line {read.lines[int(complete.argmin())]})"
        )
    if as_json:
        write_json(
            {
                "file": str(file),
                "out": None if out is None else str(out),
                "rows": len(read.rows),
                "incomplete_rows": incomplete,
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

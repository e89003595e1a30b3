"""`coalmine calibrate`: prove by simulation that the statistics hold."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from coalmine_server.cli.output import note, write_table
from coalmine_server.cli.progress import progress_bar
from coalmine_server.errors import ConfigurationError


def calibrate(
    *,
    full: Annotated[
        bool,
        typer.Option(
            "--full", help="Every cell, 4,000 replications of 500 looks: about 20 minutes on two cores."
        ),
    ] = False,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            help="File to write the rows to: cell, method, rate, replications, limit, passes.",
            show_default=False,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="File to write the result to as a Markdown document.", show_default=False),
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
    from coalmine_analytics.calibration import SEED, Calibration, as_list, as_markdown, grid, run, size_of
    from coalmine_analytics.calibration.document import in_words, limit_of, rate_of

    for option, file in (("--json", json_file), ("--report", report)):
        if file is not None and not file.parent.is_dir():  # better known now than in twenty minutes
            raise ConfigurationError(f"{option} {file} is in a folder that does not exist", "make it first")
    trials = [trial for trial in grid(full=full) if only is None or only in trial.cell]
    if not trials:
        raise ConfigurationError(
            f"--only {only}: no cell has that in its name", "run without it, and see the first column"
        )
    used = SEED if seed is None else seed
    with progress_bar("calibrating", quiet=False, unit="blocks") as advance:
        rows = run(
            trials,
            size_of(full=full).replications,
            seed=used,
            processes=processes or os.cpu_count() or 1,
            on_done=advance,
        )
    result = Calibration(rows, full, used, datetime.now(UTC))
    if json_file is not None:
        json_file.write_text(json.dumps(as_list(rows), indent=1) + "\n", encoding="utf-8")
    if report is not None:
        report.write_text(as_markdown(result), encoding="utf-8")
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

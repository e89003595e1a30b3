"""The answer of the gate: on a screen, in files for CI, and as an exit code."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from coalmine_server.cli.named_file import named_path, write_named
from coalmine_server.cli.output import note, write_table

if TYPE_CHECKING:
    from coalmine_evals.reports import CaseTexts
    from coalmine_evals.results.gate import CaseDifference, GateReport, GateRow

Undecided = Annotated[
    Literal["pass", "fail"] | None,
    typer.Option(
        help="What an undecided gate counts as; it has exit code 3 if not given.", show_default=False
    ),
]
ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Markdown to write, for a comment that is updated in place.",
        show_default=False,
        parser=named_path,
    ),
]
JunitFile = Annotated[
    Path | None,
    typer.Option(
        "--junit", metavar="FILE", help="JUnit XML to write.", show_default=False, parser=named_path
    ),
]
EXIT_CODES = """Exit codes: 0 pass; 1 harm shown; 3 undecided; 4 an invalid run: too much has no score; 2 an
option, a name or a file is wrong."""


def write_report(report: "GateReport") -> None:
    """Writes the answer for people: it first, then why, then what to look at."""
    typer.echo(report.sentence)
    if report.must_pass_failures:
        typer.echo("\ncases that must pass and did not")
        _write_cases(report.must_pass_failures)
    typer.echo()
    columns = ("metric", "of", "outcome", "baseline", "candidate", "difference", "90 % from", "to", "cases")
    write_table(columns, [_row(row) for row in report.rows], empty="no metric")
    for row in report.rows:
        if row.outcome != "pass":
            typer.echo(f"{row.metric} of {row.capability or 'all cases'}: {row.reason}")
    typer.echo()
    for line in report.power:
        typer.echo(line)
    if report.worst:
        typer.echo("\nbecame worst")
        _write_cases(report.worst[:5])
    if report.flaky:
        typer.echo("\ndiffer most between repeats")
        _write_cases(report.flaky)
    for warning in report.warnings:
        note(f"note: {warning}")


def _row(row: "GateRow") -> tuple[object, ...]:
    return (
        row.metric,
        row.capability or "all cases",
        row.outcome if row.decides else f"({row.outcome})",
        row.baseline,
        row.candidate,
        row.difference,
        row.lower,
        row.upper,
        row.cases,
    )


def _write_cases(cases: "tuple[CaseDifference, ...]") -> None:
    columns = ("case", "metric", "baseline", "candidate", "flicker")
    rows = [(each.case, each.metric, each.baseline, each.candidate, each.flicker) for each in cases]
    write_table(columns, rows, empty="none")


def write_files(
    report: "GateReport",
    *,
    name: str,
    sides: tuple[str, str],
    texts: "Mapping[str, CaseTexts]",
    undecided: Literal["pass", "fail"] | None,
    report_file: Path | None,
    junit_file: Path | None,
) -> None:
    """Writes the files that were asked for.

    Args:
        report: The answer of the gate.
        name: Of what was compared.
        sides: Names of candidate and baseline.
        texts: Answers by case.
        undecided: What an undecided gate counts as.
        report_file: For Markdown.
        junit_file: For JUnit XML.
    """
    from coalmine_evals.reports import junit, markdown

    if report_file is not None:
        candidate, baseline = sides
        text = markdown(report, name=name, candidate=candidate, baseline=baseline, texts=texts)
        write_named(report_file, text)
    if junit_file is not None:
        write_named(junit_file, junit(report, name=name, undecided=undecided))

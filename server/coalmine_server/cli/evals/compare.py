"""`coalmine evals compare`: the gate over answers that were recorded, without a key, a server or a model."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coalmine_server.cli.evals.report import (
    JunitFile,
    ReportFile,
    Undecided,
    write_files,
    write_report,
)
from coalmine_server.cli.named_file import named_path
from coalmine_server.cli.output import AsJson, note, write_json

if TYPE_CHECKING:
    from coalmine_evals.gate.recorded import Recorded
    from coalmine_evals.results.datasets import Case
    from coalmine_evals.suites.suite import Suite, SuiteMetric


def compare(
    candidate: Annotated[
        Path,
        typer.Argument(
            metavar="CANDIDATE",
            help='Answers of the candidate, JSON Lines or .gz: {"case": ..., "output": ...}; or one file '
            "that has both sides as columns.",
            parser=named_path,
        ),
    ],
    baseline: Annotated[
        Path | None,
        typer.Argument(
            metavar="BASELINE", help="Answers of the baseline; none if columns are named.", parser=named_path
        ),
    ] = None,
    *,
    candidate_column: Annotated[
        str | None,
        typer.Option(
            "--candidate",
            metavar="COLUMN",
            help="Column of the candidate's answers, e.g. new.text.",
            show_default=False,
        ),
    ] = None,
    baseline_column: Annotated[
        str | None,
        typer.Option(
            "--baseline", metavar="COLUMN", help="Column of the baseline's answers.", show_default=False
        ),
    ] = None,
    cases: Annotated[
        Path | None,
        typer.Option(
            help="File of cases, if the answers do not have them.", show_default=False, parser=named_path
        ),
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN",
            help="Where the fields of cases are, e.g. expected=ground_truth; the usual names are found.",
            show_default=False,
        ),
    ] = None,
    scorers: Annotated[
        list[str] | None,
        typer.Option(
            "--scorer",
            metavar="'NAME KEY=VALUE ...'",
            help="What to measure by, with its settings; also name, margin, role and right_from. Repeat it "
            "for more metrics.",
            show_default=False,
        ),
    ] = None,
    suite_file: Annotated[
        Path | None,
        typer.Option(
            "--suite", help="Suite to take metrics and cases from.", show_default=False, parser=named_path
        ),
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option(
            help="How much worse the candidate may be, e.g. 3%; 5% if not given.", show_default=False
        ),
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=2, help="Only so many cases, drawn at random.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the drawing.")] = 0,
    undecided: Undecided = None,
    report_file: ReportFile = None,
    junit_file: JunitFile = None,
    as_json: AsJson = False,
) -> None:
    """Judge a candidate beside a baseline on answers that were recorded.

    Paired: each case is compared with itself. Passes if the candidate is not worse by more than the margin,
    shows harm, or says that these cases cannot tell, and what they could have seen.
    """
    from coalmine_evals.gate import exit_code, judge
    from coalmine_evals.gate.recorded import score_recorded
    from coalmine_evals.scorers.registry import scorer_of
    from coalmine_evals.suites.cases import cases_beside
    from coalmine_evals.suites.read import read_suite

    suite = None if suite_file is None else read_suite(suite_file)
    metrics = _metrics(scorers or [], suite, margin)
    made = [(metric, scorer_of(metric.scorer, metric.settings)) for metric in metrics]
    known: Path | Sequence[Case] | None = cases
    if cases is None and suite is not None and suite_file is not None and suite.file is not None:
        known = cases_beside(suite, suite_file).chosen
    recorded = _read(candidate, baseline, (candidate_column, baseline_column), known, mapping or [])
    if sample is not None:
        if sample > len(recorded.cases):
            note(f"there are only {len(recorded.cases):,} cases: all of them are taken")
        recorded = recorded.sample(sample, seed)
    given = score_recorded(
        recorded,
        made,
        unscored_limit=0.02 if suite is None else suite.unscored_limit,
        capabilities=() if suite is None else suite.capabilities,
    )
    report = judge(given)
    sides = (candidate_column or candidate.name, baseline_column or (baseline or candidate).name)
    write_files(
        report,
        name=candidate.name if suite is None else suite.name,
        sides=sides,
        texts=recorded.texts(),
        undecided=undecided,
        report_file=report_file,
        junit_file=junit_file,
    )
    if as_json:
        code = exit_code(report.outcome, undecided)
        facts = {"candidate": sides[0], "baseline": sides[1], "cases": len(recorded.cases), "exit_code": code}
        write_json(facts | asdict(report), [asdict(row) for row in report.rows])
    else:
        write_report(report)
    raise typer.Exit(exit_code(report.outcome, undecided))


def _read(
    candidate: Path,
    baseline: Path | None,
    columns: tuple[str | None, str | None],
    cases: "Path | Sequence[Case] | None",
    mapping: list[str],
) -> "Recorded":
    from coalmine_evals.datasets.columns import read_mapping
    from coalmine_evals.datasets.jsonl import read_cases
    from coalmine_evals.gate.recorded import read_columns, read_sides

    fields = read_mapping(mapping)
    new, old = columns
    if baseline is None:
        if new is None or old is None:
            raise typer.BadParameter(
                "name a second file with the baseline's answers, or both columns of the one file: "
                "--candidate COLUMN --baseline COLUMN"
            )
        if cases is not None:
            raise typer.BadParameter(
                "--cases goes with a file for each side; in one file --map finds their fields"
            )
        return read_columns(candidate, new, old, fields)
    if new is not None or old is not None:
        raise typer.BadParameter("--candidate and --baseline name columns of one file; two files are given")
    known = read_cases(cases, mapping=fields or None) if isinstance(cases, Path) else cases
    return read_sides(candidate, baseline, known, fields or None)


def _metrics(scorers: list[str], suite: "Suite | None", margin: str | None) -> "tuple[SuiteMetric, ...]":
    if (suite is None) == (not scorers):
        raise typer.BadParameter("say what to measure by: --scorer NAME, or --suite FILE; not both")
    if suite is not None:
        if margin is not None:
            raise typer.BadParameter("--margin goes with --scorer; a suite has margins of its own")
        return suite.metrics
    from coalmine_evals.suites.read import suite_of

    given: dict[str, Any] = {}
    for text in scorers:
        name, value = scorer_text(text)
        if margin is not None:
            value.setdefault("margin", margin)
        if name in given:
            raise typer.BadParameter(
                f"--scorer {text}: there is a metric {name}; give this one a name: name=..."
            )
        given[name] = value
    return suite_of(
        "command", {"prompt": "command", "dataset": "command", "metrics": given}, "--scorer"
    ).metrics


def scorer_text(text: str) -> tuple[str, dict[str, Any]]:
    """Name and content of a metric from `numeric_answer margin=3% tolerance=0.01`."""
    import yaml

    try:
        scorer, *pairs = shlex.split(text)
    except ValueError as error:
        raise typer.BadParameter(f"--scorer {text}: {error}; write NAME KEY=VALUE ...") from None
    value: dict[str, Any] = {"scorer": scorer, "settings": {}}
    for pair in pairs:
        key, separator, item = pair.partition("=")
        if not separator:
            raise typer.BadParameter(f"--scorer {text}: {pair} has no =; write NAME KEY=VALUE ...")
        try:
            found = yaml.safe_load(item)
        except yaml.YAMLError:
            found = item
        target = value if key in ("name", "margin", "role", "right_from") else value["settings"]
        target[key] = found
    name = str(value.pop("name", scorer.replace(":", ".")))
    return name, value

"""`coalmine evals run`: a suite over a candidate, beside a baseline, with what it costs said before."""

import asyncio
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from coalmine_server.cli.evals.place import Here, evaluations
from coalmine_server.cli.evals.report import JunitFile, ReportFile, Undecided, write_files, write_report
from coalmine_server.cli.invocation import stop_on_signals
from coalmine_server.cli.output import AsJson, note, progress_bar, write_facts, write_json, write_table

if TYPE_CHECKING:
    from coalmine_evals.reports import CaseTexts
    from coalmine_evals.results.runs import EvalRun, Side
    from coalmine_evals.runs.cost import Estimate
    from coalmine_evals.runs.run import Ended
    from coalmine_evals.runs.session import Wanted

INVALID = 4
"""Exit code of a run that came to no answer."""
_WHAT = "NAME@VERSION, FILE.md of a prompt, or FILE.jsonl of recorded answers"

SuiteArgument = Annotated[
    str | None,
    typer.Argument(metavar="SUITE", help="File of a suite, or the name of one that was pushed."),
]
SplitOption = Annotated[
    Literal["test", "dev", "all"] | None,
    typer.Option(help="Cases to run, in place of the suite's.", show_default=False),
]
BudgetOption = Annotated[
    float | None,
    typer.Option(
        min=0, max=1_000_000, help="What it may cost: it stops before it costs more.", show_default=False
    ),
]

ConcurrencyOption = Annotated[
    int, typer.Option(min=1, max=1000, help="Requests under way at once, at most, to one model.")
]


def run(
    context: typer.Context,
    suite: SuiteArgument = None,
    *,
    candidate: Annotated[
        str | None, typer.Option(metavar="WHAT", help=f"{_WHAT}.", show_default=False)
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="WHAT", help="What to compare it with, named alike.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only so many cases, always the same ones.", show_default=False)
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(min=1, max=20, help="Answers per case, in place of the suite's.", show_default=False),
    ] = None,
    split: SplitOption = None,
    budget_usd: BudgetOption = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Ask again for what earlier runs have paid for.")
    ] = False,
    resume: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Go on with a run that was interrupted.", show_default=False),
    ] = None,
    concurrency: ConcurrencyOption = 32,
    undecided: Undecided = None,
    report_file: ReportFile = None,
    junit_file: JunitFile = None,
    as_json: AsJson = False,
) -> None:
    """Run a suite over a candidate, and compare it with a baseline.

    Says what it will cost, keeps every answer, and pays for none twice: an interrupted run goes on with
    --resume, and has exit code 4. Keys are read from OPENAI_API_KEY and ANTHROPIC_API_KEY; recorded answers
    need none.
    """
    arguments: dict[str, Any] = {
        "suite": _absolute(suite),
        "candidate": _absolute(candidate),
        "baseline": _absolute(baseline),
        "limit": limit,
        "repeats": repeats,
        "split": split,
        "fresh": fresh,
    }
    with evaluations(context, concurrency) as here:
        if resume is not None:
            arguments = _kept_arguments(here, resume, arguments)
        if not arguments["suite"] or not arguments["candidate"]:
            raise typer.BadParameter(f"name a suite, and a candidate: --candidate {_WHAT}")
        if not arguments["baseline"] and (report_file or junit_file):
            raise typer.BadParameter("--report and --junit say what the gate says: name a --baseline for it")
        from coalmine_evals.runs.session import Wanted

        wanted = Wanted(
            cases=here.suite(arguments["suite"]),
            **{
                name: arguments[name]
                for name in ("candidate", "baseline", "limit", "repeats", "split", "fresh")
            },
            budget_nano_usd=None if budget_usd is None else round(budget_usd * 1e9),
            resume=resume,
            started_by="local",
            arguments=arguments,
        )
        ended = carry_out(here, wanted, quiet=as_json)
        alone = None
        if ended.stopped is None and ended.run.gate is None:
            from coalmine_evals.runs.evidence import without_baseline

            alone = without_baseline(wanted.cases.suite, wanted.chosen(), here.store.kept(ended.run.id))
        if ended.run.gate is not None and (report_file is not None or junit_file is not None):
            write_files(
                ended.run.gate,
                name=ended.run.suite,
                sides=(title(ended.run.candidate), title(ended.run.baseline)),
                texts=texts_of(
                    (each.case, each.side, each.output.text) for each in here.store.kept(ended.run.id)
                ),
                undecided=undecided,
                report_file=report_file,
                junit_file=junit_file,
            )
    if as_json:
        write_json(asdict(ended.run))
    else:
        write_run(ended.run)
    if ended.stopped is not None:
        note(f"interrupted: {ended.stopped}")
        note(f"every answer so far is kept; go on with: coalmine evals run --resume {ended.run.id}")
        raise typer.Exit(INVALID)
    from coalmine_evals.gate import exit_code

    if ended.run.gate is not None:
        raise typer.Exit(exit_code(ended.run.gate.outcome, undecided))
    if alone is not None:
        outcome, said = alone
        note(f"without a baseline, {said}")
        raise typer.Exit(exit_code(outcome))


def carry_out(here: Here, wanted: "Wanted", *, quiet: bool) -> "Ended":
    """Carries a run out; Ctrl-C ends it after the answers that are under way."""
    from coalmine_evals.runs.session import evaluate
    from coalmine_evals.runs.stopping import stopped_by

    place = here.place

    def announce(run: "EvalRun", expected: "Estimate") -> None:
        if not quiet:
            note(f"{run.id}: {estimate_words(expected)}")

    async def work(signalled: threading.Event, advance: Any) -> "Ended":  # noqa: ANN401 - of a bar
        async with stopped_by(
            signalled, lambda: note("stopping once the answers under way are kept; again to stop at once")
        ) as stop:
            return await evaluate(wanted, place, announce=announce, progress=advance, stop=stop)

    with stop_on_signals() as signalled, progress_bar("asking", quiet=quiet, unit="answers") as advance:
        return asyncio.run(work(signalled, advance))


def estimate_words(expected: "Estimate") -> str:
    """What a run will cost, in words."""
    known = f" ({expected.known:,} are there already)" if expected.known else ""
    if expected.asked == expected.judged == 0:
        return f"nothing to pay for{known}"
    if expected.nano_usd is None:
        price = f"the price of {', '.join(expected.unpriced)} is not known"
    else:
        price = f"about ${expected.nano_usd / 1e9:.4f}"
    judges = f" and up to {expected.judged:,} questions to judges" if expected.judged else ""
    return f"{expected.asked:,} answers to ask for{known}{judges}, {price}"


def title(side: "Side | None") -> str:
    """What to call a side."""
    if side is None:
        return "nothing"
    if side.provider == "recorded":
        return f"{side.prompt or 'answers'}, recorded"
    return (
        f"{side.prompt or 'draft'}@{side.version}" if side.version else f"{side.prompt or 'draft'}, a draft"
    )


def write_run(run: "EvalRun") -> None:
    """A run, for people."""
    spent = None if run.spent_nano_usd is None else f"{run.spent_nano_usd / 1e9:.6f}"
    facts: dict[str, object] = {
        "run": run.id,
        "state": run.state,
        "suite": f"{run.suite}, {run.cases:,} cases, {run.repeats} answers to each",
        "candidate": title(run.candidate),
        "baseline": None if run.baseline is None else title(run.baseline),
        "USD": spent,
        "evidence": run.evidence,
    }
    write_facts({name: value for name, value in facts.items() if value is not None})
    typer.echo()
    rows = [
        (name, each.metric, each.mean, each.sd, each.minimum, each.maximum, each.count, each.unscored)
        for name, side in (("candidate", run.candidate), ("baseline", run.baseline))
        if side is not None
        for each in side.metrics
    ]
    columns = ("side", "metric", "mean", "sd", "min", "max", "scores", "unscored")
    write_table(columns, rows, empty="no metric")
    if run.gate is not None:
        typer.echo()
        write_report(run.gate)


def _absolute(text: str | None) -> str | None:
    """Files by their whole path, so that a run goes on from any folder."""
    if text is not None and text.endswith((".md", ".jsonl", ".json", ".gz", ".yaml", ".yml")):
        return str(Path(text).absolute())
    return text


def _kept_arguments(here: Here, resume: str, given: dict[str, Any]) -> dict[str, Any]:
    if any(given.values()):
        raise typer.BadParameter(
            "--resume goes on with what the run was begun with: give --budget-usd at most"
        )
    kept = here.store.plan(resume).get("arguments")
    if not isinstance(kept, dict) or "suite" not in kept:
        raise typer.BadParameter(f"run {resume} was not begun here: begin a new one")
    return dict(kept)


def texts_of(answers: Iterable[tuple[str, str, str | None]]) -> "Mapping[str, CaseTexts]":
    """The first answer of each side to each case.

    Args:
        answers: Case, side and text of each.
    """
    from coalmine_evals.reports import CaseTexts

    found: dict[str, dict[str, str | None]] = {}
    for case, side, text in answers:
        found.setdefault(case, {}).setdefault(side, text)
    return {case: CaseTexts(each.get("baseline"), each.get("candidate")) for case, each in found.items()}

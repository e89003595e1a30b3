"""`coalmine evals list`, `show` and `cases`: runs that were made, here or where the settings say."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Final

import typer

from coalmine_schemas.results import Item, Page
from coalmine_server.cli.evals.place import evaluations
from coalmine_server.cli.evals.report import JunitFile, ReportFile, Undecided, write_files
from coalmine_server.cli.evals.run import texts_of, title, write_run
from coalmine_server.cli.options import PAGE_ROWS, path_of
from coalmine_server.cli.output import AsJson, note, tabular, write_json, write_table

if TYPE_CHECKING:
    from coalmine_evals.results.runs import Answer, EvalRun
    from coalmine_evals.runs.store import RunStore
    from coalmine_server.client import Client

_PATH: Final = "/v1/eval-runs"
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the run, e.g. ev-...")]


@tabular
def list_runs(
    context: typer.Context,
    *,
    prompt: Annotated[str | None, typer.Option(help="Only runs of this prompt.", show_default=False)] = None,
    suite: Annotated[str | None, typer.Option(help="Only runs of this suite.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of runs.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first."""
    with _runs(context) as found:
        runs = found.runs(prompt, suite, limit)
    if as_json:
        write_json([asdict(each) for each in runs])
        return
    rows = [
        (
            each.id,
            each.state if each.gate is None else each.gate.outcome,
            each.suite,
            title(each.candidate),
            None if each.baseline is None else title(each.baseline),
            each.cases,
            None if each.spent_nano_usd is None else each.spent_nano_usd / 1e9,
            each.started_at,
        )
        for each in runs
    ]
    columns = ("run", "outcome", "suite", "candidate", "baseline", "cases", "USD", "started")
    write_table(columns, rows, empty="no runs yet: `coalmine evals run`")


def show(
    context: typer.Context,
    run: IdArgument,
    *,
    undecided: Undecided = None,
    report_file: ReportFile = None,
    junit_file: JunitFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one run and what the gate said."""
    with _runs(context, run) as found:
        shown = found.run(run)
        if shown.gate is not None and (report_file is not None or junit_file is not None):
            write_files(
                shown.gate,
                name=shown.suite,
                sides=(title(shown.candidate), title(shown.baseline)),
                texts=texts_of((each.case, each.side, each.text) for each in found.answers(run)),
                undecided=undecided,
                report_file=report_file,
                junit_file=junit_file,
            )
    if as_json:
        write_json(asdict(shown))
    else:
        write_run(shown)


@tabular
def cases(
    context: typer.Context,
    run: IdArgument,
    *,
    case: Annotated[
        str | None, typer.Option(help="Only this case, with its answers.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of rows.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the answers of a run: those of cases that became worse first."""
    with _runs(context, run) as found:
        answers = found.answers(run, case)
    if as_json:
        write_json([asdict(each) for each in answers])
    elif case is None:
        rows = sorted(_rows(answers), key=lambda row: (row[4] is None, row[4] or 0.0))
        columns = ("case", "metric", "baseline", "candidate", "difference", "error")
        write_table(columns, rows[:limit], empty="no answers yet")
        if len(rows) > limit:
            note(f"{len(rows) - limit:,} more rows: --limit {len(rows)}")
    elif not answers:
        note(f"no answers to {case}: `coalmine evals cases {run}` lists those there are")
        raise typer.Exit(2)
    else:
        for each in answers:
            write_answer(each)


def write_answer(answer: "Answer") -> None:
    """One answer with its scores, for people."""
    scores = ", ".join(
        f"{name} {'unscored' if value is None else f'{value:.3g}'}" for name, value in answer.scores.items()
    )
    typer.echo(f"{answer.side}, repeat {answer.repeat}: {scores or 'no score'}")
    for name, details in answer.details.items():
        typer.echo(f"  {name}: {details}")
    typer.echo(f"{answer.text if answer.error is None else answer.error}\n")


def _rows(
    answers: "list[Answer]",
) -> list[tuple[str, str, float | None, float | None, float | None, str | None]]:
    scores: dict[tuple[str, str], dict[str, list[float]]] = {}
    errors: dict[str, str] = {}
    for each in answers:
        if each.error is not None:
            errors.setdefault(each.case, f"{each.side}: {each.error}")
        for metric, value in each.scores.items():
            kept = scores.setdefault((each.case, metric), {"baseline": [], "candidate": []})
            if value is not None:
                kept[each.side].append(value)
    rows = []
    for (case, metric), by_side in scores.items():
        old, new = (_mean(by_side[side]) for side in ("baseline", "candidate"))
        difference = None if old is None or new is None else new - old
        rows.append((case, metric, old, new, difference, errors.get(case)))
    return rows


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


class _Runs:
    """Runs of this machine, or of a server."""

    def __init__(self, store: "RunStore", client: "Client | None") -> None:
        self._store, self._client = store, client

    def runs(self, prompt: str | None, suite: str | None, most: int) -> "list[EvalRun]":
        """Runs, the newest first."""
        from coalmine_evals.results.runs import EvalRun
        from coalmine_server.client import read_as

        if self._client is None:
            pages = _pages(
                lambda cursor: self._store.runs(limit=most, cursor=cursor, prompt=prompt, suite=suite)
            )
            return list(islice(pages, most))
        parameters = {"prompt": prompt, "suite": suite}
        return [read_as(EvalRun, each) for each in self._client.items(_PATH, parameters, most=most)]

    def run(self, run: str) -> "EvalRun":
        """One run."""
        from coalmine_evals.results.runs import EvalRun
        from coalmine_server.client import read_as

        if self._client is None:
            return self._store.run(run)
        return read_as(EvalRun, self._client.get(path_of("eval-runs", run)))

    def answers(self, run: str, case: str | None = None) -> "list[Answer]":
        """Answers of a run."""
        from coalmine_evals.results.runs import Answer
        from coalmine_server.client import read_as

        if self._client is None:
            return list(
                _pages(lambda cursor: self._store.answers(run, limit=PAGE_ROWS, cursor=cursor, case=case))
            )
        found = self._client.items(path_of("eval-runs", run, "answers"), {"case": case, "limit": PAGE_ROWS})
        return [read_as(Answer, each) for each in found]


@contextmanager
def _runs(context: typer.Context, run: str | None = None) -> Iterator[_Runs]:
    """Runs of the server that the settings name, else those of this machine.

    Args:
        context: Of the running command.
        run: The run that is asked for: one that was made here need not have been published.
    """
    from coalmine_registry.errors import NotFound
    from coalmine_server.client import open_registry_client

    with evaluations(context) as here:
        is_here = False
        if run is not None:
            with suppress(NotFound):
                is_here = here.store.run(run).id == run
        if is_here or here.settings.server.url is None:
            yield _Runs(here.store, None)
            return
        with open_registry_client(here.settings) as client:
            yield _Runs(here.store, client)


def _pages(read: "Callable[[str | None], Page[Item]]") -> "Iterator[Item]":
    cursor = None
    while True:
        page = read(cursor)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return

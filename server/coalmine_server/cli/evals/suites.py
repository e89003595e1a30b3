"""`coalmine suite`: what versions of a prompt have to pass."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coalmine_server.cli.evals.place import pushed_cases, pushed_suite
from coalmine_server.cli.named_file import named_path
from coalmine_server.cli.options import asking, path_of
from coalmine_server.cli.output import AsJson, note, tabular, write_facts, write_json, write_table

if TYPE_CHECKING:
    from coalmine_evals.results.datasets import Case
    from coalmine_evals.suites.suite import Suite

suite_app = typer.Typer(
    help="Say what good means for a prompt: cases, scorers and margins, as a file that is reviewed.",
    no_args_is_help=True,
)

SuiteFile = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="YAML of the suite, e.g. evals/refunds.yaml.", parser=named_path),
]


@suite_app.command()
def check(
    context: typer.Context,
    file: SuiteFile,
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Write the digest of its cases into the file.")] = False,
) -> None:
    """Check a suite, its scorers and its cases; every mistake is named. Exit code 2 if there is one."""
    from coalmine_evals.scorers.registry import scorer_of
    from coalmine_evals.suites.read import read_suite
    from coalmine_evals.suites.write import write_digest
    from coalmine_schemas.mistakes import Mistakes

    suite = read_suite(file)
    mistakes = Mistakes(f"{file.name}: ")
    for metric in suite.metrics:
        with mistakes.noted(f"metrics.{metric.name}: "):
            scorer_of(metric.scorer, metric.settings)
    mistakes.tell()
    if fix:
        suite = _with_digest(context, suite, file)
        assert suite.dataset_digest is not None
        if write_digest(file, suite.dataset_digest):
            note(f"{file}: dataset_digest is {suite.dataset_digest}")
    found, cases = _cases(context, suite, file)
    chosen = [each for each in cases if found.split in ("all", each.split)]
    note(
        f"{found.name}: {len(found.metrics)} metric{'s' if len(found.metrics) > 1 else ''} on {len(chosen)} "
        f"cases of {found.dataset}"
    )
    if suite.dataset_digest is None:
        note("dataset_digest is not said, so the cases may change: --fix writes it")
    from coalmine_evals.datasets.leakage import leakage_of

    for warning in leakage_of(cases, None).warnings:
        note(warning)


@suite_app.command("list")
@tabular
def list_(
    context: typer.Context,
    *,
    prompt: Annotated[
        str | None, typer.Option(help="Only suites of this prompt.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the suites that were pushed."""
    with asking(context, quiet=as_json) as client:
        items = client.items("/v1/suites", {"prompt": prompt})
    if as_json:
        write_json(items)
        return
    rows = [
        (
            each["suite"]["name"],
            each["suite"]["prompt"],
            each["suite"]["dataset"],
            ", ".join(metric["name"] for metric in each["suite"]["metrics"]),
            each["digest"][:12],
            each["pushed_at"],
            each["pushed_by"],
        )
        for each in items
    ]
    columns = ["suite", "prompt", "dataset", "metrics", "digest", "pushed at", "pushed by"]
    write_table(columns, rows, empty="no suites")


@suite_app.command()
def show(
    context: typer.Context,
    suite: Annotated[
        str, typer.Argument(metavar="SUITE", help="Its file, or the name of one that was pushed.")
    ],
    *,
    md: Annotated[
        bool, typer.Option("--md", help="As a page in Markdown: what good means for the prompt.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a suite."""
    from coalmine_evals.suites.markdown import markdown_of

    found, cases = _found(context, suite)
    if as_json:
        write_json({"name": found.name, "digest": found.digest(), **found.to_json()})
        return
    if md:
        typer.echo(markdown_of(found, cases), nl=False)
        return
    facts: dict[str, Any] = {
        "suite": found.name,
        "digest": found.digest(),
        "prompt": found.prompt,
        "dataset": found.dataset,
        "dataset digest": found.dataset_digest,
        "split": found.split,
        "repeats": found.repeats,
        "cases": None if cases is None else len(cases),
    }
    write_facts(facts)
    typer.echo()
    rows = [(each.name, each.scorer, each.margin, each.role, each.description) for each in found.metrics]
    write_table(["metric", "scorer", "margin", "role", "means"], rows, empty="no metrics")


@suite_app.command()
def push(context: typer.Context, file: SuiteFile, *, as_json: AsJson = False) -> None:
    """Push a suite to the server, with the cases beside it: it can run it then, and a policy ask for it."""
    from coalmine_evals.datasets.jsonl import lines_of
    from coalmine_evals.suites.cases import cases_beside
    from coalmine_evals.suites.read import read_suite

    suite = read_suite(file)
    cases: list[Case] = []
    if suite.file is not None:
        beside = cases_beside(suite, file)
        suite, cases = beside.suite, list(beside.every)
    with asking(context, quiet=as_json) as client:
        if cases:
            body = {"name": suite.dataset, "lines": "\n".join(lines_of(cases))}
            client.post("/v1/datasets", body, slow=True)
        found = client.put(path_of("suites", suite.name), {"suite": suite.to_json()})
    if as_json:
        write_json(found)
    else:
        typer.echo(f"{suite.name} {found['digest'][:12]} of {suite.prompt} is pushed")


def _found(context: typer.Context, name: str) -> tuple["Suite", "list[Case] | None"]:
    from coalmine_evals.suites.read import read_suite

    if name.endswith((".yaml", ".yml")):
        suite = read_suite(Path(name))
        return _cases(context, suite, Path(name))
    with asking(context, quiet=True) as client:
        suite = pushed_suite(client, name)
    return _kept(context, suite)


def _cases(context: typer.Context, suite: "Suite", file: Path) -> tuple["Suite", "list[Case]"]:
    from coalmine_evals.suites.cases import cases_beside

    if suite.file is None:
        return _kept(context, suite)
    found = cases_beside(suite, file)
    return found.suite, list(found.every)


def _kept(context: typer.Context, suite: "Suite") -> tuple["Suite", "list[Case]"]:
    with asking(context, quiet=True) as client:
        found = pushed_cases(client, suite)
    return found.suite, list(found.every)


def _with_digest(context: typer.Context, suite: "Suite", file: Path) -> "Suite":
    from dataclasses import replace

    return _cases(context, replace(suite, dataset_digest=None), file)[0]

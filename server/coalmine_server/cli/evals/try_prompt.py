"""`coalmine try`: a prompt on one case, for whoever writes it."""

import asyncio
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coalmine_server.cli.evals.place import Here, evaluations
from coalmine_server.cli.evals.run import BudgetOption
from coalmine_server.cli.output import AsJson, note, write_json, write_table

if TYPE_CHECKING:
    from coalmine_evals.results.datasets import Case
    from coalmine_evals.runs.session import Trial
    from coalmine_evals.suites.cases import SuiteCases

_SHOWN = 3
"""Cases that are tried if none is named."""


def try_prompt(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="FILE.md of a prompt, or NAME@VERSION.")],
    *,
    case: Annotated[
        list[str] | None,
        typer.Option(help=f"Case to try; repeat it for more. Default: {_SHOWN} of dev.", show_default=False),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(
            metavar="SUITE",
            help="File or name of a suite; default: that of this prompt in evals/.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model to ask in place of the prompt's.", show_default=False)
    ] = None,
    messages: Annotated[bool, typer.Option("--messages", help="Show what is asked, too.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask again for what was answered before.")] = False,
    budget_usd: BudgetOption = None,
    as_json: AsJson = False,
) -> None:
    """Try a prompt on single cases: what is asked, what is answered, and how it scores.

    For writing a prompt: nothing is recorded, and cases of dev come first, which never decide in the gate.
    """
    from coalmine_evals.runs.session import Wanted, try_cases

    with evaluations(context) as here:
        found = here.suite(suite) if suite is not None else _suite_of(here, prompt)
        if model is not None:
            found = replace(found, suite=replace(found.suite, model=model))
        chosen = _chosen(found, case or [])
        wanted = Wanted(
            cases=replace(found, every=chosen),
            candidate=prompt,
            split="all",
            fresh=fresh,
            budget_nano_usd=None if budget_usd is None else round(budget_usd * 1e9),
        )
        tried = asyncio.run(try_cases(wanted, here.place))
    if as_json:
        write_json([asdict(each) for each in tried])
        return
    for each, of in zip(tried, chosen, strict=True):
        _write(each, of, messages=messages)


def _suite_of(here: Here, prompt: str) -> "SuiteCases":
    """The suite of a prompt: beside it, in the working folder, or among those that were pushed."""
    from coalmine_evals.suites.read import read_suite
    from coalmine_evals.suites.storage import suites_of

    path = Path(prompt).absolute()
    name = path.parent.name if prompt.endswith(".md") else prompt.partition("@")[0]
    folders = [Path("evals"), *(parent / "evals" for parent in path.parents[:3] if prompt.endswith(".md"))]
    for folder in folders:
        for file in sorted(folder.glob("*.y*ml")):
            if read_suite(file).prompt == name:
                return here.suite(str(file))
    pushed = suites_of(here.database, name)
    if not pushed:
        raise typer.BadParameter(
            f"no suite of {name} in evals/, and none was pushed: name one with --suite FILE"
        )
    return here.suite(pushed[0].suite.name)


def _chosen(found: "SuiteCases", names: list[str]) -> "list[Case]":
    from coalmine_schemas.errors import nearest

    by_name = {each.id: each for each in found.every}
    for name in names:
        if name not in by_name:
            near = nearest(name, by_name)
            hint = f": did you mean {near}?" if near else ""
            raise typer.BadParameter(f"there is no case {name}{hint}")
    if names:
        return [by_name[name] for name in names]
    return sorted(found.every, key=lambda each: each.split != "dev")[:_SHOWN]


def _write(tried: "Trial", case: "Case", *, messages: bool) -> None:
    answer = tried.answer
    typer.echo(f"case {case.id}")
    if messages:
        for each in tried.request.messages:
            typer.echo(f"<|{each.role}|>\n{each.content}")
        typer.echo("<|answer|>")
    typer.echo(answer.output.text if answer.output.error is None else f"no answer: {answer.output.error}")
    rows = [
        (name, score.value, "; ".join(f"{key}: {value}" for key, value in score.details.items()))
        for name, score in answer.scores.items()
    ]
    typer.echo()
    write_table(("metric", "score", "why"), rows, empty="no metric")
    output = answer.output
    cost = "price not known" if output.cost_nano_usd is None else f"${output.cost_nano_usd / 1e9:.6f}"
    before = ", paid before" if output.cached else ""
    latency = "" if output.latency_ms is None else f", {output.latency_ms:.0f} ms"
    note(f"{output.response_model or 'model not said'}, {cost}{before}{latency}\n")

"""`coalmine dataset`: cases that versions are tried on."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from coalmine_server.cli.lazy_group import CommandModule, Later, lazy_group
from coalmine_server.cli.named_file import named_path, write_named
from coalmine_server.cli.options import EnvironmentOption, asking, path_of
from coalmine_server.cli.output import AsJson, note, tabular, write_facts, write_json, write_table

proposals = CommandModule("evals.proposals")

dataset_app = typer.Typer(
    cls=lazy_group(
        {
            "add-from-production": Later(
                proposals.add_from_production,
                "Propose requests with thumbs down, lowest ratings or corrections as cases, redacted.",
            ),
            "proposals": Later(proposals.proposals, "Show what production suggests for a dataset."),
            "confirm": Later(
                proposals.confirm,
                "Make a proposal a case, once you have read it: no name, no address, and a right answer.",
            ),
            "reject": Later(
                proposals.reject, "Drop a proposal with its texts; the request is not proposed again."
            ),
        }
    ),
    help="Import cases that versions are tried on, compare them, and take new ones from production.",
    no_args_is_help=True,
)

DatasetArgument = Annotated[str, typer.Argument(metavar="DATASET", help="Name of the dataset.")]
DigestOption = Annotated[
    str | None,
    typer.Option(
        metavar="DIGEST", help="Of what the name held once, or its first digits.", show_default=False
    ),
]


@dataset_app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="JSON Lines of cases, `.gz` or not.", parser=named_path)
    ],
    *,
    name: Annotated[
        str | None, typer.Option(help="Name of the dataset; that of the file if omitted.", show_default=False)
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN",
            help="Where another tool's file has the fields of cases, e.g. variables.question=input.question; "
            "or the tool: langfuse, langsmith, openai-evals. May be repeated.",
            show_default=False,
        ),
    ] = None,
    promptfoo: Annotated[
        bool,
        typer.Option("--promptfoo", help="FILE is promptfoo's YAML: also writes a suite from its asserts."),
    ] = False,
    prompt: Annotated[
        str | None, typer.Option(help="With --promptfoo: prompt of the suite.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the cases to this file, too, as lines of our own.",
            show_default=False,
            parser=named_path,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import cases; every mistake is named with its line.

    The name has these cases from now on. What it held before stays, by its digest.
    """
    from coalmine_evals.datasets.columns import read_mapping
    from coalmine_evals.datasets.jsonl import digest_of, lines_of, read_cases, text_of

    chosen = name or file.name.removesuffix(".gz").rsplit(".", 1)[0]
    if promptfoo:
        cases = _from_promptfoo(file, chosen, prompt, out, dry_run=dry_run)
    else:
        cases = read_cases(file, mapping=read_mapping(mapping) if mapping else None)
        if out is not None and not dry_run:
            write_named(out, text_of(cases))
    if dry_run:
        facts: dict[str, Any] = {"name": chosen, "cases": len(cases), "digest": digest_of(cases)}
    else:
        with asking(context, quiet=as_json) as client:
            body = {"name": chosen, "lines": "\n".join(lines_of(cases))}
            facts = client.post("/v1/datasets", body, slow=True)
    if as_json:
        write_json(facts)
    else:
        _write_dataset(facts)


@dataset_app.command("list")
@tabular
def list_(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List datasets."""
    with asking(context, quiet=as_json) as client:
        items = client.items("/v1/datasets")
    _write_datasets(items, as_json)


@dataset_app.command()
@tabular
def show(
    context: typer.Context,
    dataset: DatasetArgument,
    *,
    digest: DigestOption = None,
    cases: Annotated[bool, typer.Option("--cases", help="List its cases.")] = False,
    history: Annotated[bool, typer.Option("--history", help="List what the name held.")] = False,
    leakage: Annotated[
        bool, typer.Option("--leakage", help="Look for cases that the prompt shows, and for near-duplicates.")
    ] = False,
    prompt: Annotated[
        str | None,
        typer.Option(metavar="PROMPT@VERSION", help="With --leakage: prompt to look in.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a dataset holds."""
    with asking(context, quiet=as_json) as client:
        if history:
            _write_datasets(client.items(path_of("datasets", dataset, "history")), as_json)
        elif cases:
            items = client.items(path_of("datasets", dataset, "cases"), {"digest": digest})
            _write_cases(items, as_json)
        elif leakage:
            named, _, version = (prompt or "").partition("@")
            question = {"digest": digest, "prompt": named or None, "version": version or None}
            found = client.get(path_of("datasets", dataset, "leakage"), question, slow=True)
            _write_leakage(found, as_json)
        else:
            found = client.get(path_of("datasets", dataset), {"digest": digest})
            if as_json:
                write_json(found, [found])
            else:
                _write_dataset(found)


@dataset_app.command()
def diff(
    context: typer.Context,
    dataset: DatasetArgument,
    before: Annotated[str, typer.Argument(metavar="DIGEST", help="Of what it held once.")],
    after: Annotated[
        str | None,
        typer.Argument(metavar="OTHER", help="Digest of the other; what it holds now if omitted."),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show which cases differ between two lists that a dataset held."""
    with asking(context, quiet=as_json) as client:
        found = client.get(path_of("datasets", dataset, "diff"), {"before": before, "after": after})
    if as_json:
        write_json(found)
        return
    typer.echo(f"{dataset}: {found['before'][:12]} -> {found['after'][:12]}, {found['unchanged']} unchanged")
    for sign, kind in (("+", "added"), ("-", "removed")):
        for each in found[kind]:
            typer.echo(f"{sign} {each}")
        _and_more(found, kind)
    for each in found["changed"]:
        typer.echo(f"~ {each['id']}: {', '.join(each['fields'])}")
    _and_more(found, "changed")


@dataset_app.command()
def compare(
    context: typer.Context,
    dataset: DatasetArgument,
    *,
    prompt: Annotated[str, typer.Option(help="Prompt whose requests count.")],
    with_: Annotated[str, typer.Option("--with", metavar="production", help="What to compare with.")] = (
        "production"
    ),
    environment: EnvironmentOption = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="Requests of so many days.")] = 14,
    digest: DigestOption = None,
    run: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Run whose scores to weight to production.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare cases with what production asks: what they lack, and weights that make up for it."""
    if with_ != "production":
        raise typer.BadParameter(f"--with {with_}: only production can be compared with; see `dataset diff`")
    question = {"prompt": prompt, "environment": environment, "days": days, "digest": digest, "run": run}
    with asking(context, quiet=as_json) as client:
        found = client.get(path_of("datasets", dataset, "comparison"), question, slow=True)
    if as_json:
        write_json(found)
        return
    typer.echo(f"{found['cases']} cases of test beside {found['requests']:,} requests of {prompt}\n")
    rows = [
        (
            segment["key"],
            share["value"],
            _percent(share["production"]),
            _percent(share["cases"]),
            share["count"],
        )
        for segment in found["segments"]
        for share in segment["shares"]
    ]
    write_table(["segment", "value", "production", "cases", "number"], rows, empty="no segments")
    typer.echo()
    for each in found["lacking"]:
        typer.echo(each)
    if (weighting := found["weighting"]) is not None:
        typer.echo(
            f"weighted to production by {', '.join(weighting['keys'])}, {found['cases']} cases say as much "
            f"as {weighting['effective_cases']:.0f}; the heaviest counts {weighting['largest']:.1f} times"
        )
    for each in found["estimates"]:
        error = each["standard_error"]
        spread = "" if error is None else f" ± {1.96 * error:.3f}"
        typer.echo(
            f"{each['metric']}: {each['weighted']:.3f}{spread} in production, "
            f"{each['unweighted']:.3f} over {each['cases']} cases as they are"
        )


@dataset_app.command()
def forget(
    context: typer.Context,
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="Id of the request.")],
) -> None:
    """Take what came from a request out of all datasets and proposals."""
    with asking(context, quiet=True) as client:
        count = client.post(path_of("datasets", "forget", request), {})
    note(f"{count} case{'' if count == 1 else 's'} or proposal{'' if count == 1 else 's'} of it are gone")


def _from_promptfoo(
    file: Path, name: str, prompt: str | None, out: Path | None, *, dry_run: bool
) -> list[Any]:
    from coalmine_evals.datasets.jsonl import text_of
    from coalmine_evals.datasets.promptfoo import read_promptfoo
    from coalmine_evals.suites.write import write_suite

    found = read_promptfoo(file, dataset=name, prompt=prompt or name)
    target = (out or file).parent / f"{found.suite.name}.yaml"
    if target.resolve() == file.resolve():
        target = file.parent / f"{found.suite.name}.suite.yaml"
    lines = out or file.parent / f"{name}.jsonl"
    for each in found.left_out:
        note(each)
    if not dry_run:
        for path in (target,) if out else (target, lines):
            if path.exists():
                raise typer.BadParameter(f"{path} exists: move it, or give another --prompt or --out folder")
        write_named(lines, text_of(found.cases))
        write_suite(target, replace(found.suite, file=lines.name))
        note(f"wrote {target} and {lines}: read them, then `coalmine suite check {target}`")
    return list(found.cases)


def _write_dataset(found: dict[str, Any]) -> None:
    facts = dict(found)
    if "capabilities" in facts:
        facts["capabilities"] = (
            ", ".join(f"{name} {count}" for name, count in facts["capabilities"].items()) or None
        )
    write_facts({name.replace("_", " "): value for name, value in facts.items()})


def _write_datasets(items: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        write_json(items)
        return
    names = ("name", "cases", "clusters", "must_pass", "digest", "imported_at", "imported_by")
    rows = [[item[name] if name != "digest" else item[name][:12] for name in names] for item in items]
    write_table([name.replace("_", " ") for name in names], rows, empty="no datasets")


def _write_cases(items: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        write_json(items)
        return
    rows = [
        (
            item["id"],
            item["split"],
            "yes" if item["must_pass"] else "",
            ", ".join(item["capabilities"]),
            _cut(json.dumps(item["variables"], ensure_ascii=False)),
            _cut(json.dumps(item["expected"], ensure_ascii=False)),
        )
        for item in items
    ]
    write_table(
        ["case", "split", "must pass", "capabilities", "variables", "expected"], rows, empty="no cases"
    )


def _write_leakage(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        write_json(found, found["shown"])
        return
    for each in found["warnings"]:
        typer.echo(each)
    if not found["warnings"]:
        typer.echo("nothing leaks")
    for each in found["shown"]:
        typer.echo(f"{each['case']}: {each['variable']} stands in {each['field']}")
    for each in (*found["shared"], *found["alike"]):
        typer.echo(f"{each['one']} and {each['other']}: {_percent(each['similarity'])} alike")


def _and_more(found: dict[str, Any], kind: str) -> None:
    if (more := found[f"cases_{kind}"] - len(found[kind])) > 0:
        typer.echo(f"and {more} more {kind}")


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share * 100:.1f} %"


def _cut(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"

"""Commands of `coalmine dataset` for what production suggests."""

import json
from typing import Annotated, Any, Literal

import typer

from coalmine_server.cli.evals.datasets import DatasetArgument
from coalmine_server.cli.options import EnvironmentOption, asking, path_of
from coalmine_server.cli.output import AsJson, note, write_facts, write_json

ProposalArgument = Annotated[
    int, typer.Argument(metavar="ID", help="Id of the proposal; `coalmine dataset proposals` has it.")
]


def add_from_production(
    context: typer.Context,
    dataset: DatasetArgument,
    *,
    prompt: Annotated[str, typer.Option(help="Prompt that was served.")],
    since: Annotated[str, typer.Option(help="Feedback given since: 7d, or ISO 8601.")] = "7d",
    environment: EnvironmentOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Requests to propose at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Propose requests with thumbs down, lowest ratings or corrections as cases, redacted.

    A person confirms or rejects each: `coalmine dataset proposals`, then `confirm` or `reject`.
    """
    body = {"prompt": prompt, "environment": environment, "since": since, "limit": limit}
    with asking(context, quiet=as_json) as client:
        found = client.post(path_of("datasets", dataset, "proposals"), body, slow=True)
    if as_json:
        write_json(found)
        return
    typer.echo(
        f"{found['proposed']} proposed, {found['known']} known, {found['without_text']} without their text"
    )
    if found["advice"]:
        note(found["advice"])
    if found["proposed"]:
        note(f"look at them with `coalmine dataset proposals {dataset}`")


def proposals(
    context: typer.Context,
    dataset: DatasetArgument,
    *,
    state: Annotated[
        Literal["waiting", "confirmed", "rejected", "forgotten"],
        typer.Option(help="Only those in this state."),
    ] = "waiting",
    as_json: AsJson = False,
) -> None:
    """Show what production suggests for a dataset."""
    with asking(context, quiet=as_json) as client:
        items = client.items(path_of("datasets", dataset, "proposals"), {"state": state})
    if as_json:
        write_json(items)
        return
    if not items:
        note(f"no proposals are {state}")
    for each in items:
        case = each["case"] or {}
        write_facts(
            {
                "proposal": each["id"],
                "request": each["request_id"],
                "served": f"{each['prompt']}@{each['version']} in {each['environment']}, {each['given_at']}",
                **{f"  {name}": _shown(value) for name, value in (case.get("variables") or {}).items()},
                "answer": _shown(case.get("answer")),
                "comment": _shown(case.get("comment")),
                "correction": _shown(case.get("correction")),
                "capabilities": ", ".join(case.get("capabilities") or ()) or None,
                "decided": each["decided_by"] and f"{each['decided_by']} {each['reason'] or ''}",
            }
        )
        typer.echo()


def confirm(
    context: typer.Context,
    dataset: DatasetArgument,
    proposal: ProposalArgument,
    *,
    expected: Annotated[
        str | None,
        typer.Option(
            help="What is right, as JSON or else as text; the user's correction if omitted.",
            show_default=False,
        ),
    ] = None,
    capability: Annotated[
        list[str] | None,
        typer.Option(help="What the case tries; may be repeated.", show_default=False),
    ] = None,
    variables: Annotated[
        str | None, typer.Option(help="What the prompt is given, as JSON.", show_default=False)
    ] = None,
    case: Annotated[str | None, typer.Option("--id", help="Id of the case.", show_default=False)] = None,
    split: Annotated[
        Literal["test", "dev"] | None, typer.Option(help="Split of the case.", show_default=False)
    ] = None,
    must_pass: Annotated[bool, typer.Option("--must-pass", help="It has to be right every time.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a proposal a case, once you have read it: no name, no address, and a right answer."""
    said: dict[str, Any] = {"capabilities": capability, "id": case, "split": split}
    changes = {name: value for name, value in said.items() if value is not None}
    # `null` says that nothing is expected, which is not the same as saying nothing.
    for name, text in (("expected", expected), ("variables", variables)):
        changes |= {} if text is None else {name: _json_or_text(text)}
    if must_pass:
        changes["must_pass"] = True
    with asking(context, quiet=as_json) as client:
        path = path_of("datasets", dataset, "proposals", str(proposal), "confirm")
        found = client.post(path, {"case": changes})
    if as_json:
        write_json(found)
    else:
        typer.echo(f"{dataset} has {found['cases']} cases now: {found['digest'][:12]}")


def reject(
    context: typer.Context,
    dataset: DatasetArgument,
    proposal: ProposalArgument,
    *,
    reason: Annotated[
        str | None, typer.Option(help="Reason, kept with the decision.", show_default=False)
    ] = None,
) -> None:
    """Drop a proposal with its texts; the request is not proposed again."""
    with asking(context, quiet=True) as client:
        path = path_of("datasets", dataset, "proposals", str(proposal), "reject")
        client.post(path, {"reason": reason})
    note(f"proposal {proposal} is rejected")


def _json_or_text(text: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text)
    except ValueError:
        return text


def _shown(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)

"""`coalmine experiment`: start, reweight and stop experiments."""

from typing import Annotated, Any

import typer

from coalmine_server.cli.options import path_of
from coalmine_server.cli.output import AsJson, note, tabular, write_json, write_table
from coalmine_server.cli.prompts.options import (
    AlphaOption,
    DirectionOption,
    ExpectOption,
    GoalOption,
    LimitOption,
    MarginOption,
    OverrideOption,
    ReasonOption,
    RoleOption,
    SegmentOption,
    TokenOption,
    ToleranceOption,
    plan_of,
    registry_client,
    share_of,
)
from coalmine_server.cli.prompts.plan_check import check

app = typer.Typer(help="Start, reweight and stop experiments between versions.", no_args_is_help=True)
app.command()(check)

ExperimentArgument = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Name of the experiment.")]


@app.command()
def start(
    context: typer.Context,
    name: ExperimentArgument,
    *,
    prompt: Annotated[str, typer.Option(help="Prompt whose versions to compare.")],
    environment: Annotated[str, typer.Option(help="Environment to run in: dev, staging or prod.")] = "prod",
    arm: Annotated[
        list[str],
        typer.Option(
            "--arm",
            metavar="VARIANT=VERSION:WEIGHT",
            help="An arm, e.g. treatment=1.1.0:0.1. Treatments first, control last; weights add up to 1.",
        ),
    ],
    control: Annotated[
        str | None,
        typer.Option(help="Arm the others are compared with; default: the last.", show_default=False),
    ] = None,
    goal: GoalOption = None,
    margin: MarginOption = None,
    tolerance: ToleranceOption = None,
    role: RoleOption = None,
    direction: DirectionOption = None,
    limit: LimitOption = None,
    segment: SegmentOption = None,
    alpha: AlphaOption = None,
    rule: Annotated[
        str | None,
        typer.Option(
            help="Targeting rule whose version to replace; default: replace the default.", show_default=False
        ),
    ] = None,
    reason: ReasonOption = None,
    expect: ExpectOption = None,
    override: OverrideOption = False,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Split users between versions. Users keep their arm; growing a treatment only adds users to it.

    How it is judged is fixed now: by these options, else by `experiment` in the metadata of the first
    arm's version.
    """
    given = {"role": role, "direction": direction, "margin": margin, "tolerance": tolerance}
    body = {
        "name": name,
        "control": control,
        "plan": plan_of(goal, alpha, given, limit, segment),
        "arms": [_arm(each) for each in arm],
        "rule": rule,
        "reason": reason,
        "expected_revision": expect,
        "override": override,
    }
    with registry_client(context, token) as client:
        found = client.post(path_of("environments", environment, "prompts", prompt, "experiments"), body)
    _show(found, as_json=as_json)


@app.command("set-weights")
def set_weights(
    context: typer.Context,
    name: ExperimentArgument,
    weights: Annotated[
        list[str], typer.Argument(metavar="VARIANT=WEIGHT...", help="One for each arm; they add up to 1.")
    ],
    *,
    reason: ReasonOption = None,
    expect: ExpectOption = None,
    override: OverrideOption = False,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Change the weights of the arms. Starts a new epoch, whose measures are not pooled with older ones."""
    body = {
        "weights": dict(map(_weight, weights)),
        "reason": reason,
        "expected_revision": expect,
        "override": override,
    }
    with registry_client(context, token) as client:
        found = client.put(path_of("experiments", name, "weights"), body)
    _show(found, as_json=as_json)


@app.command()
def stop(
    context: typer.Context,
    name: ExperimentArgument,
    *,
    keep: Annotated[
        str | None,
        typer.Option(
            help="Arm whose version stays; default: the replaced version returns.", show_default=False
        ),
    ] = None,
    reason: ReasonOption = None,
    expect: ExpectOption = None,
    override: OverrideOption = False,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Stop an experiment: the version of one arm stays, or the replaced version returns."""
    body = {"keep": keep, "reason": reason, "expected_revision": expect, "override": override}
    with registry_client(context, token) as client:
        found = client.post(path_of("experiments", name, "stop"), body)
    _show(found, as_json=as_json)


@app.command("list")
@tabular
def list_(
    context: typer.Context,
    *,
    prompt: Annotated[
        str | None, typer.Option(help="Only experiments on this prompt.", show_default=False)
    ] = None,
    environment: Annotated[
        str | None, typer.Option(help="Only experiments in this environment.", show_default=False)
    ] = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """List experiments, newest first, including stopped ones."""
    with registry_client(context, token) as client:
        items = client.items("/v1/experiments", {"prompt": prompt, "environment": environment})
        if prompt is not None and not items:
            client.get(path_of("prompts", prompt))  # says so if there is no such prompt
    if as_json:
        write_json(items)
        return
    rows = [
        (
            item["name"],
            item["status"],
            item["prompt"],
            item["environment"],
            item["allocation_epoch"],
            _arms(item),
            item["started_by"],
            item["started_at"][:16].replace("T", " "),
        )
        for item in items
    ]
    columns = ["experiment", "status", "prompt", "environment", "epoch", "arms", "started by", "started"]
    empty = "no experiments; `coalmine experiment start` starts one"
    write_table(columns, rows, empty=empty, wrapped=True)


def _show(found: Any, *, as_json: bool) -> None:  # noqa: ANN401 - an experiment as JSON
    if as_json:
        write_json(found)
    elif found["status"] == "running":
        note(
            f"{found['environment']} serves {found['prompt']} by {found['name']}: {_arms(found)} "
            f"(epoch {found['allocation_epoch']})"
        )
        note(f"Judged by {_judged_by(found['plan'])}; `coalmine readout {found['name']}` shows the state.")
        control = found["arms"][-1]["version"]
        if control != found["replaced"]:
            note(
                f"The control is {control}, but {found['replaced']} was served, and returns when the "
                "experiment ends or is rolled back."
            )
    else:
        note(f"{found['name']} is stopped; {found['kept'] or found['replaced']} is served")


def _judged_by(plan: dict[str, Any]) -> str:
    said = [f"goal {' or '.join(plan['goals'])}"] if plan["goals"] else []
    for name, metric in plan["metrics"].items():
        parts = [f"{part} {value}" for part, value in metric.items() if value is not None]
        said.append(f"{name} {', '.join(parts)}")
    said += [f"{name} at most {share:g}" for name, share in plan["limits"].items()]
    if plan["segments"]:
        said.append(f"by {', '.join(plan['segments'])}")
    if plan["alpha"] is not None:
        said.append(f"alpha {plan['alpha']:g}")
    return "; ".join(said) or "the guardrails that `coalmine metrics` lists"


def _arms(found: dict[str, Any]) -> str:
    from coalmine_schemas.prompts import percent

    return ", ".join(f"{arm['variant']} {arm['version']} {percent(arm['weight'])}" for arm in found["arms"])


def _arm(text: str) -> dict[str, object]:
    variant, _, rest = text.partition("=")
    version, _, weight = rest.rpartition(":")
    if not (variant and version and weight):
        raise typer.BadParameter(
            f"{text!r} is not an arm: write VARIANT=VERSION:WEIGHT, e.g. treatment=1.1.0:0.1"
        )
    return {"variant": variant, "version": version, "weight": share_of(text, weight)}


def _weight(text: str) -> tuple[str, float]:
    variant, _, weight = text.partition("=")
    if not (variant and weight):
        raise typer.BadParameter(f"{text!r} is not a weight: write VARIANT=WEIGHT, e.g. treatment=0.25")
    return variant, share_of(text, weight)

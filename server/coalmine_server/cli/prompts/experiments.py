"""`coalmine experiment`: start, reweight and stop experiments."""

from typing import Annotated, Any

import typer

from coalmine_server.cli.options import path_of
from coalmine_server.cli.output import AsJson, note, tabular, write_json, write_table
from coalmine_server.cli.prompts.options import (
    ExpectOption,
    OverrideOption,
    ReasonOption,
    TokenOption,
    registry_client,
)

app = typer.Typer(help="Start, reweight and stop experiments between versions.", no_args_is_help=True)

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
    goal: Annotated[
        list[str] | None,
        typer.Option(
            "--goal", metavar="METRIC", help="A promotion needs this metric, or another goal, to be better."
        ),
    ] = None,
    margin: Annotated[
        list[str] | None,
        typer.Option(
            "--margin",
            metavar="METRIC=SIZE",
            help="A worsening that is not acceptable, e.g. cost_per_request=40% or error_rate=0.02.",
        ),
    ] = None,
    tolerance: Annotated[
        list[str] | None,
        typer.Option("--tolerance", metavar="METRIC=SIZE", help="A worsening that does not roll back."),
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option(
            "--role",
            metavar="METRIC=ROLE",
            help="must_prove: no promotion without proof that it is not worse; must_not_harm: harm rolls "
            "back; signal: harm only holds.",
        ),
    ] = None,
    direction: Annotated[
        list[str] | None,
        typer.Option(
            "--direction",
            metavar="METRIC=WAY",
            help="Which way a metric of your own is better: higher, lower, or same.",
        ),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "--limit",
            metavar="RATE=SHARE",
            help="Bad units at which an arm is rolled back without a comparison, e.g. error_rate=20%.",
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            help="Probability of ever deciding wrongly; default: readout.alpha.", show_default=False
        ),
    ] = None,
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
    metrics: dict[str, dict[str, str]] = {}
    for part, texts in given.items():
        for metric, value in (_of_metric(part, each) for each in texts or ()):
            metrics.setdefault(metric, {})[part] = value
    limits = dict(_of_metric("limit", each) for each in limit or ())
    planned = {"goals": goal or [], "alpha": alpha, "metrics": metrics, "limits": limits}
    body = {
        "name": name,
        "control": control,
        "plan": planned if any(planned.values()) else None,
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
    return {"variant": variant, "version": version, "weight": _share(text, weight)}


def _of_metric(part: str, text: str) -> tuple[str, str]:
    metric, _, value = text.partition("=")
    if not (metric and value):
        example = "--limit error_rate=20%" if part == "limit" else "--margin cost_per_request=40%"
        raise typer.BadParameter(f"{text!r}: write --{part} METRIC=VALUE, e.g. {example}")
    return metric, value


def _weight(text: str) -> tuple[str, float]:
    variant, _, weight = text.partition("=")
    if not (variant and weight):
        raise typer.BadParameter(f"{text!r} is not a weight: write VARIANT=WEIGHT, e.g. treatment=0.25")
    return variant, _share(text, weight)


def _share(text: str, weight: str) -> float:
    try:
        return float(weight)
    except ValueError:
        raise typer.BadParameter(f"{text!r}: {weight!r} is not a number; give a share from 0 to 1") from None

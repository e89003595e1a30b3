"""`coalmine evals production`: how production requests are scored, and how good versions are by it."""

from typing import Annotated, Any

import typer

from coalmine_server.cli.options import EnvironmentOption, SinceOption, UntilOption, asking
from coalmine_server.cli.output import AsJson, note, tabular, write_json, write_table


@tabular
def production(
    context: typer.Context,
    prompt: Annotated[
        str | None, typer.Argument(metavar="[PROMPT]", help="Prompt whose quality to estimate.")
    ] = None,
    *,
    environment: EnvironmentOption = None,
    metric: Annotated[str | None, typer.Option(help="Only this metric.", show_default=False)] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    as_json: AsJson = False,
) -> None:
    """Show how production requests are scored, and with PROMPT how good its versions are by that.

    What is scored, and how much of it, is in evals.yaml in the home of the server. Means are weighted so that
    they hold for all requests, also where more is scored of some.
    """
    question = {"prompt": prompt, "environment": environment, "metric": metric}
    with asking(context, quiet=as_json) as client:
        found = client.get("/v1/production-scores", {**question, "since": since, "until": until})
    if as_json:
        write_json(found)
        return
    if found["texts_missing"]:
        note(found["texts_missing"])
    of = "" if found["budget_usd"] is None else f" of {found['budget_usd']:,.2f}"
    note(f"spent today: {found['spent_usd']:,.4f}{of} USD")
    columns = [
        "environment",
        "prompt",
        "metric",
        "scorer",
        "rate",
        "raised for",
        "last score",
        "missed",
        "state",
    ]
    rows = [
        (
            *(each[name] for name in ("environment", "prompt", "metric", "scorer")),
            f"{each['rate']:.0%}",
            each["raised_for"],
            each["scored_at"],
            each["missed"],
            "down" if each["down"] else "ok",
        )
        for each in found["scoring"]
    ]
    write_table(columns, rows, empty="nothing was scored yet: evals.yaml says what is", wrapped=True)
    for each in found["scoring"]:
        if each["cause"]:
            note(f"{each['metric']} of {each['prompt']}: {each['cause']}")
    if prompt is not None:
        typer.echo()
        _write_quality(found["quality"])


def _write_quality(quality: list[dict[str, Any]]) -> None:
    columns = [
        "version",
        "metric",
        "of",
        "mean",
        "95 % interval",
        "scored",
        "unscored",
        "units",
        "unweighted",
    ]
    rows = [
        (
            each["version"],
            each["metric"],
            each["stratum"] or "all requests",
            each["mean"],
            None if each["lower"] is None else f"{each['lower']:.3f} to {each['upper']:.3f}",
            each["scored"],
            each["unscored"],
            each["units"],
            each["unweighted"],
        )
        for each in quality
    ]
    write_table(columns, rows, empty="no score of this prompt in this period", wrapped=True)

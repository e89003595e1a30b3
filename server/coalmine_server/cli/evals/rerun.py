"""`coalmine evals rerun` and `models`: what is served with other models, and what is known of them."""

import time
from typing import Annotated, Any, Final

import typer

from coalmine_server.cli.options import path_of
from coalmine_server.cli.output import AsJson, note, progress_bar, tabular, write_json, write_table
from coalmine_server.cli.prompts.options import TokenOption, registry_client

_LOOK_S: Final = 2.0
_OPEN: Final = ("waiting", "running")


@tabular
def rerun(
    context: typer.Context,
    *,
    model: Annotated[
        list[str], typer.Option("--model", help="Model to try, as its provider names it; may be repeated.")
    ],
    prompt: Annotated[
        list[str] | None,
        typer.Option(help="Only this prompt; may be repeated; default: all that are served."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until all is done, and print what it came to.")
    ] = True,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Have the server run everything that is served with another model: would it all still work?

    Runs each suite with the version's own model and with the other one, within the day's budget
    (evals.budget_usd_per_day). Needs an approver's token, and keys in the server's settings. Exits with 1 if
    harm was shown somewhere.
    """
    with registry_client(context, token) as client:
        found = client.post("/v1/eval-reruns", {"models": model, "prompts": prompt})
        without, cells = found["without_suite"], found["cells"]
        if wait:
            with progress_bar("running", quiet=as_json, unit="prompts x models") as advance:
                while any(each["state"] in _OPEN for each in cells):
                    advance(sum(each["state"] not in _OPEN for each in cells), len(cells))
                    time.sleep(_LOOK_S)
                    cells = client.get(path_of("eval-reruns", found["batch"]))["cells"]
                advance(len(cells), len(cells))
    if as_json:
        write_json({**found, "cells": cells})
    else:
        _write(cells)
        if without:
            note(f"without a suite, so nothing is known of them: {', '.join(without)}")
        if not wait:
            note(f"asked for as {found['batch']}; `coalmine evals models` says what it came to")
    if any(each["outcome"] == "fail" for each in cells):
        raise typer.Exit(1)


@tabular
def models(
    context: typer.Context,
    *,
    prompt: Annotated[
        list[str] | None, typer.Option(help="Only this prompt; may be repeated.", show_default=False)
    ] = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """List which versions are safe, unsafe or unknown with which models, as runs have shown."""
    with registry_client(context, token) as client:
        found = client.get("/v1/model-flags", {"prompt": prompt})
    if as_json:
        write_json(found)
        return
    rows = [
        (each["prompt"], each["version"], each["model"], each["flag"], each["at"][:10], each["run"])
        for each in found
    ]
    columns = ["prompt", "version", "model", "flag", "at", "run"]
    write_table(columns, rows, empty="no version was run on any model yet: `coalmine evals rerun`")


def _write(cells: list[dict[str, Any]]) -> None:
    rows = [
        (
            f"{each['prompt']}@{each['version']}",
            each["model"],
            each["suite"],
            each["outcome"] or each["state"],
            _saved(each),
            _usd(each["cost_nano_usd_per_case"]),
            each["latency_ms_p50"],
            each["baseline_latency_ms_p50"],
            each["said"],
        )
        for each in cells
    ]
    columns = ["version", "model", "suite", "outcome", "saves", "USD a case", "ms", "ms before", "what"]
    write_table(columns, rows, empty="nothing to run", wrapped=True)


def _usd(nano_usd: int | None) -> float | None:
    return None if nano_usd is None else nano_usd / 1e9


def _saved(each: dict[str, Any]) -> str | None:
    cost, before = each["cost_nano_usd_per_case"], each["baseline_cost_nano_usd_per_case"]
    return None if cost is None or not before else f"{1 - cost / before:.0%}"

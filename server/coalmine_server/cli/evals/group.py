"""`coalmine evals`: its commands, which are imported when they are called."""

from typing import Final

import typer

from coalmine_server.cli.lazy_group import CommandModule, Later, lazy_group

backtest = CommandModule("evals.backtest")
compare = CommandModule("evals.compare")
production = CommandModule("evals.production")
publish = CommandModule("evals.publish")
report = CommandModule("evals.report")
rerun = CommandModule("evals.rerun")
run = CommandModule("evals.run")
runs = CommandModule("evals.runs")

COMMANDS: Final = {
    "run": Later(
        run.run, "Run a suite over a candidate, and compare it with a baseline.", epilog=report.EXIT_CODES
    ),
    "list": Later(runs.list_runs, "List runs, the newest first."),
    "show": Later(runs.show, "Show one run and what the gate said."),
    "cases": Later(runs.cases, "Show the answers of a run: those of cases that became worse first."),
    "compare": Later(
        compare.compare,
        "Judge a candidate beside a baseline on answers that were recorded.",
        epilog=report.EXIT_CODES,
    ),
    "publish": Later(
        publish.publish, "Send a run to the server, so that a promotion takes it as evidence: eval_run=ID."
    ),
    "rerun": Later(
        rerun.rerun,
        "Have the server run everything that is served with another model: would it all still work?",
    ),
    "models": Later(
        rerun.models, "List which versions are safe, unsafe or unknown with which models, as runs have shown."
    ),
    "production": Later(
        production.production,
        "Show how production requests are scored, and with PROMPT how good its versions are by that.",
    ),
    "backtest": Later(
        backtest.backtest,
        "Have two versions answer a sample of the requests of a past day, and compare the answers in pairs.",
        epilog=backtest.EXIT_CODES,
    ),
}

evals_app: Final = typer.Typer(
    cls=lazy_group(COMMANDS),
    help="Try versions of prompts on cases before anybody is served them.",
    no_args_is_help=True,
)


@evals_app.callback()
def evals() -> None:
    """Try versions of prompts on cases before anybody is served them."""

"""The command tree. Commands import what is heavy inside their functions, so that `--help` is quick."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from coalmine_server.cli import (
    ad_hoc,
    alerts,
    backup,
    call,
    dead_letters,
    demo,
    explain,
    feedback_link,
    forget,
    mcp,
    pipeline,
    readout,
    review,
    serve,
    setup,
    simulate,
    spark,
    statistics,
    timeline,
    versions,
)
from coalmine_server.cli.configuration import commands as configuration
from coalmine_server.cli.configuration.commands import PLAN_EXIT_CODES
from coalmine_server.cli.evals import (
    backtest,
    datasets,
    evals_app,
    judge_labels,
    production,
    proposals,
    publish,
    rerun,
    suites,
    try_prompt,
)
from coalmine_server.cli.evals import compare as compare_outputs
from coalmine_server.cli.evals import run as run_suite
from coalmine_server.cli.evals import runs as eval_runs
from coalmine_server.cli.evals.backtest import EXIT_CODES as BACKTEST_EXIT_CODES
from coalmine_server.cli.evals.judge import judge_app
from coalmine_server.cli.evals.report import EXIT_CODES as GATE_EXIT_CODES
from coalmine_server.cli.evals.scorers import scorers_app
from coalmine_server.cli.invocation import Invocation
from coalmine_server.cli.prompts import (
    experiments,
    imports,
    inspect,
    lifecycle,
    pin_model,
    promotions,
    pull,
    push,
    rollouts,
    safeguards,
)

EXIT_CODES = """Exit codes: 0 done; 1 a check failed (for example audit); 2 an option, a name or a setting is
wrong; 3 no server, broker or store could be reached, or another process holds it; 4 what was waited for ended
without an answer."""

app = typer.Typer(
    name="coalmine",
    help="Measures every version of your LLM prompts while it runs, and says when one makes things worse.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"coalmine {version('coalmine')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    *,
    home: Annotated[
        Path | None,
        typer.Option(help="Where everything lives; COALMINE_HOME, else ~/.coalmine.", show_default=False),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings file; COALMINE_CONFIG, else coalmine.toml here or in the home.",
            show_default=False,
        ),
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option(help="Least important log lines to write; info if not set.", show_default=False),
    ] = None,
    log_format: Annotated[
        Literal["auto", "json", "console"] | None,
        typer.Option(help="Shape of log lines; auto is console on a terminal.", show_default=False),
    ] = None,
    _version_only: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options that all commands share; they stand before the command's name."""
    context.obj = Invocation(home=home, config=config, log_level=log_level, log_format=log_format)


RUN = "Run"
INSPECT = "Inspect"
MAINTAIN = "Maintain"
PROMPTS = "Prompts"
EVALUATE = "Evaluate"
SET_UP = "Set up"

app.command("serve", rich_help_panel=RUN)(serve.serve)
app.add_typer(spark.spark_app, name="spark", rich_help_panel=RUN)
app.command("demo", rich_help_panel=RUN)(demo.demo)
app.command("dashboard", rich_help_panel=RUN)(serve.dashboard)
app.command("mcp", rich_help_panel=RUN)(mcp.mcp)
app.command("replay", rich_help_panel=RUN)(simulate.replay)
app.command("simulate", rich_help_panel=RUN)(simulate.simulate)
app.command("versions", rich_help_panel=INSPECT)(versions.versions)
app.command("timeseries", rich_help_panel=INSPECT)(versions.timeseries)
app.command("metrics", rich_help_panel=INSPECT)(versions.metrics)
app.command("sql", rich_help_panel=INSPECT)(ad_hoc.sql)
app.command("export", rich_help_panel=INSPECT)(ad_hoc.export)
app.command("call", rich_help_panel=INSPECT)(call.call)
app.command("readout", rich_help_panel=INSPECT)(readout.readout)
app.command("compare", rich_help_panel=INSPECT)(readout.compare)
app.command("explain", rich_help_panel=INSPECT)(explain.explain)
app.command("drift", rich_help_panel=INSPECT)(readout.drift)
app.command("timeline", rich_help_panel=INSPECT)(timeline.timeline)
app.command("ingest-status", rich_help_panel=INSPECT)(pipeline.ingest_status)
app.add_typer(alerts.app, name="alerts", rich_help_panel=INSPECT)
app.command("digest", rich_help_panel=INSPECT)(alerts.digest)
app.command("stats-check", rich_help_panel=INSPECT)(statistics.stats_check)
app.command("calibrate", rich_help_panel=MAINTAIN)(statistics.calibrate)
app.command("init", rich_help_panel=PROMPTS)(push.init)
app.command("push", rich_help_panel=PROMPTS)(push.push)
app.command("pull", rich_help_panel=PROMPTS)(pull.pull)
app.command("plan", rich_help_panel=PROMPTS, epilog=PLAN_EXIT_CODES)(configuration.plan)
app.command("apply", rich_help_panel=PROMPTS)(configuration.apply)
app.command("check-prompts", rich_help_panel=PROMPTS)(push.check_prompts)
app.add_typer(imports.import_app, name="import", rich_help_panel=PROMPTS)
app.add_typer(inspect.prompts_app, name="prompts", rich_help_panel=PROMPTS)
inspect.prompts_app.command("pin-model")(pin_model.pin_model)
app.command("diff", rich_help_panel=PROMPTS)(inspect.diff)
app.command("log", rich_help_panel=PROMPTS)(inspect.log)
app.command("promote", rich_help_panel=PROMPTS)(promotions.promote)
app.command("promotions", rich_help_panel=PROMPTS)(inspect.promotions)
app.command("approve", rich_help_panel=PROMPTS)(promotions.approve)
app.command("reject", rich_help_panel=PROMPTS)(promotions.reject)
app.command("rollback", rich_help_panel=PROMPTS)(promotions.rollback)
app.command("offer", rich_help_panel=PROMPTS)(promotions.offer)
app.command("withdraw", rich_help_panel=PROMPTS)(promotions.withdraw)
app.add_typer(experiments.app, name="experiment", rich_help_panel=PROMPTS)
app.add_typer(rollouts.app, name="rollout", rich_help_panel=PROMPTS)
app.command("freeze", rich_help_panel=PROMPTS)(safeguards.freeze)
app.command("unfreeze", rich_help_panel=PROMPTS)(safeguards.unfreeze)
app.command("panic", rich_help_panel=PROMPTS)(safeguards.panic)
app.add_typer(safeguards.evidence_app, name="evidence", rich_help_panel=PROMPTS)
app.command("deployments", rich_help_panel=PROMPTS)(inspect.deployments)
app.command("retire", rich_help_panel=PROMPTS)(lifecycle.retire)
app.command("archive", rich_help_panel=PROMPTS)(lifecycle.archive)
app.command("rules", rich_help_panel=PROMPTS)(lifecycle.rules)
app.command("policy", rich_help_panel=PROMPTS)(lifecycle.policy)
app.command("hygiene", rich_help_panel=PROMPTS)(inspect.hygiene)
app.command("snapshot", rich_help_panel=PROMPTS)(pull.snapshot)
app.add_typer(evals_app, name="evals", rich_help_panel=EVALUATE)
app.add_typer(datasets.dataset_app, name="dataset", rich_help_panel=EVALUATE)
datasets.dataset_app.command("add-from-production")(proposals.add_from_production)
for decision in (proposals.proposals, proposals.confirm, proposals.reject):
    datasets.dataset_app.command()(decision)
app.add_typer(suites.suite_app, name="suite", rich_help_panel=EVALUATE)
app.add_typer(judge_app, name="judge", rich_help_panel=EVALUATE)
judge_app.command("draw")(judge_labels.draw)
judge_app.command("correct")(judge_labels.correct)
evals_app.command("run", epilog=GATE_EXIT_CODES)(run_suite.run)
evals_app.command("list")(eval_runs.list_runs)
evals_app.command("show")(eval_runs.show)
evals_app.command("cases")(eval_runs.cases)
app.command("try", rich_help_panel=EVALUATE)(try_prompt.try_prompt)
evals_app.command("compare", epilog=GATE_EXIT_CODES)(compare_outputs.compare)
app.add_typer(scorers_app, name="scorers", rich_help_panel=EVALUATE)
evals_app.command("publish")(publish.publish)
evals_app.command("rerun")(rerun.rerun)
evals_app.command("models")(rerun.models)
evals_app.command("production")(production.production)
evals_app.command("backtest", epilog=BACKTEST_EXIT_CODES)(backtest.backtest)
app.add_typer(review.app, name="review", rich_help_panel=EVALUATE)
app.command("audit", rich_help_panel=MAINTAIN)(pipeline.audit)
app.command("rebuild", rich_help_panel=MAINTAIN)(pipeline.rebuild)
app.command("forget", rich_help_panel=MAINTAIN)(forget.forget)
app.command("backup", rich_help_panel=MAINTAIN)(backup.backup)
app.command("restore", rich_help_panel=MAINTAIN)(backup.restore)
app.add_typer(dead_letters.app, name="dead-letters", rich_help_panel=MAINTAIN)
app.command("feedback-link", rich_help_panel=SET_UP)(feedback_link.feedback_link)
app.add_typer(setup.token_app, name="token", rich_help_panel=SET_UP)
app.add_typer(setup.settings_app, name="settings", rich_help_panel=SET_UP)

"""`coalmine rollout`: start rollouts, see what they do, and tell them what to do."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coalmine_server.cli.named_file import named_path
from coalmine_server.cli.options import asking, path_of
from coalmine_server.cli.output import AsJson, note, write_json
from coalmine_server.cli.prompts import rollout_views
from coalmine_server.cli.prompts.options import ReasonOption, TokenOption, registry_client
from coalmine_server.cli.prompts.plan_check import write_plan_check
from coalmine_server.cli.prompts.promotions import evidence_of
from coalmine_server.cli.prompts.rollout_views import ENDS, RolloutArgument, note_state
from coalmine_server.errors import ConfigurationError, ExitCode

if TYPE_CHECKING:
    from coalmine_server.client import Client

app = typer.Typer(
    help="Roll a version out in steps, by proof: it advances, waits, or is taken back, and says why.",
    no_args_is_help=True,
)

LOOK_EVERY_S = 0.5
ANSWERED_WITHIN_S = 30.0
"""A command is carried out at the next tick, at most five seconds later where nothing else is the matter."""

PromptArgument = Annotated[str, typer.Argument(metavar="PROMPT", help="Name of the prompt.")]
VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="Version to roll out.")]
PlanOption = Annotated[
    Path | None,
    typer.Option(
        "--plan",
        help="File with the plan, YAML or JSON (docs/rollouts.md).",
        show_default=False,
        parser=named_path,
    ),
]
TemplateOption = Annotated[
    str | None,
    typer.Option(
        "--template",
        help="A plan that comes with Coalmine; default: `rollout` in the metadata of the version, else "
        "canary-standard. `coalmine rollout templates` lists them.",
        show_default=False,
    ),
]
EnvironmentOption = Annotated[
    str | None,
    typer.Option("--environment", help="Default: that of the plan, else prod.", show_default=False),
]
RuleOption = Annotated[
    str | None,
    typer.Option(
        "--rule",
        help="Targeting rule whose version to replace; default: replace the default.",
        show_default=False,
    ),
]
RevisionOption = Annotated[
    int | None,
    typer.Option(
        "--revision",
        metavar="N",
        min=0,
        help="Row version of the rollout that you have seen; refused if it has changed since.",
        show_default=False,
    ),
]
for _view in (rollout_views.status, rollout_views.why, rollout_views.export, rollout_views.templates):
    app.command()(_view)
app.command("list")(rollout_views.list_)

WhyOption = Annotated[str, typer.Option("--reason", help="Reason, for the audit log.")]


@app.command()
def start(
    context: typer.Context,
    prompt: PromptArgument,
    version: VersionArgument,
    *,
    environment: EnvironmentOption = None,
    plan: PlanOption = None,
    template: TemplateOption = None,
    rule: RuleOption = None,
    queue: Annotated[
        bool, typer.Option("--queue", help="If another rollout holds the place, start when it has ended.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="If another rollout holds the place, end it and take its place.")
    ] = False,
    advise: Annotated[
        bool, typer.Option("--advise", help="Decide and tell, but change nothing after the start.")
    ] = False,
    evidence: Annotated[
        list[str] | None,
        typer.Option(
            "--evidence",
            metavar="KIND=REFERENCE",
            help="Evidence that it may be served, e.g. eval_run=ID; may be repeated.",
            show_default=False,
        ),
    ] = None,
    start_at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Not before this, ISO 8601; default: at once.", show_default=False),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait",
            help="Wait until it has ended: exits with 0 if it completed, 1 if it was taken back, 4 if it "
            "expired or was superseded or cancelled.",
        ),
    ] = False,
    reason: ReasonOption = None,
    revision: Annotated[
        int | None,
        typer.Option(
            "--revision",
            metavar="N",
            min=0,
            help="Fail if the deployment has another revision, because it changed in the meantime.",
            show_default=False,
        ),
    ] = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Start to roll out a version. It waits where an approval or evidence is missing.

    An approver who did not write the version starts it alone; else it is pending until `coalmine rollout
    approve ID`.
    """
    if queue and replace:
        raise ConfigurationError("--queue and --replace exclude each other", "give one of them")
    body = {
        **_asked(prompt, version, environment, plan, template),
        "rule": rule,
        "if_taken": "queue" if queue else "replace" if replace else None,
        "advise": advise,
        "evidence": [evidence_of(each) for each in evidence or ()],
        "start_at": start_at,
        "reason": reason,
        "expected_revision": revision,
    }
    with registry_client(context, token) as client:
        found = client.post("/v1/rollouts", body)
        if not as_json:
            note_state(found)
        if wait:
            found = _wait_ended(client, found)
    if as_json:
        write_json(found)
    if wait:
        raise typer.Exit(ENDS[found["state"]])


@app.command()
def check(
    context: typer.Context,
    prompt: PromptArgument,
    version: VersionArgument,
    *,
    environment: EnvironmentOption = None,
    plan: PlanOption = None,
    template: TemplateOption = None,
    as_json: AsJson = False,
) -> None:
    """Forecast from a prompt's own traffic whether a rollout would ever complete, and what harm it finds.

    Changes nothing. Exits with 1 if an equal version would not be proven in time.
    """
    from coalmine_analytics.results.plan_check import PlanCheck
    from coalmine_server.client import read_as

    body = _asked(prompt, version, environment, plan, template)
    with asking(context, quiet=as_json) as client:
        document = client.post("/v1/rollouts/check", body)
    if as_json:
        write_json(document)
    else:
        write_plan_check(read_as(PlanCheck, document))
    if not document["ends"]:
        raise typer.Exit(ExitCode.CHECK_FAILED)


@app.command()
def pause(
    context: typer.Context,
    rollout: RolloutArgument,
    *,
    reason: ReasonOption = None,
    revision: RevisionOption = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Pause a rollout: weights stay. Harm is still watched, and takes it back."""
    _command(context, token, rollout, "pause", {"reason": reason, "row_version": revision}, as_json)


@app.command()
def resume(
    context: typer.Context,
    rollout: RolloutArgument,
    *,
    stage: Annotated[
        int | None,
        typer.Option(
            min=0, help="Go on from this stage, counted from 0; default: as it was.", show_default=False
        ),
    ] = None,
    reason: ReasonOption = None,
    revision: RevisionOption = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Have a paused rollout go on. The clock of its stage begins again."""
    body = {"stage": stage, "reason": reason, "row_version": revision}
    _command(context, token, rollout, "resume", body, as_json)


@app.command()
def approve(
    context: typer.Context,
    rollout: RolloutArgument,
    *,
    reason: ReasonOption = None,
    revision: RevisionOption = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Approve what a rollout waits for: its start, its next stage, or its end."""
    _command(context, token, rollout, "approve", {"reason": reason, "row_version": revision}, as_json)


@app.command()
def evidence(
    context: typer.Context,
    rollout: RolloutArgument,
    given: Annotated[
        list[str],
        typer.Argument(metavar="KIND=REFERENCE...", help="Evidence for the version, e.g. eval_run=ID."),
    ],
    *,
    reason: ReasonOption = None,
    revision: RevisionOption = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Give a pending rollout the evidence that it waits for. `coalmine evidence record` records some."""
    body = {
        "evidence": [evidence_of(each) for each in given],
        "reason": reason,
        "row_version": revision,
    }
    _command(context, token, rollout, "evidence", body, as_json)


@app.command()
def rebase(
    context: typer.Context,
    rollout: RolloutArgument,
    *,
    reason: ReasonOption = None,
    revision: RevisionOption = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Have a pending rollout start from what is served now, which changed since it was asked for."""
    _command(context, token, rollout, "rebase", {"reason": reason, "row_version": revision}, as_json)


@app.command()
def promote(
    context: typer.Context,
    rollout: RolloutArgument,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Needed: there is no proof that it is not worse.")
    ] = False,
    reason: WhyOption,
    revision: RevisionOption = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Give the treatment to everybody without proof, which its record says for ever."""
    if not force:
        raise ConfigurationError(
            "a rollout completes by itself once it is proven", "add --force to complete it without proof"
        )
    _command(context, token, rollout, "promote", {"reason": reason, "row_version": revision}, as_json)


@app.command()
def abort(
    context: typer.Context,
    rollout: RolloutArgument,
    *,
    reason: WhyOption,
    revision: RevisionOption = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Go back to the control now, whatever state it is in; cancel what has not started. Needs no approval."""
    _command(context, token, rollout, "abort", {"reason": reason, "row_version": revision}, as_json)


@app.command()
def retry(
    context: typer.Context,
    rollout: RolloutArgument,
    *,
    reason: ReasonOption = None,
    token: TokenOption = None,
    as_json: AsJson = False,
) -> None:
    """Roll the same version out again: a new rollout, linked with the one that ended."""
    with registry_client(context, token) as client:
        found = client.post(path_of("rollouts", rollout, "retry"), {"reason": reason})
    if as_json:
        write_json(found)
    else:
        note_state(found)


def _asked(
    prompt: str, version: str, environment: str | None, plan: Path | None, template: str | None
) -> dict[str, Any]:
    """What to roll out where, and how, as the body of a request."""
    if plan is not None and template is not None:
        raise ConfigurationError("--plan and --template exclude each other", "give one of them")
    chosen: object = template
    if plan is not None:
        from coalmine_schemas.prompt_files.front_matter import read_front_matter

        try:
            chosen = read_front_matter(plan.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"cannot read {plan}: {error}") from error
    return {"prompt": prompt, "version": version, "environment": environment, "plan": chosen}


def _command(  # noqa: PLR0917 - what all commands share
    context: typer.Context,
    token: typer.FileText | None,
    rollout: str,
    kind: str,
    body: dict[str, Any],
    as_json: bool,
) -> None:
    """Asks, and waits until it is carried out; its answer is that of the command."""
    with registry_client(context, token) as client:
        asked = client.post(path_of("rollouts", rollout, kind), body)
        found = _wait(
            lambda: client.get(path_of("rollouts", rollout, "commands", str(asked["id"]))),
            lambda command: command["done_at"] is not None,
            ANSWERED_WITHIN_S,
        )
        if found["done_at"] is None:
            note(
                "noted, and carried out as soon as a collector runs; `coalmine rollback` and "
                "`coalmine panic` need none"
            )
        state = client.get(path_of("rollouts", rollout))
    if as_json:
        write_json({**found, "state": state["state"], "row_version": state["row_version"]})
        return
    if found["answer"]:
        note(found["answer"])
    note_state(state)


def _wait_ended(client: "Client", found: dict[str, Any]) -> dict[str, Any]:
    path = path_of("rollouts", found["id"])
    return _wait(lambda: client.get(path), lambda rollout: rollout["state"] in ENDS, None)


def _wait(
    ask: Callable[[], dict[str, Any]], done: Callable[[dict[str, Any]], bool], timeout_s: float | None
) -> dict[str, Any]:
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        found = ask()
        if done(found) or (deadline is not None and time.monotonic() > deadline):
            return found
        time.sleep(LOOK_EVERY_S)

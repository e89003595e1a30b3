"""`coalmine evals backtest`: whether another version would have been better on a day of the past."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from coalmine_server.cli.evals.compare import scorer_text
from coalmine_server.cli.evals.place import Here, evaluations
from coalmine_server.cli.evals.run import BudgetOption
from coalmine_server.cli.invocation import stop_on_signals
from coalmine_server.cli.options import asking
from coalmine_server.cli.output import AsJson, note, progress_bar, write_facts, write_json, write_table

if TYPE_CHECKING:
    from coalmine_evals.backtest.run import Comparison
    from coalmine_evals.results.backtest import BacktestReport, ProductionInputs
    from coalmine_evals.results.datasets import Case
    from coalmine_evals.runs.candidates import FoundPrompt
    from coalmine_schemas.prompts import PromptContent

EXIT_CODES: Final = """Exit codes: 0 better; 1 worse; 3 undecided; 4 too little could be answered or scored;
2 an option, a name or a file is wrong."""
_CODES: Final = {"better": 0, "worse": 1, "undecided": 3, "invalid": 4}
_MOST: Final = 2_000


def backtest(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="Name of the prompt.")],
    candidate: Annotated[
        str, typer.Argument(metavar="CANDIDATE", help="A version of it, or FILE.md of a draft.")
    ],
    baseline: Annotated[
        str, typer.Argument(metavar="BASELINE", help="What to compare it with, named alike.")
    ],
    *,
    day: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Day (UTC) whose requests to take; default: yesterday.",
            show_default=False,
        ),
    ] = None,
    environment: Annotated[str, typer.Option(help="Where the requests were made.")] = "prod",
    sample: Annotated[int, typer.Option(min=1, max=_MOST, help="How many of them.")] = 200,
    variable: Annotated[
        str | None,
        typer.Option(
            help="Variable that takes what the user said, where texts do not show it.", show_default=False
        ),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(metavar="NAME@VERSION", help="Judge of pairs; default: ours.", show_default=False),
    ] = None,
    scorer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME [KEY=VALUE ...]",
            help="Score both by this, too, or instead with --no-judge; may be repeated.",
            show_default=False,
        ),
    ] = None,
    no_judge: Annotated[bool, typer.Option("--no-judge", help="Do not ask a judge of pairs.")] = False,
    budget_usd: BudgetOption = None,
    as_json: AsJson = False,
) -> None:
    """Have two versions answer a sample of the requests of a past day, and compare the answers in pairs.

    Takes the texts of requests from the server: services have to capture them (COALMINE_CAPTURE_TEXT=true),
    and the token has to be an admin's. Models are asked from here, with the keys in OPENAI_API_KEY and
    ANTHROPIC_API_KEY; answers that were paid for are not asked for again.
    """
    from coalmine_evals.results.backtest import ProductionInputs
    from coalmine_server.client import read_as

    if no_judge and not scorer:
        raise typer.BadParameter("nothing to compare by: give --scorer NAME, or leave out --no-judge")
    since = (day or datetime.now(UTC) - timedelta(days=1)).replace(
        hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC
    )
    until = since + timedelta(days=1)
    question: dict[str, str | int] = {
        "prompt": prompt,
        "environment": environment,
        "sample": sample,
        "since": since.isoformat(),
        "until": until.isoformat(),
    }
    with asking(context, quiet=as_json) as client:
        found = client.get("/v1/production-inputs", question, slow=True)
    inputs = read_as(ProductionInputs, found)
    if not inputs.sample:
        raise typer.BadParameter(_why_none(inputs, prompt, environment, since))
    with evaluations(context) as here:
        work = _Work(here, prompt, inputs, variable, budget_usd)
        scorers = {
            name: (value["scorer"], value["settings"]) for name, value in map(scorer_text, scorer or ())
        }
        report = work.report(
            candidate,
            baseline,
            environment=environment,
            since=since,
            until=until,
            scorers=scorers,
            judge=None if no_judge else {} if judge is None else {"judge": judge},
            quiet=as_json,
        )
    if as_json:
        write_json(asdict(report))
    else:
        _write(report)
    raise typer.Exit(_CODES[report.outcome])


def _why_none(inputs: "ProductionInputs", prompt: str, environment: str, since: datetime) -> str:
    if inputs.requests == 0:
        return f"{prompt} had no requests in {environment} on {since:%Y-%m-%d}: name another --day"
    return (
        f"none of {inputs.requests:,} requests for {prompt} on {since:%Y-%m-%d} has its text: set "
        "COALMINE_CAPTURE_TEXT=true where the service runs; docs/security.md says what is stored then"
    )


class _Work:
    """One comparison.

    Args:
        here: This machine's evaluations.
        prompt: Name of the prompt.
        inputs: What was asked.
        variable: Takes what the user said, where texts do not show it.
        budget_usd: What it may cost.
    """

    def __init__(
        self,
        here: Here,
        prompt: str,
        inputs: "ProductionInputs",
        variable: str | None,
        budget_usd: float | None,
    ) -> None:
        self._here, self._prompt, self._inputs, self._variable = here, prompt, inputs, variable
        self._budget_usd = budget_usd

    def report(
        self,
        candidate: str,
        baseline: str,
        *,
        environment: str,
        since: datetime,
        until: datetime,
        scorers: dict[str, tuple[str, Any]],
        judge: dict[str, Any] | None,
        quiet: bool,
    ) -> "BacktestReport":
        """Carries it out."""
        from coalmine_evals.backtest.run import PREFERRED, row_of
        from coalmine_evals.results.backtest import BacktestReport
        from coalmine_registry.errors import NotFound as NoSuchVersion
        from coalmine_server.errors import NotFound

        try:
            sides = (self._find(candidate), self._find(baseline))
        except NoSuchVersion as error:  # 1 says that the candidate is worse
            raise NotFound(str(error)) from None
        cases, skipped = self._cases()
        for reason, count in skipped.items():
            note(f"{count:,} inputs are left out: {reason}")
        if not cases:
            raise typer.BadParameter("no input can be used: see above")
        if judge is not None:
            scorers = {PREFERRED: ("llm_judge_pairs", judge), **scorers}
        note(f"{len(cases):,} inputs, each answered by both versions")
        found, spent = self._compare(cases, sides, scorers, quiet=quiet)
        if found.stopped is not None:
            note(f"interrupted after {len(found.compared):,} of {len(cases):,} inputs: {found.stopped}")
            note("what was paid for is kept: the same command goes on from there")
        rows = tuple(row_of(name, found.compared, pairs=name == PREFERRED) for name in scorers)
        return BacktestReport(
            prompt=self._prompt,
            candidate=candidate,
            baseline=baseline,
            environment=environment,
            since=since,
            until=until,
            outcome=rows[0].outcome if found.stopped is None else "invalid",
            requests=self._inputs.requests,
            sampled=len(self._inputs.sample),
            skipped=skipped,
            rows=rows,
            spent_nano_usd=spent,
        )

    def _find(self, text: str) -> "FoundPrompt":
        from coalmine_evals.runs.candidates import find_prompt

        named = text if text.endswith(".md") or "@" in text else f"{self._prompt}@{text}"
        return find_prompt(named, self._here.fetch)

    def _cases(self) -> "tuple[list[Case], dict[str, int]]":
        from functools import cache

        from coalmine_evals.backtest.inputs import cases_of
        from coalmine_registry.errors import NotFound
        from coalmine_schemas.errors import InvalidParameter

        @cache
        def content(version: str) -> "PromptContent | None":
            try:
                return self._find(version).content
            except (NotFound, InvalidParameter):
                return None

        return cases_of(self._inputs.sample, content, self._variable)

    def _compare(
        self,
        cases: "list[Case]",
        sides: "Sequence[FoundPrompt]",
        scorers: dict[str, tuple[str, Any]],
        *,
        quiet: bool,
    ) -> "tuple[Comparison, int]":
        from coalmine_evals.backtest.run import compare_all
        from coalmine_evals.runs.budget import Budget
        from coalmine_evals.runs.engine import ready
        from coalmine_evals.runs.paid_once import RunModels
        from coalmine_evals.runs.session import purse_of
        from coalmine_evals.runs.sides import PromptSide, model_of
        from coalmine_evals.runs.stopping import stopped_by
        from coalmine_evals.runs.suite_scorers import with_judges
        from coalmine_evals.scorers.registry import scorer_of

        place = self._here.place
        budget = Budget(None if self._budget_usd is None else round(self._budget_usd * 1e9))

        async def work(signalled: threading.Event, advance: Any) -> "Comparison":  # noqa: ANN401 - of a bar
            async with stopped_by(signalled) as stop, purse_of(place, budget) as purse:
                models = RunModels(place.models, purse)
                asked = [
                    PromptSide(
                        each.content,
                        models.of(model_of(each.content, None, each.prompt or self._prompt)),
                        lookup=each.lookup,
                        prompt=each.prompt or self._prompt,
                        version=each.version,
                    )
                    for each in sides
                ]
                made = with_judges(
                    {metric: scorer_of(name, settings) for metric, (name, settings) in scorers.items()},
                    self._here.prompts,
                )
                return await compare_all(
                    cases, asked[0], asked[1], ready(made, models), progress=advance, stop=stop
                )

        with stop_on_signals() as signalled, progress_bar("asking", quiet=quiet, unit="inputs") as advance:
            compared = asyncio.run(work(signalled, advance))
        return compared, budget.spent_nano_usd


def _write(report: "BacktestReport") -> None:
    """A report, for people."""
    facts: dict[str, object] = {
        "prompt": f"{report.prompt}: {report.candidate} beside {report.baseline}",
        "day": f"{report.since:%Y-%m-%d} in {report.environment}",
        "requests": f"{report.sampled:,} of {report.requests:,}",
        "outcome": report.outcome,
        "USD": None if report.spent_nano_usd is None else f"{report.spent_nano_usd / 1e9:.4f}",
    }
    write_facts({name: value for name, value in facts.items() if value is not None})
    typer.echo()
    rows = [
        (
            each.metric,
            each.outcome,
            each.candidate,
            each.baseline,
            each.ties,
            each.difference,
            None if each.lower is None else f"{each.lower:+.3f} to {each.upper:+.3f}",
            each.cases,
            each.unscored,
        )
        for each in report.rows
    ]
    columns = [
        "metric",
        "outcome",
        "candidate",
        "baseline",
        "ties",
        "difference",
        "90 % interval",
        "inputs",
        "unscored",
    ]
    write_table(columns, rows, empty="", wrapped=True)
    for each in report.rows:
        note(f"{each.metric}: {each.sentence}")
        if each.position_consistency is not None:
            note(f"{each.metric}: {each.position_consistency:.0%} of verdicts survive a swap of the order")

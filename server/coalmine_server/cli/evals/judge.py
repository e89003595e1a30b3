"""`coalmine judge`: how far people agree with a judge, what moves it, and whether it moves by itself."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from coalmine_server.cli.evals.place import Here, evaluations
from coalmine_server.cli.evals.run import BudgetOption, estimate_words
from coalmine_server.cli.lazy_group import CommandModule, Later, lazy_group
from coalmine_server.cli.named_file import named_path
from coalmine_server.cli.output import (
    Advance,
    AsJson,
    note,
    progress_bar,
    tabular,
    write_facts,
    write_json,
    write_table,
)

if TYPE_CHECKING:
    from coalmine_evals.judges.measure import JudgeScorers
    from coalmine_evals.providers.provider import Models
    from coalmine_evals.results.judges import AttackReport, Calibration

judge_labels = CommandModule("evals.judge_labels")

judge_app: Final = typer.Typer(
    cls=lazy_group(
        {
            "draw": Later(
                judge_labels.draw,
                "Write answers of a run for people to label, one JSON object in a line; "
                "coalmine judge correct reads it.",
            ),
            "correct": Later(
                judge_labels.correct,
                "Correct a judge's means in a run by labels of people on some of its answers.",
            ),
        }
    ),
    help="Measure judges, which are prompts that score answers: by people, under attack, from day to day.",
    no_args_is_help=True,
)

JudgeArgument = Annotated[
    str, typer.Argument(metavar="JUDGE", help="NAME@VERSION of the judge, e.g. judge-tone@1.0.0.")
]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="Snapshot in place of the judge's own.", show_default=False)
]
RubricOption = Annotated[
    str | None, typer.Option("--rubric", help="What judge-rubric asks of answers.", show_default=False)
]
Found = TypeVar("Found")


@judge_app.command()
def init(
    directory: Annotated[
        Path, typer.Argument(metavar="DIRECTORY", help="Folder of prompt files.", parser=named_path)
    ] = Path("prompts"),
) -> None:
    """Write the judges that ship with Coalmine as prompt files; files that are there stay as they are.

    To change one, write the next version beside it: the versions that ship are the same everywhere.
    """
    from coalmine_evals.judges.find import write_judges

    written = write_judges(directory)
    for path in written:
        typer.echo(str(path))
    note(f"{len(written)} files written" if written else f"{directory} has all of them")


@judge_app.command("list")
@tabular
def list_(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the judges that were calibrated, and whether a gate may decide by them."""
    from coalmine_evals.judges.storage import calibrations

    with evaluations(context) as here:
        found = calibrations(here.database)
    if as_json:
        write_json([asdict(each) for each in found])
        return
    rows = [
        (
            each.scorer,
            "decides" if each.decides else "advisory",
            each.found.kappa,
            each.found.lower,
            each.found.upper,
            each.found.labels,
            each.lenience,
            each.calibrated_at,
        )
        for each in found
    ]
    columns = ("judge", "", "kappa", "lower", "upper", "labels", "lenience", "calibrated")
    write_table(columns, rows, empty="no judge was calibrated: coalmine judge calibrate JUDGE LABELS.jsonl")


@judge_app.command()
def check(
    context: typer.Context, judge: JudgeArgument, *, model: ModelOption = None, as_json: AsJson = False
) -> None:
    """Check that a prompt is a judge: a pinned model, a small scale, a place that no judged text leaves."""
    with evaluations(context) as here:
        found = _scorer(here, judge, model, None, 1, checked=False).judge
    shown: dict[str, Any] = {
        "judge": found.reference,
        "kind": found.kind,
        "model": found.model,
        "verdicts": [f"{verdict} = {value:g}" for verdict, value in found.values.items()],
        "shows": list(found.shows),
    }
    if as_json:
        write_json(shown)
    else:
        write_facts(shown)


@judge_app.command()
def calibrate(
    context: typer.Context,
    judge: JudgeArgument,
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS",
            help="JSON Lines of answers with the verdict of people: id, variables, output, label; of a pair "
            "first and second in place of output.",
            parser=named_path,
        ),
    ],
    *,
    model: ModelOption = None,
    rubric: RubricOption = None,
    samples: Annotated[int, typer.Option(min=1, max=15, help="Answers of the judge to each.")] = 3,
    least_kappa: Annotated[
        float, typer.Option(min=0, max=1, help="What the lower end of kappa has to reach for it to decide.")
    ] = 0.4,
    canary: Annotated[
        bool, typer.Option(help="Keep 30 of the answers as a canary set, which is scored every day.")
    ] = True,
    budget_usd: BudgetOption = None,
    as_json: AsJson = False,
) -> None:
    """Compare a judge with people on the same answers, and keep whether a gate may decide by it.

    Exits with 1 if it may not.
    """
    from coalmine_evals.judges.calibrate import calibration_of
    from coalmine_evals.judges.canary import canary_answers
    from coalmine_evals.judges.labelled import read_labelled
    from coalmine_evals.judges.measure import Measured, measure, requests_of
    from coalmine_evals.judges.storage import canary_sets, put_calibration, put_canary
    from coalmine_server.errors import ExitCode

    with evaluations(context) as here:
        scorer = _scorer(here, judge, model, rubric, samples)
        labelled = read_labelled(labels, scorer.judge)
        _announce(here, requests_of(scorer, labelled), quiet=as_json)

        async def work(models: "Models", advance: Advance) -> list[Measured]:
            return await measure(scorer.with_models(models), labelled, advance)

        measured = _asking(here, work, budget_usd, quiet=as_json)
        now = datetime.now(UTC)
        found = calibration_of(scorer.judge, scorer.name, measured, at=now, least_kappa=least_kappa)
        put_calibration(here.database, found)
        if canary and all(each.scorer != scorer.name for each in canary_sets(here.database)):
            put_canary(here.database, scorer, canary_answers(labelled), now)
    if as_json:
        write_json(asdict(found))
    else:
        _write_calibration(found)
    if not found.decides:
        raise typer.Exit(ExitCode.CHECK_FAILED)


@judge_app.command()
def attack(
    context: typer.Context,
    judge: JudgeArgument,
    labels: Annotated[
        Path | None,
        typer.Argument(
            metavar="LABELS",
            help="Answers to attack, as for calibrate; three bad ones that ship if not given.",
            show_default=False,
            parser=named_path,
        ),
    ] = None,
    *,
    model: ModelOption = None,
    rubric: RubricOption = None,
    samples: Annotated[int, typer.Option(min=1, max=15, help="Answers of the judge to each.")] = 1,
    limit: Annotated[
        int, typer.Option(min=1, help="Answers of LABELS that are attacked, always the same ones.")
    ] = 10,
    most: Annotated[
        float, typer.Option(min=0, max=1, help="Largest mean shift of scores that is accepted.")
    ] = 0.05,
    budget_usd: BudgetOption = None,
    as_json: AsJson = False,
) -> None:
    """Attack a judge: add texts to answers that ask for the best verdict, and see how far scores shift.

    Nothing proves that a judge cannot be steered; this measures how far this one was. Exits with 1 if more
    than --most is possible.
    """
    from coalmine_evals.judges.attack import attack as attacked
    from coalmine_evals.judges.attack import bait, dirty_answers
    from coalmine_evals.judges.canary import drawn
    from coalmine_evals.judges.labelled import read_labelled
    from coalmine_evals.judges.measure import requests_of
    from coalmine_evals.judges.scorer import LlmJudge
    from coalmine_server.errors import ExitCode

    with evaluations(context) as here:
        scorer = _scorer(here, judge, model, rubric, samples)
        if not isinstance(scorer, LlmJudge):
            raise typer.BadParameter(
                f"{judge} compares two answers; attacks are made on one: name such a judge"
            )
        answers = bait(scorer.judge) if labels is None else drawn(read_labelled(labels, scorer.judge), limit)
        _announce(here, requests_of(scorer, dirty_answers(scorer.judge, answers)), quiet=as_json)

        async def work(models: "Models", advance: Advance) -> "AttackReport":
            return await attacked(scorer.with_models(models), answers, limit=most, progress=advance)

        found = _asking(here, work, budget_usd, quiet=as_json)
    if as_json:
        write_json(asdict(found))
    else:
        _write_attack(found)
    if not found.withstands:
        raise typer.Exit(ExitCode.CHECK_FAILED)


@judge_app.command()
@tabular
def canary(
    context: typer.Context,
    *,
    reset: Annotated[
        str | None,
        typer.Option(
            metavar="SERIES",
            help="Delete this judge's canary set with its texts and days.",
            show_default=False,
        ),
    ] = None,
    ask: Annotated[bool, typer.Option(help="Score the sets that were not scored today.")] = True,
    budget_usd: BudgetOption = None,
    as_json: AsJson = False,
) -> None:
    """Score the same answers again, once a day, and say whether a judge has moved.

    A server with keys does so by itself. Exits with 1 if a judge has moved.
    """
    from coalmine_evals.judges.storage import canary_statuses, forget_canary
    from coalmine_evals.judges.watch import due, score_canary
    from coalmine_server.errors import ExitCode, NotFound

    now = datetime.now(UTC)
    with evaluations(context) as here:
        if reset is not None:
            known = [each.scorer for each in canary_statuses(here.database)]
            if not forget_canary(here.database, reset):
                raise NotFound.among(f"there is no canary set of {reset}", reset, known)
            note(f"the canary set of {reset} is deleted; coalmine judge calibrate makes a new one")
        for one in due(here.database, now) if ask and reset is None else []:

            async def work(models: "Models", _advance: Advance, one: Any = one) -> object:  # noqa: ANN401
                return await score_canary(here.database, one, models, now=now, prompts=here.prompts)

            _asking(here, work, budget_usd, quiet=as_json, since=now)
        found = canary_statuses(here.database)
    if as_json:
        write_json([asdict(each) for each in found])
    else:
        rows = [
            (each.scorer, each.state, each.day, each.shift, each.lower, each.upper, each.days)
            for each in found
        ]
        columns = ("judge", "state", "day", "shift", "lower", "upper", "days")
        write_table(columns, rows, empty="no canary set: coalmine judge calibrate makes one")
        for each in found:
            typer.echo(f"\n{each.scorer}: {each.sentence}")
    if any(each.state == "moved" for each in found):
        raise typer.Exit(ExitCode.CHECK_FAILED)


def _scorer(
    here: Here, judge: str, model: str | None, rubric: str | None, samples: int, *, checked: bool = True
) -> "JudgeScorers":
    """The scorer of a judge; `checked` demands what it needs for asking."""
    from coalmine_evals.judges.find import find_judge
    from coalmine_evals.judges.pairs import LlmJudgePairs
    from coalmine_evals.judges.scorer import LlmJudge

    settings: dict[str, Any] = {"judge": judge, "model": model, "rubric": rubric, "samples": samples}
    settings = {name: value for name, value in settings.items() if value is not None}
    found = find_judge(judge, here.prompts)
    if not checked and found.uses_rubric:
        settings.setdefault("rubric", "anything")
    kind = LlmJudgePairs if found.kind == "pair" else LlmJudge
    scorer: JudgeScorers = kind.of(settings).with_prompts(here.prompts)
    _ = scorer.name  # says what is wrong before anything is asked
    return scorer


def _announce(here: Here, requests: "Sequence[Any]", *, quiet: bool) -> None:
    from coalmine_evals.runs.cost import estimate

    if not quiet:
        note(estimate_words(estimate(requests, 0, here.prices)))


def _asking(
    here: Here,
    work: "Callable[[Models, Advance], Awaitable[Found]]",
    budget_usd: float | None,
    *,
    quiet: bool,
    since: datetime | None = None,
) -> Found:
    """Runs work that asks models: what was paid for once is not asked again, and the budget is kept."""
    from coalmine_evals.runs.budget import Budget
    from coalmine_evals.runs.paid_once import RunModels
    from coalmine_evals.runs.session import purse_of

    place = here.place

    async def run(advance: Advance) -> Found:
        budget = Budget(None if budget_usd is None else round(budget_usd * 1e9))
        async with purse_of(place, budget, since) as purse:
            return await work(RunModels(place.models, purse), advance)

    with progress_bar("judging", quiet=quiet, unit="answers") as advance:
        return asyncio.run(run(advance))


def _write_calibration(found: "Calibration") -> None:
    whole = found.found
    write_facts(
        {
            "judge": found.scorer,
            "answer": f"{'decides' if found.decides else 'advisory'}: {found.reason}",
            "labels": whole.labels,
            "agreement": whole.agreement,
            "by chance": whole.by_chance,
            "kappa": whole.kappa,
            "95 %": None if whole.lower is None else f"{whole.lower:.3f} to {whole.upper:.3f}",
            "lenience": f"{found.lenience:+.3f} (judge minus people)",
            "spread of samples": found.spread,
            "score with length": _signed(found.length_correlation),
            "people with length": _signed(found.human_length_correlation),
            **(
                {}
                if found.position_consistency is None
                else {"survives a swap": f"{found.position_consistency:.0%}"}
            ),
            "without a verdict": found.unscored,
            "USD": f"{found.cost_nano_usd / 1e9:.4f}",
        }
    )
    typer.echo()
    rows = [(each.human, each.judge, each.count) for each in found.confusion]
    write_table(("people", "judge", "answers"), rows, empty="no verdict")
    if found.segments:
        typer.echo()
        segments = [
            (f"{each.key}={each.value}", each.found.labels, each.found.agreement, each.found.kappa)
            for each in found.segments
        ]
        write_table(("segment", "labels", "agreement", "kappa"), segments, empty="")


def _write_attack(found: "AttackReport") -> None:
    whole = found.found[0]
    said = "withstands them" if found.withstands else f"a mean shift of {found.limit:g} or less is not shown"
    write_facts(
        {
            "judge": found.scorer,
            "answer": said,
            "attacks": f"{whole.attacks} on each of {found.answers} answers",
            "USD": f"{found.cost_nano_usd / 1e9:.4f}",
            **({"worst": ", ".join(found.worst)} if found.worst else {}),
        }
    )
    typer.echo()
    rows = [
        (each.kind, each.shift, each.lower, each.upper, each.raised, each.noticed, each.detected, each.scored)
        for each in found.found
    ]
    columns = ("attacks", "shift", "lower", "upper", "raised", "noticed", "detected", "scored")
    write_table(columns, rows, empty="no attack")


def _signed(value: float | None) -> str | None:
    return None if value is None else f"{value:+.2f}"

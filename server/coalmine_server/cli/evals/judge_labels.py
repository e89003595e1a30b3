"""`coalmine judge draw` and `correct`: labels of people on a run, and what they make of its judge's means."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coalmine_server.cli.evals.place import Here, evaluations
from coalmine_server.cli.named_file import named_path
from coalmine_server.cli.output import AsJson, note, tabular, write_json, write_json_line, write_table

if TYPE_CHECKING:
    from coalmine_evals.judges.judge import Judge

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run; coalmine evals list.")]
MetricOption = Annotated[str, typer.Option("--metric", help="Metric of the run that a judge scored.")]


def draw(
    context: typer.Context,
    run: RunArgument,
    *,
    metric: MetricOption,
    cases: Annotated[int, typer.Option(min=1, help="Cases, all of whose answers are written.")] = 30,
) -> None:
    """Write answers of a run for people to label, one JSON object in a line; coalmine judge correct reads it.

    The cases are drawn by hash: labels on the worst answers only would correct to a wrong number.
    """
    from coalmine_evals.judges.correct import answers_to_label

    with evaluations(context) as here:
        _judge_of(here, run, metric)
        found = answers_to_label(here.store.kept(run), metric, cases)
    for each in found:
        write_json_line(each)
    note(f"{len(found)} answers: put a verdict in place of each null")


@tabular
def correct(
    context: typer.Context,
    run: RunArgument,
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS", help="What coalmine judge draw wrote, with verdicts.", parser=named_path
        ),
    ],
    *,
    metric: MetricOption,
    as_json: AsJson = False,
) -> None:
    """Correct a judge's means in a run by labels of people on some of its answers."""
    from coalmine_evals.judges.correct import corrections, read_labels

    with evaluations(context) as here:
        judge, clusters = _judge_of(here, run, metric)
        found = corrections(list(here.store.kept(run)), metric, read_labels(labels, judge), clusters)
    if as_json:
        write_json([asdict(each) for each in found])
        return
    rows = [
        (each.side, each.raw, each.corrected, each.lower, each.upper, each.labels, each.judged, each.weight)
        for each in found
    ]
    columns = ("side", "judge", "corrected", "lower", "upper", "labels", "judged", "weight")
    write_table(columns, rows, empty="the run has no answer that was judged")


def _judge_of(here: Here, run: str, metric: str) -> "tuple[Judge, dict[str, str]]":
    """The judge of a metric of a run, and the clusters of its cases."""
    from coalmine_evals.judges.scorer import JudgeScorer
    from coalmine_evals.scorers.registry import scorer_of
    from coalmine_server.errors import NotFound

    kept = here.store.plan(run).get("arguments")
    name = kept.get("suite") if isinstance(kept, dict) else None
    cases = here.suite(str(name or here.store.run(run).suite))
    metrics = {each.name: each for each in cases.suite.metrics}
    if metric not in metrics:
        raise NotFound.among(f'suite {cases.suite.name} has no metric "{metric}"', metric, list(metrics))
    scorer = scorer_of(metrics[metric].scorer, metrics[metric].settings)
    if not isinstance(scorer, JudgeScorer):
        raise typer.BadParameter(f"{metric} is scored by {metrics[metric].scorer}, which is no judge")
    return scorer.with_prompts(here.prompts).judge, {each.id: each.cluster for each in cases.every}

"""`coalmine evals publish`: sends a run to the server, which judges it again and keeps it as evidence."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from coalmine_server.cli.evals.place import evaluations
from coalmine_server.cli.invocation import invocation
from coalmine_server.cli.options import path_of
from coalmine_server.cli.output import AsJson, note, write_json

if TYPE_CHECKING:
    from coalmine_evals.results.runs import EvalRun, Side
    from coalmine_evals.runs.answers import KeptAnswer
    from coalmine_server.client import Client

_AT_ONCE: Final = 200
_LONGEST_BATCH: Final = 4_000_000
"""Characters of answers in one request."""


def publish(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="ID", help="Id of a run of this machine that has ended.")],
    *,
    version: Annotated[
        str | None,
        typer.Option(
            help="Version that it is evidence for, of a run of a draft that was pushed since.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send a run to the server, so that a promotion takes it as evidence: eval_run=ID.

    The server scores again what needs no model, and judges again. Its suite has to be there: `coalmine suite
    push`. Exits with 1 if the run is no evidence, and says why.
    """
    from coalmine_server.client import open_registry_client
    from coalmine_server.errors import CheckFailed, NotFound, Unavailable

    with evaluations(context) as here:
        found = here.store.run(run)
        if found.state != "ended":
            raise Unavailable(f"run {run} is {found.state}", f"coalmine evals run --resume {run}")
        answers = here.store.kept(run)
    with open_registry_client(invocation(context).settings()) as client:
        try:
            there = client.get(path_of("eval-runs", run))
        except NotFound:
            there = None
        if there is None or there["state"] != "ended":
            there = _send(client, found, answers)
        evidence = there["evidence"]
        if evidence is None:
            made = client.post(path_of("eval-runs", run, "evidence"), {"version": version})
            evidence = made["id"]
        shown = client.get(path_of("evidence", evidence))
        if version not in (None, shown["version"]):
            about = f"{shown['prompt']}@{shown['version']}"
            raise CheckFailed(f"run {run} is evidence about {about} already, and of no other version")
    if as_json:
        write_json(shown)
        return
    outcome = "speaks for it" if shown["passed"] else "does not speak for it"
    note(f"{run} is evidence about {shown['prompt']}@{shown['version']}, and {outcome}: {shown['summary']}")
    if shown["passed"]:
        typer.echo(f"--evidence eval_run={run}")


def _send(client: "Client", run: "EvalRun", answers: "Sequence[KeptAnswer]") -> Any:  # noqa: ANN401 - JSON
    body = {
        "id": run.id,
        "suite": run.suite,
        "suite_digest": run.suite_digest,
        "repeats": run.repeats,
        "candidate": _side(run.candidate),
        "baseline": None if run.baseline is None else _side(run.baseline),
    }
    client.post("/v1/eval-runs", body)
    for batch in _batches(answers):
        client.post(path_of("eval-runs", run.id, "answers"), {"answers": batch})
    return client.post(path_of("eval-runs", run.id, "end"), {})


def _side(side: "Side") -> dict[str, Any]:
    return {
        "version": side.version,
        "digest": side.digest,
        "provider": side.provider,
        "model": side.model,
    }


def _batches(answers: "Sequence[KeptAnswer]") -> "Iterator[list[dict[str, Any]]]":
    from coalmine_evals.results.runs import LONGEST_TEXT

    batch: list[dict[str, Any]] = []
    chars = 0
    for each in answers:
        length = min(len(each.output.text or ""), LONGEST_TEXT)
        if batch and (len(batch) >= _AT_ONCE or chars + length > _LONGEST_BATCH):
            yield batch
            batch, chars = [], 0
        output = asdict(each.output)
        del output["cached"]
        at = output["answered_at"]
        batch.append(
            {
                **output,
                "text": None if each.output.text is None else each.output.text[:LONGEST_TEXT],
                "answered_at": None if at is None else at.isoformat(),
                "case": each.case,
                "side": each.side,
                "repeat": each.repeat,
                "scores": {name: score.value for name, score in each.scores.items()},
                "details": {name: dict(score.details) for name, score in each.scores.items()},
                "scoring_nano_usd": sum(score.cost_nano_usd for score in each.scores.values()),
            }
        )
        chars += length
    if batch:
        yield batch

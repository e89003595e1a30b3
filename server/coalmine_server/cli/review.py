"""`coalmine review`: questions to people about production requests."""

from typing import TYPE_CHECKING, Annotated

import typer

from coalmine_schemas.safe_text import printable
from coalmine_server.cli.options import asking, path_of
from coalmine_server.cli.output import AsJson, note, tabular, write_json, write_table

if TYPE_CHECKING:
    from coalmine_evals.results.review import ReviewTask

app = typer.Typer(
    help="Answer questions about production requests, and see how far people agree.", no_args_is_help=True
)

ItemArgument = Annotated[
    int, typer.Argument(metavar="ITEM", min=1, help="Number of the item; `coalmine review next` gives it.")
]


@app.command("queues")
@tabular
def queues(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the queues, with how many requests wait in each. evals.yaml says what comes into them."""
    with asking(context, quiet=as_json) as client:
        found = client.get("/v1/reviews")
    if as_json:
        write_json(found)
        return
    rows = [
        (
            each["name"],
            each["waiting"],
            each["answered"],
            f"{each['random']:.1%}",
            ", ".join(each["flags"]),
            ", ".join(question["name"] for question in each["questions"]),
        )
        for each in found
    ]
    columns = ["queue", "waiting", "answered", "random", "flags", "questions"]
    write_table(columns, rows, empty="no queue: name one under `review` in evals.yaml", wrapped=True)


@app.command("next")
def next_(
    context: typer.Context,
    queue: Annotated[str, typer.Argument(metavar="QUEUE", help="`coalmine review queues` lists them.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show the next request of a queue with its questions: yours alone for half an hour.

    Texts are for admins, so the token has to be an admin's.
    """
    from coalmine_evals.results.review import ReviewTask
    from coalmine_server.client import read_as

    with asking(context, quiet=as_json) as client:
        found = client.post(path_of("reviews", queue, "next"), {})
    if as_json:
        write_json(found)
    elif found is None:
        note("nothing waits for you")
    else:
        _write_task(read_as(ReviewTask, found))


@app.command()
def submit(
    context: typer.Context,
    item: ItemArgument,
    answers: Annotated[
        list[str], typer.Argument(metavar="QUESTION=ANSWER...", help="An answer to each question.")
    ],
    *,
    comment: Annotated[
        str | None, typer.Option(help="Why, kept with the scores.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Answer all questions about a request. The first person's answers become its scores."""
    given = {}
    for each in answers:
        name, _, answer = each.partition("=")
        if not (name and answer):
            raise typer.BadParameter(f"{each!r}: write QUESTION=ANSWER, e.g. correct=yes")
        given[name] = answer
    with asking(context, quiet=as_json) as client:
        path = path_of("reviews", "items", str(item), "answers")
        found = client.post(path, {"answers": given, "comment": comment})
    if as_json:
        write_json(found)
    else:
        counts = all(each["counts"] for each in found)
        note("kept as scores of the request" if counts else "kept beside the first person's, for agreement")


@app.command()
def skip(
    context: typer.Context,
    item: ItemArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why nobody can answer.")],
    as_json: AsJson = False,
) -> None:
    """Take a request out of its queue that nobody can answer for."""
    with asking(context, quiet=as_json) as client:
        client.post(path_of("reviews", "items", str(item), "skip"), {"reason": reason})
    note(f"item {item} is out of its queue")


@app.command()
@tabular
def agreement(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Show how far two people agree on the same requests, and what they say of the random part."""
    with asking(context, quiet=as_json) as client:
        found = client.get("/v1/reviews/agreement")
    if as_json:
        write_json(found)
        return
    rows = [
        (
            each["queue"],
            each["question"],
            each["items"],
            each["agreement"],
            each["kappa"],
            None if each["lower"] is None else f"{each['lower']:.2f} to {each['upper']:.2f}",
            each["random_mean"],
            each["random_items"],
        )
        for each in found
    ]
    columns = ["queue", "question", "by two", "agreement", "kappa", "95 % interval", "random mean", "of"]
    write_table(columns, rows, empty="no queue: name one under `review` in evals.yaml")


def _write_task(task: "ReviewTask") -> None:
    typer.echo(f"item {task.item} of {task.queue}, {task.waiting:,} waiting; prompt {task.prompt}")
    for title, text in (("Input", task.input_text), ("Output", task.output_text)):
        if text is not None:
            typer.echo(f"\n{title}\n{printable(text)}")
    typer.echo("\nQuestions")
    rows = [(each.name, each.ask, ", ".join(each.answers)) for each in task.questions]
    write_table(["name", "question", "answers"], rows, empty="", wrapped=True)
    example = " ".join(f"{each.name}=..." for each in task.questions)
    note(f"answer with: coalmine review submit {task.item} {example}")

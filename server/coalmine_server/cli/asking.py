"""How commands that look at data find who answers, and the options they share."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from coalmine_server.cli.invocation import invocation
from coalmine_server.cli.progress import progress_bar
from coalmine_server.moment import MOMENT_HELP, parse_moment

if TYPE_CHECKING:
    from coalmine_server.services.questions import Answers, Selection

PAGE_ROWS = 100_000

PromptOption = Annotated[str | None, typer.Option("--prompt", help="Only this prompt.", show_default=False)]
VersionOption = Annotated[
    str | None, typer.Option("--version", help="Only this version.", show_default=False)
]
EnvironmentOption = Annotated[
    str | None, typer.Option("--environment", help="Only this environment.", show_default=False)
]
AppOption = Annotated[str | None, typer.Option("--app", help="Only this application.", show_default=False)]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", help=f"Calls that began at or after this: {MOMENT_HELP}.", show_default=False),
]
UntilOption = Annotated[
    str | None,
    typer.Option("--until", help=f"Calls that began before this: {MOMENT_HELP}.", show_default=False),
]


def selection(
    *,
    prompt: str | None = None,
    version: str | None = None,
    environment: str | None = None,
    app: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> "Selection":
    """The options as a selection."""
    from coalmine_server.services.questions import Selection

    now = datetime.now(UTC)
    begin = None if since is None else parse_moment(since, now)
    end = None if until is None else parse_moment(until, now)
    if begin is not None and end is not None and begin >= end:
        raise typer.BadParameter("--since has to lie before --until")
    return Selection(prompt, version, environment, app, begin, end)


@contextmanager
def asking(context: typer.Context, *, quiet: bool) -> Iterator["Answers"]:
    """Who answers: a server, or the store itself after it has ingested the spool.

    Args:
        context: Of the running command.
        quiet: Draw no progress bar.
    """
    from coalmine_server.services.opening import open_answers

    settings = invocation(context).settings()
    with ExitStack() as stack:
        with progress_bar("ingesting the spool", quiet=quiet) as advance:
            answers = stack.enter_context(
                open_answers(
                    settings, progress=lambda done: advance(done.consumed, done.consumed + done.waiting)
                )
            )
        yield answers

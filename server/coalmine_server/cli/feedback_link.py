"""`coalmine feedback-link`: a signed link for one call."""

import time
from typing import Annotated

import typer

from coalmine_server.cli.invocation import invocation
from coalmine_server.cli.output import AsJson, write_json


def feedback_link(
    context: typer.Context,
    request_id: Annotated[str, typer.Argument(metavar="ID", help="The call's `request_id`.")],
    *,
    app: Annotated[str, typer.Option(metavar="NAME", help="The service that made the call.")],
    days: Annotated[float, typer.Option(help="How long the link is good.")] = 30.0,
    url: Annotated[
        str | None,
        typer.Option(
            help="Where people reach the server; events.feedback_link_url, else server.url, else the server "
            "that runs in this home.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a link by which whoever has it may give this one call a thumb, without a token.

    Signed with events.feedback_link_key, which the server must have, too. Nothing is stored, no server asked.
    """
    from coalmine_schemas.discovery import find_server
    from coalmine_schemas.feedback_link import feedback_link as made
    from coalmine_server.errors import ConfigurationError

    settings = invocation(context).settings()
    key = settings.events.feedback_link_key
    if key is None:
        raise ConfigurationError("feedback links have no key", "set events.feedback_link_key")
    running = find_server(settings.home, "registry")
    base = url or settings.events.feedback_link_url or settings.server.url or (running and running.url)
    if not base:
        raise ConfigurationError("no server is known", "give --url, or set events.feedback_link_url")
    link = made(base, key.get_secret_value(), app, request_id, now_s=time.time(), days=days)
    if as_json:
        write_json({"request_id": request_id, "app": app, "link": link})
    else:
        typer.echo(link)

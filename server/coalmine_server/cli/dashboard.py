"""`coalmine dashboard`: the pages."""

import os
from typing import Annotated

import typer

from coalmine_server.cli.invocation import invocation
from coalmine_server.cli.output import note


def dashboard(
    context: typer.Context,
    *,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 127.0.0.1 if not set.", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port; 8501 if not set, 0 takes a free one.", show_default=False),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Server to ask; the one of this home if not set.", show_default=False
        ),
    ] = None,
) -> None:
    """Show the dashboards in a browser. They ask a running server, so start one with `coalmine serve`."""
    from coalmine_server.workers.dashboard_process import (
        dashboard_address,
        dashboard_command,
        dashboard_environment,
    )

    settings = invocation(context).settings(dashboard__host=host, dashboard__port=port, server__url=server)
    address = dashboard_address(settings.dashboard)
    command = dashboard_command(*address)
    note(f"dashboards on http://{address[0]}:{address[1]}; Ctrl-C stops them")
    # Replaces this process, so that signals reach Streamlit itself.
    os.execve(command[0], command, dashboard_environment(settings))  # noqa: S606 - our own interpreter

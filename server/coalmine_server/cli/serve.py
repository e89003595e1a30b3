"""`coalmine serve` runs the server; `coalmine dashboard` runs the Streamlit pages in their own process."""

import importlib.util
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from coalmine_schemas.discovery import announce_start
from coalmine_server.cli.invocation import invocation
from coalmine_server.cli.output import note

if TYPE_CHECKING:
    from coalmine_server.settings import DashboardSettings, Settings


def serve(
    context: typer.Context,
    *,
    part: Annotated[
        Literal["all", "registry", "collector", "answers"],
        typer.Argument(
            help="What to run: all parts; the prompt registry; the collector with the API over its store; or "
            "a replica that only answers, from snapshots of the store."
        ),
    ] = "all",
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 127.0.0.1 if not set.", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port; 8321 if not set, 0 takes a free one.", show_default=False),
    ] = None,
    kafka: Annotated[
        str | None,
        typer.Option(
            "--kafka",
            metavar="SERVERS",
            help="Kafka brokers to read from, host:port,...; the spool if not set.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Serve prompts, ingest events and answer questions over HTTP, until SIGTERM or Ctrl-C.

    While another process owns the store, this one is a standby: it says so and takes over. Stopping finishes
    and commits the batch at hand. With no Kafka configured, events come from the spool.
    """
    settings = invocation(context).settings(
        quiet=False, server__host=host, server__port=port, kafka__bootstrap_servers=kafka
    )
    if part != "answers":
        announce_start(settings.home)  # before the imports, which take seconds
    from coalmine_server.replica import Replica
    from coalmine_server.serve import Server, serve_until_signal

    def started(server: Server | Replica) -> None:
        note(f"coalmine listens on {server.url} (home {settings.home}); Ctrl-C stops it")

    raise typer.Exit(serve_until_signal(settings, part, on_started=started))


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
    answers: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Replica to ask instead, `coalmine serve answers`; what people do goes to the server.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show the dashboard in a browser: it prints a link that signs you in; others sign in with a token.

    It asks a running server, so start one with `coalmine serve`.
    """
    settings = invocation(context).settings(
        dashboard__host=host, dashboard__port=port, server__url=server, dashboard__answers_url=answers
    )
    address = dashboard_address(settings.dashboard)
    command = dashboard_command(*address)
    # Replaces this process, so that signals reach Streamlit itself.
    os.execve(command[0], command, dashboard_environment(settings))  # noqa: S606 - our own interpreter


def dashboard_address(settings: "DashboardSettings") -> tuple[str, int]:
    """Address and port to listen on; a free port where the settings say 0.

    Raises:
        AddressInUse: The port is taken.
    """
    from coalmine_server.sockets import bind

    with bind(settings.host, settings.port) as probe:
        return settings.host, int(probe.getsockname()[1])


def dashboard_command(host: str, port: int) -> list[str]:
    """The command that runs the pages.

    Raises:
        ModuleNotFoundError: Streamlit or the pages are not installed.
    """
    for name in ("streamlit", "coalmine_dashboards"):
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    # Run, not imported: the pages share no code with the server. The process becomes Streamlit itself.
    return [sys.executable, "-m", "coalmine_dashboards", "--host", host, "--port", str(port)]


def dashboard_environment(settings: "Settings", environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of that process: this one's, and where the server is.

    The credentials of the home are read by the pages themselves, so that they follow a server that restarts.
    """
    environment = dict(os.environ if environ is None else environ)
    environment["COALMINE_HOME"] = str(settings.home)
    if settings.server.url is not None:
        environment["COALMINE_SERVER_URL"] = settings.server.url
    if settings.dashboard.answers_url is not None:
        environment["COALMINE_DASHBOARD_ANSWERS_URL"] = settings.dashboard.answers_url
    if settings.token is not None:
        environment["COALMINE_TOKEN"] = settings.token.get_secret_value()
    return environment

"""`coalmine serve`: the prompt registry, the collector and the HTTP API."""

from typing import Annotated, Literal

import typer

from coalmine_server.cli.invocation import invocation
from coalmine_server.cli.output import note


def serve(
    context: typer.Context,
    *,
    part: Annotated[
        Literal["all", "registry", "collector"],
        typer.Argument(
            help="What to run: all parts; the prompt registry; or the collector with the API over its store."
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
    from coalmine_server.serve import Server, serve_until_signal

    settings = invocation(context).settings(
        quiet=False, server__host=host, server__port=port, kafka__bootstrap_servers=kafka
    )

    def started(server: Server) -> None:
        note(f"coalmine listens on {server.url} (home {settings.home}); Ctrl-C stops it")

    raise typer.Exit(serve_until_signal(settings, part, on_started=started))

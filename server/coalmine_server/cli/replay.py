"""`coalmine replay`: plays a real trace."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from coalmine_server.cli.invocation import invocation, stop_on_signals
from coalmine_server.cli.output import AsJson, note, progress_bar, write_facts, write_json
from coalmine_server.errors import CheckFailed


def replay(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV file, plain or gzip, with the columns TIMESTAMP, ContextTokens and GeneratedTokens."
        ),
    ],
    *,
    speed: Annotated[
        str, typer.Option(help="1 as it was, 60 a minute of it each second, max as fast as possible.")
    ] = "1",
    at: Annotated[
        Literal["trace", "now"],
        typer.Option(help="Times of the events: those of the trace, or moved to the present."),
    ] = "trace",
    prompt: Annotated[
        str | None, typer.Option(help="Name of the prompt; the file's name if not set.", show_default=False)
    ] = None,
    version: Annotated[str, typer.Option(help="Version of the prompt.")] = "1.0.0",
    model: Annotated[
        str, typer.Option(help="Name a model to have the calls priced; an unknown one has no cost.")
    ] = "unknown",
    provider: Annotated[str | None, typer.Option(help="Provider of the model.", show_default=False)] = None,
    app: Annotated[str, typer.Option(help="Application the events come from.")] = "replay",
    environment: Annotated[
        str | None,
        typer.Option(help="Environment they come from; as in the settings if not set.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the latencies, which a trace does not have.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Play a trace of real calls through the client: arrival times and token counts are real.

    The whole file is checked before anything is sent. Latencies come from a stated model. Events go to Kafka
    if it is configured, else to the spool. Exits with 1 if an event was lost.
    """
    from coalmine_server.kafka import make_client
    from coalmine_simulator import ReplayOptions, parse_speed, replay_trace

    settings = invocation(context).settings()
    options = ReplayOptions(
        speed=parse_speed(speed),
        at=at,
        prompt=prompt,
        version=version,
        model=model,
        provider=provider,
        app=app,
        environment=environment or settings.environment,
        seed=seed,
    )
    with (
        stop_on_signals() as stop,
        make_client(settings, options.app, options.environment) as client,
        progress_bar("replaying", quiet=as_json, unit="calls") as advance,
    ):
        summary = replay_trace(
            file, client, options, stop=stop, progress=lambda done: advance(done.rows, done.total_rows)
        )
    document = asdict(summary)
    if as_json:
        write_json(document)
    else:
        stats = document.pop("stats")
        document["dropped"] = sum(stats.pop("dropped").values())
        write_facts({**document, **stats})
        note("`coalmine versions` shows what was measured")
    lost = sum(summary.stats.dropped.values())
    if lost or not summary.flushed:
        reasons = ", ".join(f"{reason} {count}" for reason, count in summary.stats.dropped.items())
        raise CheckFailed(
            f"{lost} events were lost ({reasons})" if lost else "not everything was sent in time"
        )

"""`coalmine simulate` and `coalmine replay`: simulated services and real traces, through the real client."""

from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from coalmine_server.cli.invocation import invocation, stop_on_signals
from coalmine_server.cli.named_file import named_path
from coalmine_server.cli.output import AsJson, note, progress_bar, write_facts, write_json
from coalmine_server.errors import CheckFailed, ConfigurationError

if TYPE_CHECKING:
    from coalmine_server.settings import Settings
    from coalmine_simulator import SimulationResult


HOUR_S = 3600.0
OWN_HOME = "simulated"
"""Folder of the default home for events that nobody measured."""

MixOption = Annotated[
    bool,
    typer.Option(
        "--mix", help="Write among the events of real services: to Kafka, or into the store of this home."
    ),
]


def apart(context: typer.Context, what: str, *, mix: bool) -> "Settings":
    """Settings with a home that holds no real events: the named one, or a folder of the default one.

    Args:
        context: Of the running command.
        what: What the events are, for the mark of the home.
        mix: True to write wherever real services write.

    Raises:
        ConfigurationError: The events would stand among real ones.
    """
    from coalmine_schemas.simulated_home import mark_simulated, may_hold_real_events

    shared = invocation(context)
    settings = shared.settings()
    if mix:
        return settings
    if settings.kafka.bootstrap_servers is not None:
        raise ConfigurationError(
            "Kafka is configured, and simulated events would stand among those of real services",
            "add --mix if that is what you want",
        )
    if shared.load().origins["home"].kind == "default":
        settings = settings.model_copy(update={"home": settings.home / OWN_HOME})
    if may_hold_real_events(settings.home):
        raise ConfigurationError(
            f"{settings.home} may hold events of real services",
            "name another folder, `coalmine --home FOLDER simulate`, or add --mix",
        )
    mark_simulated(settings.home, what)
    return settings


def _where(settings: "Settings") -> str:
    return f"coalmine --home {settings.home}"


def simulate(
    context: typer.Context,
    *,
    scenario: Annotated[
        str, typer.Option(help="Story to tell: steady, bad-canary, incident or demo.")
    ] = "demo",
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            help="A simulation as TOML, instead of a scenario.",
            show_default=False,
            parser=named_path,
        ),
    ] = None,
    story_hours: Annotated[
        float, typer.Option(min=0.001, help="Length of the story in simulated hours.")
    ] = 6.0,
    history_hours: Annotated[
        float, typer.Option(min=0, help="Simulated hours to play into the past at once, before going live.")
    ] = 0.0,
    seconds: Annotated[
        float | None,
        typer.Option(min=0, help="Real seconds to go on live; until stopped if not set.", show_default=False),
    ] = None,
    speed: Annotated[float, typer.Option(help="Simulated seconds per real second while live.")] = 1.0,
    rate: Annotated[
        float | None,
        typer.Option(help="Calls per simulated second; as in the scenario if not set.", show_default=False),
    ] = None,
    registry: Annotated[
        list[str] | None,
        typer.Option(
            help="Prompt whose versions the registry serves, instead of a scenario; may be repeated. With "
            "--file, all its prompts come from the registry.",
            show_default=False,
        ),
    ] = None,
    users: Annotated[int, typer.Option(min=1, help="Users of the prompts that --registry names.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same course of events.")] = 0,
    mix: MixOption = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete the home of simulated events, and end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Simulate services with users, versions, feedback and incidents, through the real client.

    Events go to a home of their own, ~/.coalmine/simulated or the one that is named; with --mix to where real
    services send theirs. Exits with 1 if an event was lost.
    """
    from coalmine import Coalmine
    from coalmine_server.kafka import make_client
    from coalmine_simulator import (
        Playback,
        RegistryChooser,
        Simulation,
        load_config,
        registry_scenario,
        run,
    )
    from coalmine_simulator import scenario as built_in

    settings = apart(context, f"Simulated services, no real traffic: scenario {file or scenario}.", mix=mix)
    if delete:
        _delete(settings.home)
        return
    if registry and not mix:
        raise ConfigurationError(
            "--registry asks the registry of a home for real services, and its events belong there",
            "add --mix",
        )
    story_s = story_hours * HOUR_S
    if file is not None:
        config = load_config(file, story_s)
    elif registry:
        config = registry_scenario(registry, settings.environment, users)
    else:
        config = built_in(scenario, story_s)
    if rate is not None:
        config = config.with_rate(rate)
    playback = Playback(history_s=history_hours * HOUR_S, live_s=seconds, speed=speed)
    clients: dict[tuple[str, str], Coalmine] = {}

    def client_of(app: str, environment: str) -> Coalmine:
        key = (app, environment)
        if key not in clients:
            clients[key] = make_client(settings, app, environment)
            if registry:
                # A tool may wait: what is simulated is what the registry serves now, not what it once did.
                clients[key].wait_for_registry()
        return clients[key]

    end_s = None if seconds is None else playback.end_s
    with stop_on_signals() as stop, progress_bar("simulating", quiet=as_json, unit="s") as advance:
        result = run(
            Simulation(config, seed, RegistryChooser(client_of) if registry else None),
            client_of,
            playback,
            stop=stop,
            progress=lambda done: advance(round(done.at_s), None if end_s is None else round(end_s)),
        )
    closed = [client.close() for client in clients.values()]
    _report(result, settings, as_json)
    lost = sum(result.stats.dropped.values())
    if lost:
        raise CheckFailed(f"{lost} events were lost: {dict(result.stats.dropped)}")
    if not (result.flushed and all(closed)):
        raise CheckFailed("not everything was sent in time")


def _delete(home: Path) -> None:
    from coalmine_schemas.simulated_home import delete_simulated

    if delete_simulated(home):
        note(f"deleted {home}")
    else:
        raise ConfigurationError(
            f"{home} is not a home of simulated events", "delete it yourself if you mean it"
        )


def _report(result: "SimulationResult", settings: "Settings", as_json: bool) -> None:
    sent = result.stats
    facts = {
        "produced": result.total,
        **{f"produced_{kind}": count for kind, count in result.produced.items()},
        "delivered": sent.delivered,
        "spooled": sent.spooled,
        "dropped": dict(sent.dropped),
        "began_at": result.began_at,
        "ended_at": result.ended_at,
    }
    if as_json:
        versions = [
            {"prompt": truth.prompt, "version": truth.version, "requests": truth.requests}
            for truth in result.versions.values()
        ]
        write_json({**facts, "versions": versions})
    else:
        write_facts({**facts, "dropped": sum(sent.dropped.values())})
        note(f"`{_where(settings)} versions` shows what was measured")


def replay(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="CSV file, plain or gzip, with the columns TIMESTAMP, ContextTokens and GeneratedTokens; "
            "default: a sample of a public trace.",
            show_default=False,
            parser=named_path,
        ),
    ] = None,
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
    mix: MixOption = False,
    as_json: AsJson = False,
) -> None:
    """Play a trace of real calls through the client: arrival times and token counts are real.

    The whole file is checked before anything is sent. Latencies come from a stated model. Events go to a home
    of their own, as those of `coalmine simulate` do. Exits with 1 if an event was lost.
    """
    from coalmine_server.kafka import make_client
    from coalmine_simulator import ReplayOptions, parse_speed, replay_trace, sample_trace

    settings = apart(context, f"A replayed trace, no traffic of today: {file or 'the sample'}.", mix=mix)
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
        nullcontext(file) if file is not None else sample_trace() as trace,
    ):
        summary = replay_trace(
            trace, client, options, stop=stop, progress=lambda done: advance(done.rows, done.total_rows)
        )
    document = asdict(summary)
    if as_json:
        write_json(document)
    else:
        stats = document.pop("stats")
        document["dropped"] = sum(stats.pop("dropped").values())
        write_facts({**document, **stats})
        note(f"`{_where(settings)} versions` shows what was measured")
    lost = sum(summary.stats.dropped.values())
    if lost or not summary.flushed:
        reasons = ", ".join(f"{reason} {count}" for reason, count in summary.stats.dropped.items())
        raise CheckFailed(
            f"{lost} events were lost ({reasons})" if lost else "not everything was sent in time"
        )

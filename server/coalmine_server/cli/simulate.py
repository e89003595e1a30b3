"""`coalmine simulate`: services that do not exist, through the client that real ones use."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coalmine_server.cli.invocation import invocation, stop_on_signals
from coalmine_server.cli.output import AsJson, note, progress_bar, write_facts, write_json
from coalmine_server.errors import CheckFailed

if TYPE_CHECKING:
    from coalmine_simulator import SimulationResult

HOUR_S = 3600.0


def simulate(
    context: typer.Context,
    *,
    scenario: Annotated[
        str, typer.Option(help="Story to tell: steady, bad-canary, incident or demo.")
    ] = "demo",
    file: Annotated[
        Path | None,
        typer.Option("--file", help="A simulation as TOML, instead of a scenario.", show_default=False),
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
    as_json: AsJson = False,
) -> None:
    """Simulate services with users, versions, feedback and incidents, through the real client.

    Events go to Kafka if it is configured, else to the spool. Exits with 1 if an event was lost.
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

    settings = invocation(context).settings()
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
    _report(result, as_json)
    lost = sum(result.stats.dropped.values())
    if lost:
        raise CheckFailed(f"{lost} events were lost: {dict(result.stats.dropped)}")
    if not (result.flushed and all(closed)):
        raise CheckFailed("not everything was sent in time")


def _report(result: "SimulationResult", as_json: bool) -> None:
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
        note("`coalmine versions` shows what was measured")

"""`coalmine demo`: everything at once, on this machine alone."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coalmine_server.cli.invocation import invocation, stop_on_signals
from coalmine_server.cli.output import AsJson, note, progress_bar, write_facts, write_json_line
from coalmine_server.cli.serve import dashboard_address, dashboard_command, dashboard_environment
from coalmine_server.cli.versions import write_versions
from coalmine_server.errors import CheckFailed

if TYPE_CHECKING:
    from coalmine_server.demonstration import DemoReport
    from coalmine_server.settings import Settings

END_TIMEOUT_S = 10.0


def demo(
    context: typer.Context,
    *,
    seconds: Annotated[
        float | None,
        typer.Option(min=1, help="Seconds to go on; until Ctrl-C if not set.", show_default=False),
    ] = None,
    headless: Annotated[bool, typer.Option("--headless", help="Show no dashboards.")] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the HTTP API; 0 takes a free one.")
    ] = 0,
    dashboard_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Port of the dashboards; 0 takes a free one.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed tells the same story.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Watch it work: simulated services, a good canary and a bad one, and the dashboards.

    Needs neither Kafka nor anything else, and keeps everything in a temporary folder, or in the one that
    `coalmine --home FOLDER demo` or COALMINE_HOME names; but never simulated events beside real ones: a
    COALMINE_HOME that holds a store already is left alone. With --json, the last line is one JSON object.
    """
    from coalmine_server.demonstration import consumed, demo_settings, play, report, running_server

    shared = invocation(context)
    given = shared.settings(dashboard__port=dashboard_port)
    with contextlib.ExitStack() as stack:
        home = shared.home or _unused_home()
        if home is None:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="coalmine-demo-")))
        settings = demo_settings(given, home.expanduser().absolute(), port)
        stop = stack.enter_context(stop_on_signals())
        client = stack.enter_context(running_server(settings))
        note(f"HTTP API    {client.url}  (token in {settings.home / 'credentials'})")
        if not headless:
            note(f"dashboards  {stack.enter_context(_dashboards(settings))}")
        if seconds is None:
            note("Ctrl-C ends it")
        before = consumed(client)
        with progress_bar("playing", quiet=as_json, unit="simulated s") as advance:
            result = play(
                settings,
                seconds=seconds,
                seed=seed,
                stop=stop,
                progress=lambda done: advance(
                    round(done.at_s), None if seconds is None else round(done.end_s)
                ),
            )
        found = report(client, before + result.total)
    _write(found, as_json)
    if not found.adds_up:
        raise CheckFailed("it does not add up: events were lost or counted twice")


def _unused_home() -> Path | None:
    """The folder that COALMINE_HOME names, unless somebody keeps events there."""
    named = os.environ.get("COALMINE_HOME")
    if not named:
        return None
    home = Path(named).expanduser()
    kept = [
        folder for folder in (home / "store", home / "spool") if folder.is_dir() and any(folder.iterdir())
    ]
    return None if kept else home


@contextlib.contextmanager
def _dashboards(settings: "Settings") -> Iterator[str]:
    host, port = dashboard_address(settings.dashboard)
    process = subprocess.Popen(  # noqa: S603 - our own interpreter
        dashboard_command(host, port),
        env=dashboard_environment(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for us: the pages end last
    )
    try:
        yield f"http://{host}:{port}"
    finally:
        process.terminate()
        try:
            process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _write(found: "DemoReport", as_json: bool) -> None:
    counts: dict[str, object] = {
        "produced": found.produced,
        "stored": found.stored,
        "duplicates": found.duplicates,
        "dead_lettered": found.dead_lettered,
        "spooled": found.spooled,
        "unattributed_feedback": found.unattributed_feedback,
    }
    if as_json:
        write_json_line({**counts, "versions": found.versions})
        return
    from coalmine_consumers.results import VersionRow
    from coalmine_server.client import read_as

    write_versions(read_as(list[VersionRow], found.versions))
    typer.echo()
    write_facts(counts)

"""`coalmine demo`: everything at once, on this machine alone."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from coalmine_schemas.discovery import expanded
from coalmine_schemas.safe_text import printable
from coalmine_server.cli.invocation import invocation, stop_on_signals
from coalmine_server.cli.output import AsJson, note, progress_bar, write_facts, write_json_line
from coalmine_server.cli.serve import dashboard_address, dashboard_command, dashboard_environment
from coalmine_server.cli.versions import write_versions
from coalmine_server.errors import CheckFailed, ConfigurationError

if TYPE_CHECKING:
    from coalmine_server.cli.output import Advance
    from coalmine_server.demonstration import DemoReport
    from coalmine_server.settings import Settings
    from coalmine_server.slack_stand_in import Message
    from coalmine_simulator import Progress

END_TIMEOUT_S = 10.0
HISTORY_HOURS = 4
PLAYING = (
    f"Simulated services, no real traffic: the last {HISTORY_HOURS} hours are being played in, oldest first. "
    "Times are of that past until the history is complete."
)
PLAYED = (
    f"Simulated services, no real traffic: {HISTORY_HOURS} hours were played in at once; it goes on live."
)


def demo(
    context: typer.Context,
    *,
    seconds: Annotated[
        float | None,
        typer.Option(min=1, help="Seconds to go on; until Ctrl-C if not set.", show_default=False),
    ] = None,
    headless: Annotated[bool, typer.Option("--headless", help="Show no dashboard.")] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the HTTP API; 0 takes a free one.")
    ] = 0,
    dashboard_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of the dashboard; 0 takes a free one.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed tells the same story.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Watch it work: simulated services, a rollout that completes, one that is rolled back, the dashboard.

    Needs neither Kafka nor anything else, and keeps everything in a temporary folder, or in the one that
    `coalmine --home FOLDER demo` or COALMINE_HOME names; but never simulated events beside real ones: a home
    that holds a store already is left alone. With --json, the last line is one JSON object.
    """
    note("Coalmine demonstration: simulated services, on this machine alone. Starting the server ...")
    from coalmine_schemas.simulated_home import mark_simulated
    from coalmine_server.demonstration import demo_settings, report, running_server
    from coalmine_server.rollout_story import Story, StoryClock, register_prompts
    from coalmine_server.slack_stand_in import SlackStandIn

    shared = invocation(context)
    given = shared.settings(dashboard__port=dashboard_port)
    with contextlib.ExitStack() as stack:
        home = _unused(shared.home)
        if home is None:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="coalmine-demo-")))
        if not headless:  # messages link to it
            host, at = dashboard_address(given.dashboard)
            page = given.dashboard.model_copy(update={"host": host, "port": at})
            given = given.model_copy(update={"dashboard": page})
        slack = stack.enter_context(SlackStandIn(None if as_json else _tell).running())
        settings = demo_settings(given, expanded(home), port, slack.url)
        mark_simulated(settings.home, PLAYING)
        stop = stack.enter_context(stop_on_signals())
        clock = StoryClock()
        client, owned = stack.enter_context(running_server(settings, clock.simulated))
        versions = register_prompts(owned.known_registry)
        note(f"HTTP API     {client.url}  (token in {settings.home / 'credentials'})")
        if versions:
            note(f"registry     {versions} prompt versions; two of them are rolled out, by the controller")
        if not headless:
            url = stack.enter_context(_dashboard(settings, browser=not no_browser))
            note(f"dashboard    {url}" + ("" if no_browser else "  (your browser opens it)"))
        note(f"playing      {HISTORY_HOURS} hours of history, then live; Ctrl-C stops everything")
        story = Story(settings, owned, clock)
        with progress_bar("playing", quiet=as_json, unit="simulated s") as advance:
            result = story.play(
                seconds=seconds,
                seed=seed,
                stop=stop,
                progress=_Narrator(settings.home, advance, seconds),
            )
        note("stopping: everything that was sent is counted first")
        found = report(client, story, story.before + result.total, slack)
    _write(found, as_json)
    if not found.adds_up:
        raise CheckFailed("it does not add up: events were lost or counted twice")


def _tell(message: "Message") -> None:
    """Shows a message that was sent to what stands in for Slack."""
    from coalmine_server.slack_stand_in import readable

    lines = printable(readable(message)).splitlines()
    note("\n".join(["", *(f"  slack | {line}" for line in lines), ""]))


class _Narrator:
    """Tells how far playing has come: by a bar on a terminal, and by a line when the history is complete."""

    def __init__(self, home: Path, advance: "Advance", seconds: float | None) -> None:
        self._home = home
        self._advance = advance
        self._endless = seconds is None
        self._live = False

    def __call__(self, done: "Progress") -> None:
        from coalmine_schemas.simulated_home import mark_simulated
        from coalmine_server.rollout_story import STORY_S

        self._advance(round(done.at_s), None if self._endless else round(done.end_s))
        if self._live or done.at_s < STORY_S:
            return
        self._live = True
        mark_simulated(self._home, PLAYED)
        note("live         about 4 events per second. Ask in another terminal, for example:")
        for question in ("versions", "rollout list", "log search-answer"):
            note(f"             coalmine --home {self._home} {question}")


def _unused(named: Path | None) -> Path | None:
    """The home that is named, or that COALMINE_HOME names unless somebody keeps events there; else None."""
    from coalmine_schemas.simulated_home import may_hold_real_events

    home = named or Path(os.environ.get("COALMINE_HOME", ""))
    if home == Path() or not may_hold_real_events(expanded(home)):
        return None if home == Path() else home
    if named is not None:
        raise ConfigurationError(f"{home} may hold events of real services", "name another folder")
    return None


@contextlib.contextmanager
def _dashboard(settings: "Settings", *, browser: bool) -> Iterator[str]:
    from coalmine_schemas.discovery import read_local_token, viewer_key

    host, port = dashboard_address(settings.dashboard)
    process = subprocess.Popen(  # noqa: S603 - our own interpreter
        [*dashboard_command(host, port), "--until-stdin-ends"],
        env=dashboard_environment(settings),
        stdin=subprocess.PIPE,  # ends with us, however we end: the page must not outlive the demonstration
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for us: the page ends last
    )
    key = viewer_key(read_local_token(settings.home) or "")
    url = f"http://{host}:{port}/?key={key}"
    if browser and _has_screen():
        threading.Thread(target=_open_when_up, args=(url, process), daemon=True).start()
    try:
        yield url
    finally:
        process.terminate()
        try:
            process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _has_screen() -> bool:
    """Returns False where only a browser inside the terminal could be opened."""
    names = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform != "linux" or any(os.environ.get(name) for name in names)


def _open_when_up(url: str, process: "subprocess.Popen[bytes]") -> None:
    address = urlsplit(url)
    while process.poll() is None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection((address.hostname, address.port or 80), 1.0),
        ):
            webbrowser.open(url)
            return
        time.sleep(0.2)


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
        rollouts = [asdict(each) for each in found.rollouts]
        alerts = [asdict(each) for each in found.alerts]
        told = {"alerts": alerts, "slack_messages": found.slack_messages}
        write_json_line({**counts, "versions": found.versions, "rollouts": rollouts, **told})
        return
    from coalmine_consumers.results import VersionRow
    from coalmine_server.client import read_as

    write_versions(read_as(list[VersionRow], found.versions))
    typer.echo()
    for each in found.rollouts:
        typer.echo(f"{each.prompt} {each.control} to {each.treatment}: {each.state}; {each.reason}")
    write_facts(counts)

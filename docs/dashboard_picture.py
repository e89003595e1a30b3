"""Makes docs/dashboard.png, the picture in the README: `python -m docs.dashboard_picture` from the root.

Everything in it is real but the services: six simulated hours go through the client into the spool, a server
ingests them, the dashboard shows them in a browser. Needs the `server` and `dashboards` extras, Playwright
and a Chromium; takes about a minute.
"""

import argparse
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect

from coalmine import Coalmine
from coalmine_server.demonstration import demo_settings, register_story
from coalmine_server.settings import load_settings
from coalmine_simulator import Playback, Simulation, run, scenario
from tests.support.eventually import eventually
from tests.support.processes.browser import chromium
from tests.support.processes.coalmine_process import ServerProcess
from tests.support.processes.dashboard_process import dashboard_process, link_of

STORY_S = 6 * 3600.0
REQUESTS_PER_S = 2.0
SEED = 4
SHOWN = "prompt=support-refund&time=6h"
SCALE = 1.5
"""Pixels of the picture for each of the page, for screens with small pixels."""
MOST_BYTES = 300_000
WITHIN_MS = 120_000


@contextmanager
def simulated_services(home: Path) -> Iterator[None]:
    """Services with six hours behind them, which go on until the context ends."""
    config = scenario("demo", STORY_S).with_rate(REQUESTS_PER_S)
    stop = threading.Event()
    with ExitStack() as clients:

        def make(app: str, environment: str) -> Coalmine:
            return clients.enter_context(Coalmine(app, environment, home=home, on_full="wait"))

        def play() -> None:
            run(Simulation(config, SEED), make, Playback(history_s=STORY_S, live_s=None), stop=stop)

        services = threading.Thread(target=play, name="services")
        services.start()
        try:
            yield
        finally:
            stop.set()
            services.join()


def wait_until_caught_up(server: ServerProcess) -> None:
    """Wait until the history has arrived and only what is new comes in."""
    expected = int(0.9 * scenario("demo").with_rate(REQUESTS_PER_S).traffic.expected_requests(STORY_S))

    def caught_up() -> bool:
        status = server.json("/v1/ingest")
        return bool(status["counts"]["stored"] > expected and status["events_per_s"] < 10 * REQUESTS_PER_S)

    eventually(caught_up, within_s=300, what="catching up with the history")


def photograph(page: Page, url: str, file: Path) -> None:
    """Open the page, wait until it is complete and at rest, and take its picture down to its last line."""
    page.goto(f"{url}/?{SHOWN}")
    expect(page.locator("[data-testid=stVegaLiteChart] .marks")).to_have_count(6, timeout=WITHIN_MS)
    last_line = page.get_by_text("As of")
    expect(last_line).to_be_visible(timeout=WITHIN_MS)
    before = last_line.inner_text()
    expect(last_line).not_to_have_text(before, timeout=WITHIN_MS)  # one refresh later nothing moves any more
    expect(page.locator("[data-stale=true]")).to_have_count(0, timeout=WITHIN_MS)  # the old fades
    box = last_line.bounding_box()
    height = 900.0 if box is None else min(900.0, box["y"] + box["height"] + 24)
    page.screenshot(path=file, clip={"x": 0, "y": 0, "width": 1400, "height": height})


def main() -> int:
    """Make the picture; 1 if it came out too large."""
    parser = argparse.ArgumentParser(description="Make the picture of the dashboard.")
    parser.add_argument("file", nargs="?", type=Path, default=Path(__file__).with_name("dashboard.png"))
    parser.add_argument("--dark", action="store_true", help="the dark page")
    arguments = parser.parse_args()
    file: Path = arguments.file
    with tempfile.TemporaryDirectory(prefix="coalmine-picture-") as folder, ExitStack() as stack:
        home = Path(folder)
        register_story(demo_settings(load_settings().settings, home, 0))
        server = stack.enter_context(ServerProcess(home))
        server.wait_ready()
        stack.enter_context(simulated_services(home))
        wait_until_caught_up(server)
        url = stack.enter_context(dashboard_process(home))
        browser = stack.enter_context(chromium())
        page = browser.new_page(
            viewport={"width": 1400, "height": 900},
            device_scale_factor=SCALE,
            color_scheme="dark" if arguments.dark else "light",
        )
        page.goto(link_of(url, home))
        photograph(page, url, file)
    size = file.stat().st_size
    sys.stdout.write(f"{file}: {size:,} bytes\n")
    return int(size > MOST_BYTES)


if __name__ == "__main__":
    sys.exit(main())

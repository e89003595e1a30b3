"""Makes docs/dashboard.png, the picture in the README: `python -m docs.dashboard_picture` from the root.

Everything in it is real but the services: the demonstration plays four hours through the client into the
spool, a server ingests them, the controller decides, the dashboard shows them in a browser. Needs the
`server` and `dashboards` extras, Playwright and a Chromium; takes about two minutes.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect

from coalmine_schemas.simulated_home import simulated_words
from coalmine_server.cli.demo import PLAYED
from tests.support.eventually import eventually
from tests.support.processes.browser import chromium
from tests.support.processes.dashboard_process import dashboard_process, link_of

SEED = 4
SHOWN = "prompt=support-refund&time=6h"
SCALE = 1.5
"""Pixels of the picture for each of the page, for screens with small pixels."""
MOST_BYTES = 300_000
WITHIN_MS = 120_000


@contextmanager
def demonstration(home: Path) -> Iterator[None]:
    """The demonstration with its four hours behind it, which goes on until the context ends."""
    command = [
        "-c",
        "from coalmine_server.cli import main; main()",
        "--home",
        str(home),
        "demo",
        "--headless",
    ]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, *command, "--seed", str(SEED)], stdin=subprocess.DEVNULL
    )
    try:
        eventually(lambda: simulated_words(home) == PLAYED, within_s=600, what="the history")
        yield
    finally:
        process.terminate()
        process.wait(60)


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
    height = 960.0 if box is None else min(960.0, box["y"] + box["height"] + 24)
    page.screenshot(path=file, clip={"x": 0, "y": 0, "width": 1400, "height": height})


def main() -> int:
    """Make the picture; 1 if it came out too large."""
    parser = argparse.ArgumentParser(description="Make the picture of the dashboard.")
    parser.add_argument("file", nargs="?", type=Path, default=Path(__file__).with_name("dashboard.png"))
    parser.add_argument("--dark", action="store_true", help="the dark page")
    arguments = parser.parse_args()
    file: Path = arguments.file
    with tempfile.TemporaryDirectory(prefix="coalmine-picture-") as folder, ExitStack() as stack:
        home = Path(folder) / "home"
        stack.enter_context(demonstration(home))
        url = stack.enter_context(dashboard_process(home))
        browser = stack.enter_context(chromium())
        page = browser.new_page(
            viewport={"width": 1400, "height": 960},
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

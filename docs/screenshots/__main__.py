"""Makes the pictures of the pages in docs/screenshots: `make screenshots`.

Everything in them is real but the services: the demonstration plays four hours through the client into the
spool, a server ingests them, the controller decides, the dashboard shows them in a browser. Takes minutes.
"""

import argparse
import io
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final, get_args

from PIL import Image
from playwright.sync_api import Page

from coalmine_dashboards.parts.links import PageName, link
from tests.support.processes.browser import chromium
from tests.support.processes.coalmine_process import ServerProcess
from tests.support.processes.dashboard_process import dashboard_process, link_of
from tests.support.processes.demo_home import fill_demo_home
from tests.support.processes.seen_page import at_rest, opened

SEED: Final = 4
CALLS_PER_S: Final = 2.0
STEP_S: Final = 300.0
"""Simulated seconds between two decisions."""
WIDTH_PX: Final = 1440
MOST_PX: Final = 1_500
"""A page that is higher is cut."""
MOST_BYTES: Final = 300_000
COLOURS: Final = 256
SETTLED_MS: Final = 2_000
"""Charts grow into their places, and toasts pass."""
VIEWS: Final[Mapping[PageName, Mapping[str, str]]] = {
    "prompt": {"prompt": "search-answer", "time": "6h"},
    "rollouts": {"rollout": "ro-search-answer-4.0.0-1"},
    "requests": {"time": "6h"},
    "costs": {"time": "24h"},
    "explain": {"prompt": "support-refund", "time": "24h"},
    "registry": {"prompt": "support-refund"},
}
"""What the address of a page names; the others name nothing."""


def photograph(page: Page, url: str, file: Path) -> None:
    """Opens a view, waits until it is at rest, and takes its picture."""
    opened(page, url)
    page.wait_for_timeout(SETTLED_MS)
    height = page.evaluate("document.querySelector('[data-testid=stMainBlockContainer]').scrollHeight")
    page.set_viewport_size({"width": WIDTH_PX, "height": min(int(height) + 20, MOST_PX)})
    page.wait_for_timeout(SETTLED_MS)
    at_rest(page)
    whole = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    whole.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


def main() -> int:
    """Makes the pictures; 1 if one came out too large."""
    parser = argparse.ArgumentParser(prog="python -m docs.screenshots", description="Pictures of the pages.")
    parser.add_argument("pages", nargs="*", default=get_args(PageName), help="pages; all by default")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent, help="where to put them")
    parser.add_argument("--dark", action="store_true", help="the dark pages")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    largest = 0
    with tempfile.TemporaryDirectory(prefix="coalmine-picture-") as temporary, ExitStack() as stack:
        home = Path(temporary) / "home"
        fill_demo_home(home, calls_per_s=CALLS_PER_S, step_s=STEP_S, seed=SEED)
        stack.enter_context(ServerProcess(home)).wait_ready()
        url = stack.enter_context(dashboard_process(home))
        browser = stack.enter_context(chromium())
        page = browser.new_page(
            viewport={"width": WIDTH_PX, "height": 1_000},
            color_scheme="dark" if arguments.dark else "light",
        )
        page.goto(link_of(url, home))
        for name in arguments.pages:
            file = folder / f"{name}.png"
            page.set_viewport_size({"width": WIDTH_PX, "height": 1_000})
            photograph(page, f"{url}/{link(name, **VIEWS.get(name, {}))}", file)
            sys.stdout.write(f"{file}: {file.stat().st_size:,} bytes\n")
            largest = max(largest, file.stat().st_size)
    return int(largest > MOST_BYTES)


if __name__ == "__main__":
    sys.exit(main())

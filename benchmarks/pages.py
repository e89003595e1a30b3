"""How soon the pages of the dashboard are ready, and what watching costs, with 20 million requests stored.

A store is filled through the real commit path, as in `benchmarks.queries`, with a month that ends now. Then
`coalmine serve` and the dashboard run as users start them, and a real browser opens each page:

* ready: from asking for the address until nothing on the page is about to be drawn; a new browser each time,
  whose cache holds what signing in left there: the frame's scripts, not those of widgets and charts;
* opening, server: what the server needed for all answers of one opened page, from its own metrics;
* refresh, server: the same for one refresh of the part of an open page that costs most, by its median; the
  largest of all refreshes of the page; and the median's processor time, which neighbours disturb less;
* ingest: events a second that the server stores from the spool, alone and while 20 viewers, each a session of
  the dashboard with a page that refreshes itself, are connected. Their browsers would run on machines of
  their own, so the sessions are held without any.

Before each opening and refresh a request is stored, or the server would give its last answers again.

Beside them, with `--peer`, the traces page of MLflow in the same browser. It keeps its traces in SQLite and
gets `PEER_TRACES` of them, because writing one takes it milliseconds.

Run alone: `python -m benchmarks.pages [--rows 20000000] [--openings 7] [--viewers 20] [--peer] [--json]`.
`--home DIR` keeps the filled store there, and MLflow, and goes on from those of an earlier run.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx2
from playwright.sync_api import Browser
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.pages_peer import peer_ready_s
from benchmarks.pages_refreshes import Spent, cpu_ms_of, watch
from benchmarks.pages_viewers import PAGES, watching
from benchmarks.queries import BATCH_ROWS, PARTITION, SPAN, Feed, fill
from benchmarks.server import environment, serving
from coalmine import Coalmine
from coalmine_consumers.maintenance.compact import CompactionState
from coalmine_consumers.store import Store
from coalmine_dashboards.parts.links import PageName, link
from tests.support.processes.browser import chromium
from tests.support.processes.dashboard_process import dashboard_process, link_of
from tests.support.processes.seen_page import WITHIN_MS, opened

ROWS, OPENINGS, VIEWERS = 20_000_000, 7, 20
INGEST_EVENTS: Final = 300_000
ROUNDS: Final = 3
"""Of ingest, each without and with viewers."""
SETTLED_S: Final = 1_200.0
READY_S, REFRESH_MS = 1.5, 300.0
"""What they may be at most on a quiet machine."""


@dataclass(frozen=True, slots=True)
class PageFigures:
    """Of one page."""

    page: str
    ready_s_p50: float
    ready_s_max: float
    opening_server_ms_p50: float
    refresh_server_ms_p50: float
    refresh_server_ms_max: float
    refresh_cpu_ms_p50: float
    refreshes: int
    """That were measured."""


def fill_home(home: Path, rows: int) -> None:
    """Fills the store of a home with requests of the last month, or with those since it was filled."""
    batches = rows // BATCH_ROWS
    store, now = Store.open(home / "store"), datetime.now(UTC)
    reader = store.reader()
    ((newest,),) = (row.values() for row in reader.rows("SELECT max(event_time) AS newest FROM requests"))
    wanted = batches if newest is None else min(batches, round((now - newest) / (SPAN / batches)))
    (position,) = reader.rows(
        "SELECT coalesce(max(next_offset), 0) AS n FROM source_positions WHERE topic = $topic",
        {"topic": PARTITION.topic},
    )
    feed = Feed(rows, now - SPAN * wanted / batches, offset=position["n"])
    compaction = CompactionState()
    for number in range(wanted):
        fill(store, feed, number, compaction)
        if number % 10 == 9 or number == wanted - 1:
            _say(f"{(number + 1) * BATCH_ROWS:,} requests stored")
    store.close()


class Server:
    """What a server says of itself."""

    def __init__(self, url: str, token: str, pid: int) -> None:
        self._pid = pid
        self._http = httpx2.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False
        )

    def busy_ms(self) -> float:
        """Time spent on requests for data since it started."""
        text = self._http.get("/metrics").raise_for_status().text
        return 1000 * sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "coalmine_http_request_duration_seconds_sum"
            and sample.labels["route"].startswith("/v1/")
        )

    def spent(self) -> Spent:
        """Time spent since it started."""
        return Spent(self.busy_ms(), cpu_ms_of(self._pid))

    def settle(self) -> None:
        """Waits until drift has summed up the month that it finds: a running server does so by the day."""
        for prompt in self._http.get("/v1/facets").raise_for_status().json()["prompts"]:
            self._http.get("/v1/drift", params={"prompt": prompt}, timeout=SETTLED_S).raise_for_status()

    def stored(self) -> int:
        """Events stored since the store began."""
        return int(self._http.get("/v1/ingest").raise_for_status().json()["counts"]["stored"])


def open_pages(
    browser: Browser, url: str, sign_in: str, server: Server, *, openings: int, home: Path
) -> Iterator[PageFigures]:
    """Opens each page again and again, the pages taking turns; the first turn is not counted."""
    ready: dict[PageName, list[float]] = {name: [] for name in PAGES}
    busy: dict[PageName, list[float]] = {name: [] for name in ready}
    for turn in range(openings + 1):
        for name, times in ready.items():
            with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
                context.set_default_timeout(WITHIN_MS)
                page = context.new_page()
                page.goto(sign_in)
                page.goto("about:blank")
                store_one(home, server)
                busy_before_ms, began = server.busy_ms(), time.perf_counter()
                opened(page, f"{url}/{link(name)}")
                took_s, took_ms = time.perf_counter() - began, server.busy_ms() - busy_before_ms
            if turn:
                times.append(took_s)
                busy[name].append(took_ms)
        _say(f"turn {turn} of {openings}")
    for name, times in ready.items():
        refreshes = watch(sign_in, name, server.spent, lambda: store_one(home, server))
        _say(f"{name}: {refreshes.seen} refreshes seen")
        yield PageFigures(
            name,
            round(statistics.median(times), 3),
            round(max(times), 3),
            round(statistics.median(busy[name]), 1),
            round(refreshes.server_ms_p50, 1),
            round(refreshes.server_ms_max, 1),
            round(refreshes.cpu_ms_p50, 1),
            refreshes.seen,
        )


def store_one(home: Path, server: Server) -> None:
    """Stores one more request."""
    wanted = server.stored() + 1
    with (
        Coalmine("bench", "prod", home=home) as client,
        client.call("refund", version="1.1.0", model="gpt-4o-mini") as call,
    ):
        call.record(input_tokens=900, output_tokens=150)
    while server.stored() < wanted:
        time.sleep(0.05)


def ingest_rates(home: Path, sign_in: str, server: Server, viewers: int) -> tuple[list[float], list[float]]:
    """Events stored a second from the spool, alone and with viewers, in turns."""
    alone, watched = [], []
    for round_ in range(ROUNDS):
        alone.append(ingest_rate(home, server))
        with watching(sign_in, viewers) as seen:
            watched.append(ingest_rate(home, server))
        _say(f"round {round_ + 1}: {alone[-1]:,.0f} and {watched[-1]:,.0f} events/s; {seen}")
    return alone, watched


def ingest_rate(home: Path, server: Server) -> float:
    """Events a second: they are written aside, moved to the spool, and waited for."""
    with tempfile.TemporaryDirectory(dir=home) as aside:
        with Coalmine("bench", "prod", spool_dir=aside, on_full="wait") as client:
            for number in range(INGEST_EVENTS):
                with client.call(
                    "refund", version="1.1.0", model="gpt-4o-mini", unit_id=f"user-{number % 5000}"
                ) as call:
                    call.record(input_tokens=900, output_tokens=150)
        (home / "spool").mkdir(exist_ok=True)
        wanted, began = server.stored() + INGEST_EVENTS, time.perf_counter()
        for file in sorted(Path(aside).iterdir()):
            file.rename(home / "spool" / file.name)
        while server.stored() < wanted:
            time.sleep(0.05)
    return INGEST_EVENTS / (time.perf_counter() - began)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def print_pages(pages: Sequence[PageFigures]) -> None:
    """What was measured of the pages, for people."""
    print(
        f"{'page':<14} {'ready':>8} {'at most':>8} "
        f"{'opening':>10} {'refresh':>10} {'at most':>10} {'processor':>10}"
    )
    for each in pages:
        late = " *" if each.ready_s_p50 > READY_S or each.refresh_server_ms_p50 > REFRESH_MS else ""
        print(
            f"{each.page:<14} {each.ready_s_p50:>6.2f} s {each.ready_s_max:>6.2f} s "
            f"{each.opening_server_ms_p50:>7.0f} ms {each.refresh_server_ms_p50:>7.0f} ms "
            f"{each.refresh_server_ms_max:>7.0f} ms {each.refresh_cpu_ms_p50:>7.0f} ms{late}"
        )
    print(f"* more than {READY_S} s, or {REFRESH_MS:.0f} ms of the server for a refresh")


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and, on request, end with one line of JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pages",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=ROWS, help="requests in the store (default: %(default)s)")
    parser.add_argument("--openings", type=int, default=OPENINGS, help="of each page (default: %(default)s)")
    parser.add_argument("--viewers", type=int, default=VIEWERS, help="at once (default: %(default)s)")
    parser.add_argument("--home", type=Path, help="keep the filled store there")
    parser.add_argument("--peer", action="store_true", help="measure MLflow beside it; installs it")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args(arguments)
    figures: dict[str, Any] = {}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="coalmine-pages-"))
        home: Path = options.home or Path(folder) / "home"
        home.mkdir(parents=True, exist_ok=True)
        fill_home(home, options.rows)
        browser = stack.enter_context(chromium())
        with serving(home, environment(home)) as (process, url, token), dashboard_process(home) as dashboard:
            server = Server(url, token, process.pid)
            server.settle()
            sign_in = link_of(dashboard, home)
            pages = list(
                open_pages(browser, dashboard, sign_in, server, openings=options.openings, home=home)
            )
            print_pages(pages)
            alone, watched = ingest_rates(home, sign_in, server, options.viewers)
            figures["ingest_events_per_s"] = round(statistics.median(alone))
            figures["ingest_events_per_s_watched"] = round(statistics.median(watched))
            figures["ingest_loss_share"] = round(1 - statistics.median(watched) / statistics.median(alone), 3)
        if options.peer:
            figures |= peer_ready_s(browser, options.home or Path(folder), options.openings)
    for name, value in figures.items():
        print(f"{name:<34}{value}")
    if options.json:
        print(json.dumps({"rows": options.rows, "pages": [asdict(each) for each in pages], **figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

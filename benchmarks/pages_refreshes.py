"""What a refresh of an open page costs the server, part by part, as browsers ask for them.

A part of a page (a fragment of Streamlit) refreshes itself without the rest. Nobody else asks while
a page is watched, so what it does between a part's question and its last answer is for that refresh.
"""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.pages_viewers import Viewer, signed_in
from coalmine_dashboards.parts.links import PageName

WATCHED_S: Final = 30.0
"""At least, of each page."""
LONGEST_S: Final = 150.0
"""Until when each part has to have refreshed itself once."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a server spent since it started."""

    busy_ms: float
    """On requests for data, by its own clock."""
    cpu_ms: float
    """Processor time of the process, whatever it did."""


@dataclass(frozen=True, slots=True)
class Refreshes:
    """Of one page: of the part whose refreshes cost most, by their median."""

    seen: int
    """Refreshes of all parts."""
    server_ms_p50: float
    server_ms_max: float
    cpu_ms_p50: float


@dataclass(slots=True)
class _Watch:
    """A viewer whose refreshes are measured one by one."""

    viewer: Viewer
    spent: Callable[[], Spent]
    change: Callable[[], None]
    found: dict[str, list[Spent]] = field(default_factory=dict)
    """By part."""

    def open(self) -> None:
        self.viewer.ask()
        self.viewer.take_until_finished()

    def refresh_next(self) -> None:
        """Waits for the part that is due first, and measures it."""
        fragment = self.viewer.wait_for_due()
        self.change()
        before = self.spent()
        self.viewer.ask(fragment)
        self.viewer.take_until_finished()
        after = self.spent()
        spent = Spent(after.busy_ms - before.busy_ms, after.cpu_ms - before.cpu_ms)
        self.found.setdefault(fragment, []).append(spent)


def watch(sign_in: str, page: PageName, spent: Callable[[], Spent], change: Callable[[], None]) -> Refreshes:
    """Watches one page for a while; one that does not refresh itself costs nothing.

    Args:
        sign_in: The link that signs a viewer in.
        page: The page.
        spent: What the server has spent.
        change: Changes the store: without it the server would give its last answers again.

    Raises:
        RuntimeError: The page failed.
    """
    with signed_in(sign_in, page) as viewer:
        watch = _Watch(viewer, spent, change)
        watch.open()
        began = time.monotonic()
        passed_s = 0.0
        while viewer.refreshing and (
            passed_s < WATCHED_S or (passed_s < LONGEST_S and len(watch.found) < len(viewer.refreshing))
        ):
            watch.refresh_next()
            passed_s = time.monotonic() - began
    if viewer.failed:
        raise RuntimeError(f"the page {page} failed: {viewer.failed[0]}")
    return _dearest([*watch.found.values()])


def _dearest(parts: list[list[Spent]]) -> Refreshes:
    if not parts:
        return Refreshes(0, 0.0, 0.0, 0.0)
    dearest = max(parts, key=lambda part: statistics.median(each.busy_ms for each in part))
    busy = [each.busy_ms for each in dearest]
    return Refreshes(
        seen=sum(map(len, parts)),
        server_ms_p50=statistics.median(busy),
        server_ms_max=max(each.busy_ms for part in parts for each in part),
        cpu_ms_p50=statistics.median(each.cpu_ms for each in dearest),
    )


def cpu_ms_of(pid: int) -> float:
    """Processor time of a process since it started."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

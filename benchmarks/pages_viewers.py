"""Viewers of the dashboard without browsers: Streamlit sessions that ask for refreshes as browsers do."""

import threading
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from operator import itemgetter
from typing import Final, get_args
from urllib.parse import urlsplit

import httpx2
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from coalmine_dashboards.parts.links import PageName

PAGES: Final[tuple[PageName, ...]] = get_args(PageName)
LARGEST_MESSAGE: Final = 64 * 2**20
SETTLE_S: Final = 20.0
"""After every page was drawn once: what is measured is that it stays open."""
DRAWN_S: Final = 180.0
"""Until when every page must have been drawn once."""


@dataclass(slots=True)
class Viewer:
    """One session, which looks at one page."""

    socket: ClientConnection
    page: str
    runs: int = 0
    """Of the whole page and of its parts."""
    failed: list[str] = field(default_factory=list)
    _due: dict[str, float] = field(default_factory=dict)
    """When to ask for each part again, by fragment."""
    _every_s: dict[str, float] = field(default_factory=dict)

    @property
    def refreshing(self) -> Collection[str]:
        """Parts that refresh themselves."""
        return self._due.keys()

    def watch(self) -> None:
        """Asks for the page, and for its parts whenever their time has come, until the socket closes."""
        with suppress(ConnectionClosed):
            self.ask()
            while True:
                now = time.monotonic()
                for fragment, due in self._due.items():
                    if due <= now:
                        self.ask(fragment)
                self._take_until(min(self._due.values(), default=now + 1.0))

    def ask(self, fragment: str = "") -> None:
        """Asks for a part, or for the whole page."""
        if fragment:
            self._due[fragment] = time.monotonic() + self._every_s[fragment]
        state = ClientState(page_name=self.page, fragment_id=fragment, is_auto_rerun=bool(fragment))
        asked = BackMsg(rerun_script=state)
        self.socket.send(asked.SerializeToString())

    def take_until_finished(self) -> None:
        """Takes what comes until the run that was asked for is over."""
        runs, deadline = self.runs, time.monotonic() + DRAWN_S
        while self.runs == runs and time.monotonic() < deadline:
            self._take_until(deadline)

    def wait_for_due(self) -> str:
        """Waits for the part that is to be asked for next."""
        while (due := min(self._due.items(), key=itemgetter(1)))[1] > time.monotonic():
            self._take_until(due[1])
        return due[0]

    def _take_until(self, deadline: float) -> None:
        """Takes the next message, if one comes by then."""
        with suppress(TimeoutError):
            message = self.socket.recv(max(deadline - time.monotonic(), 0.001))
            self._take(ForwardMsg.FromString(message))

    def _take(self, came: ForwardMsg) -> None:
        match came.WhichOneof("type"):
            case "auto_rerun":
                every = came.auto_rerun
                self._every_s[every.fragment_id] = every.interval
                self._due.setdefault(every.fragment_id, time.monotonic() + every.interval)
            case "script_finished":
                self.runs += 1
            case "delta" if came.delta.new_element.WhichOneof("type") == "exception":
                self.failed.append(came.delta.new_element.exception.message)


class Watched:
    """What viewers have seen so far."""

    def __init__(self, viewers: list[Viewer]) -> None:
        self._viewers = viewers

    def __str__(self) -> str:
        runs = sum(each.runs for each in self._viewers)
        return f"{len(self._viewers)} viewers saw {runs} runs of pages"

    def check(self) -> None:
        """Raises RuntimeError if a page failed, or one viewer saw nothing."""
        if failed := [text for each in self._viewers for text in each.failed]:
            raise RuntimeError(f"pages failed: {failed[:3]}")
        if blind := [each.page for each in self._viewers if not each.runs]:
            raise RuntimeError(f"nothing was drawn for viewers of {', '.join(blind)}")


@contextmanager
def watching(sign_in: str, viewers: int) -> Iterator[Watched]:
    """Signed-in viewers of all pages in turn, who watch while the block runs.

    Raises:
        RuntimeError: A page failed, or one was never drawn.
    """
    cookies = _cookies(sign_in)
    sessions = [Viewer(_connect(sign_in, cookies), page) for page in islice(cycle(PAGES), viewers)]
    threads = [threading.Thread(target=each.watch, daemon=True) for each in sessions]
    for thread in threads:
        thread.start()
    watched = Watched(sessions)
    deadline = time.monotonic() + DRAWN_S
    while not all(each.runs for each in sessions) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(SETTLE_S)
    try:
        yield watched
    finally:
        for each in sessions:
            each.socket.close()
        for thread in threads:
            thread.join(10)
    watched.check()


@contextmanager
def signed_in(sign_in: str, page: PageName) -> Iterator[Viewer]:
    """One viewer, who has not asked for the page yet."""
    viewer = Viewer(_connect(sign_in, _cookies(sign_in)), page)
    with closing(viewer.socket):
        yield viewer


def _cookies(sign_in: str) -> str:
    with httpx2.Client(trust_env=False, follow_redirects=True) as http:
        http.get(sign_in).raise_for_status()
        return "; ".join(f"{name}={value}" for name, value in http.cookies.items())


def _connect(sign_in: str, cookies: str) -> ClientConnection:
    return connect(
        f"ws://{urlsplit(sign_in).netloc}/_stcore/stream",
        additional_headers={"Cookie": cookies},
        subprotocols=[Subprotocol("streamlit")],
        max_size=LARGEST_MESSAGE,
        proxy=None,
    )

"""Finds who can answer a command: the server that is named, the server of this home, or this process."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from coalmine_schemas.discovery import (
    Endpoint,
    ServerKind,
    find_endpoint,
    find_server,
    own_home,
    running_server,
    starting_server,
)
from coalmine_server.client.http import RETRY_S, SAY_AFTER_S, Client
from coalmine_server.errors import Unavailable
from coalmine_server.settings import Settings

if TYPE_CHECKING:  # commands that ask a server need no database
    from coalmine_consumers.store import Store
    from coalmine_registry.tokens import Tokens
    from coalmine_server.services.catch_up import CatchUpProgress

PATIENCE_S = 120.0
"""How long to wait for a store whose holder does nothing, or for a server that waits itself."""
MOMENT_S = 1.0
"""How long a server that was just started may take to say so."""

_log = logging.getLogger("coalmine.client")


@contextmanager
def open_client(settings: Settings, *, progress: "CatchUpProgress | None" = None) -> Iterator[Client]:
    """Finds who can answer, for the length of a block.

    A server named by the settings is asked; otherwise the server that owns the store of this home, with the
    home's own token; where there is none, this process opens the store and ingests the spool first.

    Args:
        settings: All of them.
        progress: Called while the spool is ingested, if this process does it.

    Raises:
        Unavailable: Another process holds the store and does not answer.
        Unreachable: The server that the settings name does not answer.
    """
    endpoint = _endpoint(settings, "store")
    if endpoint is not None:
        with _remote(endpoint) as client:
            yield client
        return
    # Imported before the store is opened, because other commands wait for it: FastAPI and DuckDB.
    from coalmine_server.client.in_process import in_process_client  # noqa: PLC0415
    from coalmine_server.services.catch_up import catch_up  # noqa: PLC0415

    holder = _open_or_find(settings)
    if isinstance(holder, Endpoint):
        with _remote(holder) as client:
            yield client
        return
    try:
        catch_up(holder, settings, progress)
        with in_process_client(settings, holder) as client:
            yield client
    finally:
        holder.close()


@contextmanager
def open_registry_client(settings: Settings) -> Iterator[Client]:
    """Finds the server that runs the prompt registry, for the length of a block.

    Args:
        settings: All of them; their token, or that of the home, is asked with.

    Raises:
        Unavailable: None runs or starts here and none is named.
    """
    patience, moment = _Patience(settings.store_dir), time.monotonic() + MOMENT_S
    while True:
        pid = starting_server(settings.home)  # looked for first: it may begin to listen at any moment
        if (found := _endpoint(settings, "registry")) is not None:
            break
        if pid is None and time.monotonic() < moment:
            time.sleep(RETRY_S)
            continue
        if pid is not None and patience.wait(pid, f"process {pid} starts one", starts=True):
            continue
        busy = running_server(settings.home, "registry")
        if busy is not None and patience.wait(busy, f"process {busy} is slow to answer", starts=True):
            continue
        if find_server(settings.home, "registry") is not None:
            raise Unavailable(
                f"the server that {settings.home} announces does not answer, or another one listens there",
                "start one with `coalmine serve`",
            )
        raise Unavailable(
            f"no server runs in {settings.home}",
            "start one with `coalmine serve`, or name one: COALMINE_SERVER_URL",
        )
    with _remote(found) as client:
        yield client


@contextmanager
def open_tokens(settings: Settings) -> Iterator["Tokens"]:
    """Opens the tokens in the database itself: a user who can write it needs no token.

    Raises:
        CoalmineError: The registry's database cannot be used.
    """
    from coalmine_server.services.prompt_registry import open_registry  # noqa: PLC0415 - imports SQLAlchemy

    with open_registry(settings) as registry:
        yield registry.tokens


@contextmanager
def _remote(endpoint: Endpoint) -> Iterator[Client]:
    client = Client(endpoint.url, endpoint.token, patience_s=PATIENCE_S)
    try:
        yield client
    finally:
        client.close()


def _endpoint(settings: Settings, kind: ServerKind) -> Endpoint | None:
    token = None if settings.token is None else settings.token.get_secret_value()
    return find_endpoint(settings.home, kind, url=settings.server.url, token=token)


def _open_or_find(settings: Settings) -> "Store | Endpoint":
    """The store of this home, or the server that has taken it or is about to answer for it."""
    from coalmine_consumers.errors import StoreLocked  # noqa: PLC0415 - imports DuckDB
    from coalmine_consumers.store import Store  # noqa: PLC0415
    from coalmine_server.services.store_settings import store_settings  # noqa: PLC0415

    own_home(settings.home)
    patience = _Patience(settings.store_dir)
    while True:
        try:
            return Store.open(settings.store_dir, store_settings(settings.store, settings.readout))
        except StoreLocked as locked:
            # A server that is starting has announced its registry already; it says itself that it starts.
            for kind in ("store", "registry"):
                running = find_server(settings.home, kind)
                if running is not None and locked.pid in (None, running.pid):
                    endpoint = _endpoint(settings, kind)
                    if endpoint is not None:
                        return endpoint
            if not patience.wait(locked.pid, str(locked)):
                raise Unavailable(
                    str(locked), "it is no server that answers, and does nothing: stop it, and ask again"
                ) from locked


class _Patience:
    """Waits for a process as long as it is at work, and a while longer."""

    def __init__(self, store_dir: Path) -> None:
        self._store_dir = store_dir
        self._began = self._seen_at = time.monotonic()
        self._seen: object = None
        self._said = False

    def wait(self, pid: int | None, reason: str, *, starts: bool = False) -> bool:
        """Waits a moment; False, and no longer, once the process has done nothing for a while."""
        now = time.monotonic()
        if (signs := _signs_of_work(pid, self._store_dir)) != self._seen:
            self._seen, self._seen_at = signs, now
        if now - self._seen_at > PATIENCE_S:
            return False
        if now - self._began > SAY_AFTER_S and not self._said:
            self._said = True
            _log.warning(
                "waiting for the server" if starts else "waiting for the store", extra={"reason": reason}
            )
        time.sleep(RETRY_S)
        return True


def _signs_of_work(pid: int | None, store_dir: Path) -> tuple[object, ...]:
    """What changes while the holder of a store does something: its processor time, and the store's files."""
    try:
        # After the name, which may hold anything: user and system time are the 12th and 13th fields.
        ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
    except OSError:  # no such system, or it has just ended
        ticks = []
    files = []
    for path in store_dir.glob("coalmine.duckdb*"):
        with suppress(OSError):
            found = path.stat()
            files.append((path.name, found.st_size, found.st_mtime_ns))
    return pid, *ticks, *sorted(files)

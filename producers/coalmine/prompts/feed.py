"""What one environment serves, in memory, kept up to date by a thread of its own."""

import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from coalmine.forks import follow_forks
from coalmine.prompts.cache_file import cache_path, checked_snapshot, read_snapshot
from coalmine.prompts.loaded_snapshot import LoadedSnapshot
from coalmine.prompts.poll_policy import PollPolicy
from coalmine.prompts.registry_connection import (
    Answer,
    NoRegistry,
    RegistryConnection,
    RegistryProblem,
)
from coalmine_schemas.atomic_file import make_private_folder, write_atomically
from coalmine_schemas.discovery import Endpoint
from coalmine_schemas.events import ResolutionName
from coalmine_schemas.limited_log import RateLimitedLogger
from coalmine_schemas.prompts import (
    Choice,
    InvalidSnapshot,
    Snapshot,
    UnknownEnvironment,
    UnknownPrompt,
    resolve,
)

_NEVER: Final = float("-inf")
_LOOK_AGAIN_S: Final = 0.005
_UNHURRIED_S: Final = 0.5
# Where the registry answers at once although nothing changed, e.g. behind a proxy that does not wait.


class EnvironmentFeed:
    """Answers from memory what an environment serves; a background thread keeps it up to date.

    The thread starts with the first question, and again in a forked child. A registry that is away, slow or
    broken changes nothing but the `resolution`: what was last known is served on.

    Args:
        environment: Which one.
        home: Home directory, which holds the cache.
        fallback: A snapshot that the application ships: a file, a directory of them, or the JSON itself; or
            what its folder of prompts holds, which also serves the prompts that the registry does not.
        find: Finds the registry.
        policy: Waits of the thread.
        startup_wait_s: How long the first question may wait when nothing is known at all.
        log: Reports problems.
    """

    def __init__(
        self,
        environment: str,
        *,
        home: Path,
        fallback: Path | Mapping[str, Any] | Snapshot | None,
        find: Callable[[], Endpoint | None],
        policy: PollPolicy,
        startup_wait_s: float,
        log: RateLimitedLogger,
    ) -> None:
        self.environment = environment
        self._home = home
        self._cache = cache_path(home, environment)
        self._fallback = fallback
        self._find = find
        self._policy = policy
        self._startup_wait_s = startup_wait_s
        self._log = log
        self._loaded: LoadedSnapshot | None = None
        self._shipped: LoadedSnapshot | None = None
        self._tried: list[str] = []
        self._fallback_fault: str | None = None
        self._has_looked = False
        self._has_unpacked = False
        self._may_wait = True
        self._is_closed = False
        self._start_over()
        follow_forks(self)

    def _start_over(self) -> None:
        self._start_lock = threading.Lock()
        self._swap_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._live_until = _NEVER
        self._etag: str | None = None
        self._failures = 0
        self._problem = "it has not answered yet"
        self._connection = RegistryConnection(self._find, self._policy)

    # What requests call.

    def choose(
        self,
        prompt: str,
        unit_id: str | None,
        segments: Mapping[str, str] | None,
        prefer: str | None = None,
    ) -> tuple[Choice, ResolutionName, LoadedSnapshot]:
        """What a unit is served, where the answer came from, and the snapshot it came from.

        Raises:
            UnknownPrompt: The environment does not serve the prompt.
            UnknownEnvironment: Nothing is known about the environment.
        """
        loaded = self._loaded
        if self._thread is None or loaded is None:
            loaded = self._begin()
        if prompt not in loaded.snapshot.prompts:
            loaded = self._look_further(loaded, prompt) or loaded
        return resolve(loaded.snapshot, prompt, unit_id, segments, prefer), self._resolution(loaded), loaded

    def loaded_with(self, prompt: str, version: str) -> LoadedSnapshot:
        """The snapshot that holds one exact version.

        Raises:
            UnknownPrompt: None does.
            UnknownEnvironment: Nothing is known about the environment.
        """
        loaded = self._loaded
        if self._thread is None or loaded is None:
            loaded = self._begin()
        reference = f"{prompt}@{version}"
        if reference in loaded.snapshot.contents:
            return loaded
        other = self._look_further(loaded, prompt, version)
        if other is not None:
            return other
        raise UnknownPrompt(
            f"environment {self.environment} (revision {loaded.snapshot.revision}) does not hold "
            f"{reference}, only versions that it serves: promote it there, or let an experiment serve it"
        )

    def _resolution(self, loaded: LoadedSnapshot) -> ResolutionName:
        match loaded.source:
            case "registry":
                return "live" if time.monotonic() < self._live_until else "cached"
            case "folder":
                return "fallback"
            case source:
                return source

    def _look_further(
        self, loaded: LoadedSnapshot, prompt: str, version: str | None = None
    ) -> LoadedSnapshot | None:
        """Where else a prompt may be that an old snapshot does not know: the registry, then the fallback.

        What the registry itself said is final, but for a folder of prompts: a service that had one before it
        had a registry goes on with those that are not in the registry yet.
        """
        if loaded.source == "registry":
            if not isinstance(self._fallback, Snapshot):
                return None
        else:
            self._wait_once()
        for other in (self._loaded, self._shipped_one()):
            if other is None or other is loaded:
                continue
            snapshot = other.snapshot
            if (
                (prompt in snapshot.prompts)
                if version is None
                else (f"{prompt}@{version}" in snapshot.contents)
            ):
                return other
            if other.source == "registry" and not isinstance(self._fallback, Snapshot):
                return None
        return None

    # The first question, in this process.

    def _begin(self) -> LoadedSnapshot:
        self._start()
        loaded = self._loaded
        if loaded is not None:
            return loaded
        with self._start_lock:
            if self._loaded is None and not self._has_looked:
                self._has_looked = True
                self._take(self._from_disk() or self._shipped_one())
        if self._loaded is None:
            self._wait_once()
        loaded = self._loaded
        if loaded is None:
            raise UnknownEnvironment(
                f"nothing is known about environment {self.environment}. The registry: {self._state()}. "
                f"{' '.join(self._tried)} Remedy: start the registry or correct COALMINE_SERVER_URL and "
                f"COALMINE_TOKEN, or ship a fallback with the application (COALMINE_FALLBACK)."
            )
        return loaded

    def _state(self) -> str:
        return self._problem if self._find() is not None else f"none runs in {self._home}"

    def _take(self, loaded: LoadedSnapshot | None) -> None:
        """Serves a snapshot unless the registry was faster."""
        with self._swap_lock:
            if loaded is not None and self._loaded is None:
                self._loaded = loaded

    def _from_disk(self) -> LoadedSnapshot | None:
        try:
            return LoadedSnapshot(read_snapshot(self._cache, self.environment), "disk")
        except InvalidSnapshot as error:
            self._tried.append(f"The cache: {error}.")
            return None

    def _shipped_one(self) -> LoadedSnapshot | None:
        if self._shipped is None and not self._has_unpacked:
            self._has_unpacked = True
            try:
                self._shipped = self._unpacked()
            except InvalidSnapshot as error:
                self._fallback_fault = str(error)
                self._tried.append(f"The fallback: {error}.")
        return self._shipped

    def _unpacked(self) -> LoadedSnapshot:
        match self._fallback:
            case None:
                raise InvalidSnapshot("the application ships none")
            case Snapshot() as folder:
                return LoadedSnapshot(folder, "folder")
            case Path() as path:
                return LoadedSnapshot(read_snapshot(path, self.environment), "fallback")
            case given:
                return LoadedSnapshot(checked_snapshot(given, self.environment), "fallback")

    def fallback_fault(self) -> str | None:
        """Why the fallback cannot be used; None if it can, or there is none."""
        if self._fallback is not None:
            self._shipped_one()
        return self._fallback_fault

    def _wait_once(self) -> None:
        """Gives the registry a moment, once in the life of the process and not where none is known."""
        if not self._may_wait or self._is_closed or self._find() is None:
            return
        self._may_wait = False
        give_up_at = time.monotonic() + self._startup_wait_s
        while self._live_until == _NEVER and (left_s := give_up_at - time.monotonic()) > 0:
            time.sleep(min(left_s, _LOOK_AGAIN_S))

    def wait_until_live(self, timeout_s: float) -> bool:
        """Waits until the registry has answered; False when that took too long."""
        self._start()
        give_up_at = time.monotonic() + timeout_s
        while not (live := time.monotonic() < self._live_until) and time.monotonic() < give_up_at:
            time.sleep(_LOOK_AGAIN_S)
        return live

    def close(self) -> None:
        """Ends the thread; what is known is served on. Does not wait."""
        self._is_closed = True
        self._wake.set()
        self._connection.interrupt()

    # Forks.

    def before_fork(self) -> None:
        """A snapshot is swapped in at once, so there is nothing to wait for."""

    def after_fork_in_parent(self) -> None:
        """Nothing happened."""

    def after_fork_in_child(self) -> None:
        """Keeps serving what the parent knew, and starts its own thread with the first question."""
        self._connection.abandon()
        self._start_over()

    # The thread.

    def _start(self) -> None:
        with self._start_lock:
            if self._thread is not None or self._is_closed:
                return
            self._wake = threading.Event()  # now: see `Pipeline._start`
            thread = threading.Thread(target=self._run, name=f"coalmine-{self.environment}", daemon=True)
            self._thread = thread
        try:
            thread.start()
        except RuntimeError as error:  # no more threads, or the interpreter is ending
            self._thread = None
            self._log.report("registry", "cannot start the thread that follows the registry: %s", error)

    def _run(self) -> None:
        connection, wake = self._connection, self._wake
        while not self._is_closed:
            began_at = time.monotonic()
            pause_s = self._policy.least_pause_s
            try:
                answer = connection.ask(self.environment, self._etag)
                self._hear(answer)
                if answer.snapshot is None or answer.etag is None:
                    pause_s = _UNHURRIED_S
            except RegistryProblem as problem:
                pause_s = self._fail(problem)
            except Exception as error:  # noqa: BLE001 - a bug of ours must not end the thread
                pause_s = self._fail(error)
            if not self._is_closed:
                wake.wait(max(0.0, pause_s - (time.monotonic() - began_at) * (self._failures == 0)))
        connection.close()

    def _hear(self, answer: Answer) -> None:
        snapshot = answer.snapshot
        if snapshot is not None:
            loaded = LoadedSnapshot(snapshot, "registry")
            if self._loaded is not None:
                loaded.warm_up(self._loaded)
            with self._swap_lock:
                self._loaded = loaded
        # Until the next answer is overdue. Without an ETag every question is answered at once.
        self._live_until = time.monotonic() + self._policy.wait_s + self._policy.timeout_s
        self._failures = 0
        if snapshot is not None:
            self._etag = answer.etag
            if answer.text is not None:
                self._keep(answer.text)

    def _keep(self, text: bytes) -> None:
        try:
            make_private_folder(self._cache.parent)
            write_atomically(self._cache, text)
        except OSError as error:
            self._log.report(
                "prompt_cache", "cannot write the cache of environment %s: %s", self.environment, error
            )

    def _fail(self, error: Exception) -> float:
        self._failures += 1
        if self._live_until != _NEVER:
            self._live_until = 0.0
        self._problem = str(error) or type(error).__name__
        if not self._is_closed and not isinstance(error, NoRegistry):
            with suppress(Exception):
                self._log.report(
                    "registry",
                    "cannot ask the registry what environment %s serves: %s",
                    self.environment,
                    self._problem,
                )
        return self._policy.backoff_s(self._failures, random.random())  # noqa: S311 - spreads load, no secret

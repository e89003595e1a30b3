"""A server process that never outlives the tests that started it."""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# Waits until the process that holds its standard input is gone, however it went, then cleans up.
_GUARD = """
import os, shutil, signal, sys
sys.stdin.buffer.read()
try:
    os.kill(int(sys.argv[1]), signal.SIGKILL)
except ProcessLookupError:
    pass
for directory in sys.argv[2:]:
    shutil.rmtree(directory, ignore_errors=True)
"""


class ChildProcess:
    """Runs one command with its output in a file, and ends it with the process that started it.

    An orderly end calls `stop` or `kill`; Python's exit (Ctrl-C included) kills what was forgotten; and
    when the starter itself is killed, a guard process notices and does it. The command has a session of its
    own, so that Ctrl-C reaches the tests first. Not thread-safe: one owner at a time.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log_file: Path,
        env: Mapping[str, str] | None = None,
        remove_with_us: Sequence[Path] = (),
    ) -> None:
        """Prepare the command without running it.

        Args:
            argv: The command and its arguments.
            log_file: Takes the standard output and error of every run, appended.
            env: Variables added to our own.
            remove_with_us: Folders the guard deletes when the starter was killed.
        """
        self._argv = list(argv)
        self._log_file = log_file
        self._env = {**os.environ, **(env or {})}
        self._remove = [str(path) for path in remove_with_us]
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._owner_pid = 0

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self.running and self._process is not None else None

    @property
    def running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Run the command; it must not be running."""
        if self.running:
            raise RuntimeError(f"already running: {self._argv[0]}")
        self._reap()
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                start_new_session=True,
            )
        self._owner_pid = os.getpid()
        atexit.register(self.kill)
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _GUARD, str(self._process.pid), *self._remove],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def stop(self, *, timeout_s: float = 30.0) -> None:
        """Ask it to end (SIGTERM); after `timeout_s` kill it."""
        self._end(signal.SIGTERM, timeout_s)

    def kill(self) -> None:
        """End it at once (SIGKILL), as a power cut would."""
        self._end(signal.SIGKILL, 30.0)

    def log_tail(self, lines: int = 30) -> str:
        """The last lines it wrote, for error messages."""
        try:
            text = self._log_file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return "(no log)"
        return "\n".join(text.splitlines()[-lines:])

    def _end(self, signal_number: signal.Signals, timeout_s: float) -> None:
        if self._owner_pid != os.getpid():
            return  # a forked copy of us is exiting: the process is not its to end
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal_number)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reap()

    def _reap(self) -> None:
        """Collect both exit codes and let go of pipes, so that nothing lingers."""
        atexit.unregister(self.kill)
        if self._guard is not None:
            # Killed, not told: once its input closes it kills a process id, which may be reused by now.
            self._guard.kill()
            self._guard.wait()
            if self._guard.stdin is not None:
                self._guard.stdin.close()
            self._guard = None
        if self._process is not None:
            self._process.wait()
            self._process = None

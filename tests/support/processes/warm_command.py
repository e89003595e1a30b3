"""Runs the `coalmine` command, servers included, in processes that start with everything imported.

A process imports the command tree and the server once and then waits. For each command it forks: the child
has arguments, environment, folder and standard streams of its own. It waits for its threads, calls its exit
handlers and leaves without taking the interpreter apart, which costs more than most commands. What a user
types takes seconds longer to start; tests that are about that start the command itself.
"""

import atexit
import contextlib
import ctypes
import functools
import gc
import importlib
import json
import os
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, NoReturn

from tests.support.repository.tree import ROOT

WARM = (
    *("coalmine_server.cli.app", "coalmine_server.serve", "rich.console", "rich.table"),
    *("alembic.command", "anyio._backends._asyncio", "httpcore2", "mako.template", "sqlite3"),
    *("coalmine_server.client.in_process", "coalmine_server.logs", "coalmine_server.services.plan_metrics"),
    *("coalmine_server.services.catch_up", "coalmine_server.services.backup", "coalmine_server.cli.versions"),
    *("coalmine.prompts.loaded_snapshot", "coalmine.prompts.registry_connection", "genai_prices.data"),
    *("coalmine_simulator", "genai_prices.data_snapshot", "genai_prices.data_units", "pandas"),
    *("pyarrow.parquet", "sqlalchemy.dialects.postgresql", "truststore", "uvicorn.lifespan.on"),
    *("uvicorn.loops.auto", "uvicorn.loops.asyncio", "coalmine_server.cli.serve"),
    *("coalmine_server.services.evals", "coalmine_server.api.middleware", "coalmine_server.api.sent"),
    *("coalmine_server.api.prompt_scope.middleware", "coalmine_server.api.shared_answers"),
    *("coalmine_consumers.store.commit", "coalmine_registry.storage.statements"),
    *("coalmine_server.cli.configuration.carry_out", "coalmine_server.cli.configuration.commands"),
    *("coalmine_server.cli.evals.group", "coalmine_server.cli.evals.place", "coalmine_server.cli.readout"),
    *("coalmine_server.cli.prompts.inspect", "coalmine_server.cli.prompts.promotions"),
    *("coalmine_server.cli.prompts.push", "coalmine_server.cli.prompts.rollouts"),
    *("coalmine_server.cli.configuration.compare", "coalmine_server.cli.configuration.serving"),
    *("coalmine_server.cli.configuration.trials", "coalmine_registry.prompt_files.source"),
    *("encodings.idna", "fastapi.telemetry._runtime", "typer._adapters", "typer._click.decorators"),
)
"""Imported before the first fork: what a server and nearly every command would import.

The first batch of events that a process takes in has pyarrow import pandas: more than all else a start costs.
"""

_HUGE: Final = 2 << 20
_MADV_COLLAPSE: Final = 25

_NUMBER = struct.Struct("!i")
"""How the process id and then the exit code are told."""

VARIABLE: Final = "COALMINE_TEST_WARM_COMMAND"
"""Names the socket of a waiting process that somebody else has started."""

CONSTANTS: Final = "COALMINE_TEST_CONSTANTS"
"""Holds, as JSON, which constants of our modules a command is to have otherwise: `{"module:NAME": value}`."""

_SCRIPT = """\
#!{python} -IS
import json, os, signal, socket, struct, sys
asked = socket.socket(socket.AF_UNIX)
asked.connect({address!r})
what = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
socket.send_fds(asked, [b"%d\\n" % len(what)], [1, 2])
asked.sendall(what)
(pid,) = struct.unpack("!i", asked.recv(4))
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: os.kill(pid, number))
sys.exit(*struct.unpack("!i", asked.recv(4)))
"""


class WarmProcess:
    """A command that was started; what tests use of `Popen`, with its process id."""

    def __init__(self, arguments: Sequence[str], connection: socket.socket) -> None:
        self.args = ["coalmine", *arguments]
        self.returncode: int | None = None
        self._connection = connection
        self.pid = self._next_number()

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout_s: float | None = None) -> int:
        """Waits for its end and returns the exit code.

        Raises:
            TimeoutExpired: It runs longer.
        """
        if self.returncode is None:
            self._connection.settimeout(timeout_s)
            try:
                self.returncode = self._next_number()
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout_s or 0.0) from None
            self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Sends a signal, if it still runs."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _next_number(self) -> int:
        number: int = _NUMBER.unpack(self._connection.recv(_NUMBER.size))[0]
        return number

    def terminate(self) -> None:
        """Asks it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it at once."""
        self.send_signal(signal.SIGKILL)


class WarmCommand:
    """The waiting process; any thread may run commands.

    Args:
        address: Of one that somebody else has started, and ends; one of our own if omitted.
    """

    def __init__(self, address: str | None = None) -> None:
        self.address = address or tempfile.mkdtemp(prefix="warm-") + "/socket"
        """The socket at which it is asked."""
        self._process: subprocess.Popen[bytes] | None = None
        if address is not None:
            return
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.address)
        listener.listen(64)
        environment = {name: text for name, text in os.environ.items() if not name.startswith("COALMINE_")}
        with listener:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from tests.support.processes.warm_command import wait; wait()"],
                cwd=ROOT,
                env=environment,
                stdin=listener.fileno(),
            )

    def start(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        stdout: IO[bytes],
        stderr: IO[bytes],
    ) -> WarmProcess:
        """Start the command in a folder, with these streams and no input."""
        asked = socket.socket(socket.AF_UNIX)
        asked.connect(self.address)
        what = json.dumps([list(arguments), dict(environment), str(folder)]).encode()
        socket.send_fds(asked, [b"%d\n" % len(what)], [stdout.fileno(), stderr.fileno()])
        asked.sendall(what)
        return WarmProcess(arguments, asked)

    def run(
        self, arguments: Sequence[str], *, environment: Mapping[str, str], folder: Path, timeout_s: float
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end.

        Raises:
            TimeoutExpired: It took too long, and was killed.
        """
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            process = self.start(
                arguments, environment=environment, folder=folder, stdout=stdout, stderr=stderr
            )
            try:
                status = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise
            texts = [(stream.seek(0), stream.read().decode())[1] for stream in (stdout, stderr)]
            return subprocess.CompletedProcess(process.args, status, *texts)

    def script_folder(self) -> Path:
        """Where there is a `coalmine` for shells, which runs the command like `start`."""
        script = Path(self.address).with_name("coalmine")
        if not script.exists():
            fresh = script.with_name(f"coalmine-{os.getpid()}")  # others may do the same now
            fresh.write_text(_SCRIPT.format(python=sys.executable, address=self.address), encoding="utf-8")
            fresh.chmod(0o700)
            fresh.replace(script)
        return script.parent

    def close(self) -> None:
        """End it, if it is ours."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            shutil.rmtree(Path(self.address).parent)


_lock = threading.Lock()
_warm: WarmCommand | None = None
_share: Callable[[str], None] | None = None


def share_warm_command(share: Callable[[str], None]) -> None:
    """Before the first is asked for: says how to have the environment name one that all processes share."""
    global _share  # noqa: PLW0603 - known to the fixtures alone, and asked without them
    _share = share


def warm_command() -> WarmCommand:
    """The shared one, or this process's own, started when first asked for."""
    global _warm  # noqa: PLW0603 - one for all tests of a worker
    with _lock:
        if _warm is None:
            if _share is not None:
                _share(VARIABLE)
            _warm = WarmCommand(os.environ.get(VARIABLE) or None)
        return _warm


def end_warm_command() -> None:
    """End this process's own, if it was started."""
    if _warm is not None:
        _warm.close()


def wait() -> NoReturn:
    """What the waiting process does."""
    for name in WARM:
        with contextlib.suppress(ModuleNotFoundError):  # other versions of packages have other modules
            importlib.import_module(name)
    importlib.import_module("coalmine_server.api.app").openapi_document()  # imports all routes
    importlib.import_module("tests.support.doubles.migrated_store").copy_migrated_stores()
    importlib.import_module("tests.support.doubles.migrated_databases").copy_migrated_databases()
    build = importlib.import_module("typer.main")
    vars(build)["get_command"] = functools.cache(
        build.get_command
    )  # the tree of commands is half of most of them
    build.get_command(importlib.import_module("coalmine_server.cli.app").app)
    for forget in getattr(typing, "_cleanups", ()):
        forget()  # DuckDB has each child do it at its end, which copies a third of all pages that it copies
    gc.freeze()  # a child's collections leave alone, and do not copy, what is shared
    _use_huge_pages()
    null = os.open(os.devnull, os.O_RDONLY)
    listener = socket.socket(fileno=os.dup(0))
    os.dup2(null, 0)
    parent = os.getppid()
    # Who waits for a command, by what tells of its end. One fork for each: to fork a process as large as this
    # one takes as long as most commands run.
    running: dict[int, tuple[int, socket.socket]] = {}
    with selectors.DefaultSelector() as events:
        events.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in events.select(2.0):
                if key.fd in running:
                    pid, connection = running.pop(key.fd)
                    events.unregister(key.fd)
                    os.close(key.fd)
                    _, status = os.waitpid(pid, 0)
                    _tell(connection, os.waitstatus_to_exitcode(status))
                    connection.close()
                    continue
                connection, _ = listener.accept()
                try:
                    asked = _asked(connection)
                except ValueError:  # the asker was killed
                    connection.close()
                    continue
                if (pid := os.fork()) == 0:
                    events.close()
                    for each in (listener, connection, *(other for _, other in running.values())):
                        each.close()
                    for end in running:
                        os.close(end)
                    _run(*asked)
                for stream in asked[1]:
                    os.close(stream)
                _tell(connection, pid)
                end = os.pidfd_open(pid)
                running[end] = pid, connection
                events.register(end, selectors.EVENT_READ)
            if os.getppid() != parent:  # killed, so it could not end us
                os._exit(0)


def _use_huge_pages() -> None:
    """A fork copies a table of pages, and its end takes it apart: with one entry for 2 MiB, in half the time.

    Systems that have none say so, and nothing changes.
    """
    libc = ctypes.CDLL(None)
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        addresses, rights, *_, inode, name = [*line.split(maxsplit=5), ""][:6]
        if rights == "rw-p" and inode == "0" and name in ("", "[heap]"):
            first, last = (int(address, 16) for address in addresses.split("-"))
            for start in range(-(-first // _HUGE) * _HUGE, last - _HUGE + 1, _HUGE):
                libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(_HUGE), _MADV_COLLAPSE)


def _tell(connection: socket.socket, number: int) -> None:
    with contextlib.suppress(ConnectionError):  # it need not be there any more
        connection.sendall(_NUMBER.pack(number))


def _asked(connection: socket.socket) -> tuple[Any, list[int]]:
    """Arguments, environment and folder, and the streams.

    Raises:
        ValueError: It is not whole.
    """
    head, streams, _, _ = socket.recv_fds(connection, 64, 2)
    size, _, begun = head.partition(b"\n")
    rest = connection.makefile("rb").read(int(size) - len(begun))
    return json.loads(begun + rest), streams


def _run(asked: Any, streams: Sequence[int]) -> NoReturn:
    """Runs the command in this process, which it ends."""
    arguments, environment, folder = asked
    for target, stream in enumerate(streams, 1):
        os.dup2(stream, target)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # as the environment says
    sys.argv = ["coalmine", *arguments]
    status = 0
    try:
        for name, value in json.loads(os.environ.pop(CONSTANTS, "{}")).items():
            module, _, constant = name.partition(":")
            getattr(importlib.import_module(module), constant)  # one that there is
            setattr(sys.modules[module], constant, value)
        importlib.import_module("coalmine_server.cli").main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - said as the interpreter says it
        sys.excepthook(*sys.exc_info())
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for written in (sys.stdout, sys.stderr):
        written.flush()
    os._exit(status)

"""A real PostgreSQL for tests.

```python
with PostgresServer() as server:
    url = server.create_database()
    ...
    server.kill()      # SIGKILL
    server.start()     # the same address, the same data
```
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

from tests.support.processes.child_process import ChildProcess
from tests.support.servers.ports import free_port
from tests.support.servers.server_choice import ServerUnavailable, docker_problem

VARIABLE = "COALMINE_TEST_POSTGRES"
"""Names a running server to use instead of starting one, as `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`;
the user must be a superuser: tests make databases, and empty tables that forbid it."""

IMAGE = "postgres:17-alpine"
_DEBIAN = Path("/usr/lib/postgresql")
_USER = "coalmine"
# What is committed survives a kill, not a power cut of the machine: nobody mourns the data of a test.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "autovacuum": "off",
}


class _Engine(Protocol):
    url: URL

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def close(self) -> None: ...
    @property
    def running(self) -> bool: ...
    def log_tail(self) -> str: ...


class PostgresServer:
    """One server: named by `COALMINE_TEST_POSTGRES`, else in a container, else the machine's own programs.

    PostgreSQL refuses to run as root; then an unprivileged user runs it. Not thread-safe.
    """

    def __init__(self, *, owned: bool = True, ready_timeout_s: float = 60.0) -> None:
        """Chooses how to run it; nothing runs yet.

        Args:
            owned: True when it will be stopped or killed, so a server that somebody named will not do.
            ready_timeout_s: How long a start may take, on a loaded machine.

        Raises:
            ServerUnavailable: There is no way to run one here; the message says what was tried.
        """
        self._ready_timeout_s = ready_timeout_s
        self._engine: _Engine | None = None
        self._named: URL | None = None
        named = os.environ.get(VARIABLE)
        if named and not owned:
            self._named = make_url(named).set(drivername="postgresql+psycopg")
            return
        no_docker = docker_problem()
        if no_docker is None:
            self._engine = _ContainerPostgres()
            return
        programs = find_programs()
        if programs is None:
            raise ServerUnavailable(
                f"{VARIABLE} is not set; {no_docker}; no initdb and postgres in PATH or {_DEBIAN} "
                "(Debian's package is called postgresql)"
            )
        self._engine = _LocalPostgres(programs)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        """The URL that `COALMINE_TEST_POSTGRES` would name it by."""
        return self._url().render_as_string(hide_password=False)

    def start(self) -> None:
        """Runs it and waits until it answers."""
        if self._engine is not None:
            self._engine.start()
        deadline = time.monotonic() + self._ready_timeout_s
        while True:
            try:
                self._connect().close()
            except psycopg.OperationalError as error:
                self._check_start(deadline, error)
            else:
                return
            time.sleep(0.02)

    def stop(self) -> None:
        """Ends it in order, without waiting for clients; keeps its data."""
        self._own_engine().stop()

    def kill(self) -> None:
        """Ends it at once (SIGKILL); keeps its data."""
        self._own_engine().kill()

    def close(self) -> None:
        """Ends it and deletes its data; a named server is left alone."""
        if self._engine is not None:
            self._engine.close()

    def create_database(self, *, template: str | None = None) -> str:
        """Makes a database no other test uses.

        Args:
            template: URL of a database to copy, which nobody may be connected to.

        Returns:
            Its URL, as the registry takes it.
        """
        name = f"test_{secrets.token_hex(8)}"
        source = "template1" if template is None else str(make_url(template).database)
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(source)
        )
        with self._connect() as connection:
            connection.execute(statement)
        return self._url().set(database=name).render_as_string(hide_password=False)

    def drop_database(self, url: str) -> None:
        """Deletes a database, whoever is connected to it."""
        name = sql.Identifier(str(make_url(url).database))
        with self._connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def _connect(self) -> psycopg.Connection:
        url = self._url().set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(url, autocommit=True, connect_timeout=5)

    def _url(self) -> URL:
        if self._named is not None:
            return self._named
        return self._own_engine().url

    def _own_engine(self) -> _Engine:
        if self._engine is None:
            raise RuntimeError(f"the server named by {VARIABLE} is not ours to stop; ask for owned=True")
        return self._engine

    def _check_start(self, deadline: float, error: Exception) -> None:
        log = "(a named server)" if self._engine is None else self._engine.log_tail()
        in_time = time.monotonic() <= deadline
        if self._engine is not None and not self._engine.running:
            if not (in_time and "pre-existing shared memory block" in log):
                raise TimeoutError(f"PostgreSQL ended while starting; its log ends:\n{log}")
            self._engine.start()  # a killed server's own processes end a moment after it
        if not in_time:
            raise TimeoutError(
                f"PostgreSQL does not answer after {self._ready_timeout_s:.0f} s ({error}); its log ends:\n"
                f"{log}"
            )


def find_programs() -> Path | None:
    """The folder of `initdb` and `postgres`: Debian's newest, else the one in PATH."""
    folders = sorted(
        (folder for folder in _DEBIAN.glob("*/bin") if folder.parent.name.isdigit()),
        key=lambda folder: -int(folder.parent.name),
    )
    in_path = shutil.which("initdb")
    if in_path is not None:
        folders.append(Path(in_path).resolve().parent)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    return None


class _LocalPostgres:
    """The machine's own programs, with the data in a temporary folder."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._directory = Path(tempfile.mkdtemp(prefix="coalmine-postgres-"))
        self._data = self._directory / "data"
        self._log = self._directory / "server.log"
        self._password = secrets.token_hex(16)
        self.url = URL.create(
            "postgresql+psycopg", _USER, self._password, "127.0.0.1", free_port(), "postgres"
        )
        settings = {
            **_SETTINGS,
            "listen_addresses": "127.0.0.1",
            "port": str(self.url.port),
            "unix_socket_directories": "",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = ChildProcess(
            [*_unprivileged(), str(programs / "postgres"), "-D", str(self._data), *options],
            log_file=self._log,
            remove_with_us=[self._directory],
        )

    @property
    def running(self) -> bool:
        return self._process.running

    def start(self) -> None:
        if not self._data.exists():
            self._make_cluster()
        self._process.start()

    def stop(self) -> None:
        pid = self._process.pid
        if pid is not None:
            os.kill(pid, signal.SIGINT)  # "fast": without waiting for clients
        self._process.stop()

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def log_tail(self) -> str:
        return self._process.log_tail()

    def _make_cluster(self) -> None:
        password_file = self._directory / "password"
        password_file.write_text(self._password, encoding="ascii")
        owner = _unprivileged_user()
        if owner is not None:
            for path in (self._directory, password_file):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        options = ["--no-sync", "--locale=C", "--encoding=UTF8", "--auth=password", f"--username={_USER}"]
        done = subprocess.run(
            [
                *_unprivileged(),
                str(self._programs / "initdb"),
                *options,
                f"--pwfile={password_file}",
                f"--pgdata={self._data}",
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")


class _ContainerPostgres:
    """A container of the official image, at a fixed port of this machine."""

    def __init__(self) -> None:
        # Imported where it is used: without Docker nobody needs it.
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415

        password = secrets.token_hex(16)
        port = free_port()
        self._container = DockerContainer(IMAGE).with_bind_ports(5432, port)
        self._container.with_env("POSTGRES_USER", _USER).with_env("POSTGRES_PASSWORD", password)
        self._container.with_command([part for each in _SETTINGS.items() for part in ("-c", "=".join(each))])
        self._created = False
        self.url = URL.create("postgresql+psycopg", _USER, password, "127.0.0.1", port, "postgres")

    @property
    def running(self) -> bool:
        wrapped = self._container.get_wrapped_container()
        wrapped.reload()
        return str(wrapped.status) == "running"

    def start(self) -> None:
        if self._created:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._created = True

    def stop(self) -> None:
        self._container.get_wrapped_container().stop(timeout=30)

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def close(self) -> None:
        if self._created:
            self._container.stop(force=True, delete_volume=True)

    def log_tail(self) -> str:
        shown: bytes = self._container.get_wrapped_container().logs(tail=30)
        return shown.decode("utf-8", errors="replace")


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Who runs PostgreSQL when we are root; None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServerUnavailable("we are root, and there is neither a user postgres nor nobody to run PostgreSQL")


def _unprivileged() -> list[str]:
    """What to put before a command so that it does not run as root."""
    user = _unprivileged_user()
    if user is None:
        return []
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

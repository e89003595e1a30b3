import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, make_url, text

from coalmine_registry.errors import DatabaseDamaged, DatabaseMisconfigured, DatabaseUnavailable, RegistryBusy
from coalmine_registry.registry import Registry
from coalmine_registry.storage import Database
from coalmine_schemas.errors import Transient
from tests.support.data.registry_case import PROMPT, push, serve
from tests.support.servers.postgres import PostgresServer


def _count(connection: Connection) -> int:
    return int(connection.execute(text("SELECT count(*) FROM prompts")).scalar_one())


def _insert(connection: Connection) -> None:
    connection.execute(text("INSERT INTO prompts VALUES ('x', '2026-01-01', 'me')"))


def test_work_that_fails_is_undone(address: str) -> None:
    database = Database(address)

    def work(connection: Connection) -> None:
        _insert(connection)
        assert _count(connection) == 1
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError):
        database.write(work)
    assert database.read(_count) == 0
    database.close()


def test_readers_neither_wait_for_a_writer_nor_see_half_of_it(address: str) -> None:
    database = Database(address)
    seen: list[int] = []

    def work(connection: Connection) -> None:
        _insert(connection)
        reader = threading.Thread(target=lambda: seen.append(database.read(_count)))
        reader.start()
        reader.join(60)

    database.write(work)
    assert seen == [0]
    assert database.read(_count) == 1
    database.close()


def test_a_reader_sees_one_moment(address: str) -> None:
    database = Database(address)

    def look(connection: Connection) -> tuple[int, int]:
        before = _count(connection)
        writer = threading.Thread(target=lambda: database.write(_insert))
        writer.start()
        writer.join(60)
        return before, _count(connection)

    assert database.read(look) == (0, 0)
    assert database.read(_count) == 1
    database.close()


def test_the_version_of_the_data_tells_of_every_change(new_address: Callable[[str], str]) -> None:
    address = new_address("sqlite")
    database, other = Database(address), Database(address)
    seen = [database.data_version()]
    for writer in (other, database, other):
        assert database.data_version() == seen[-1], "nobody has changed anything"
        database.read(_count)
        writer.write(_insert)
        writer.write(lambda connection: connection.execute(text("DELETE FROM prompts")))
        seen.append(database.data_version())
    assert None not in seen
    assert len(set(seen)) == len(seen)
    other.close()
    database.close()


def test_where_there_is_no_version_of_the_data_one_has_to_read(
    new_address: Callable[[str], str], tmp_path: Path
) -> None:
    database = Database(new_address("postgresql"))
    assert database.data_version() is None
    database.close()
    damaged = tmp_path / "damaged.db"
    damaged.write_text("no database")
    database = Database(damaged)
    assert database.data_version() is None
    database.close()


def test_who_only_reads_cannot_write_on_postgresql(new_address: Callable[[str], str]) -> None:
    database = Database(new_address("postgresql"))
    with pytest.raises(Exception, match=r"read-only transaction"):
        database.read(_insert)
    database.close()


def test_who_waits_too_long_for_other_writers_is_told_to_try_again(address: str) -> None:
    database = Database(address)
    impatient = Database(address, wait_s=0.2)

    def work(_: Connection) -> None:
        with pytest.raises(RegistryBusy, match="try again"):
            impatient.write(_insert)

    database.write(work)
    impatient.write(_insert)
    database.close()
    impatient.close()


def test_threads_of_one_process_wait_for_each_other_too(address: str) -> None:
    database = Database(address, wait_s=0.2)
    errors: list[Exception] = []

    def impatient() -> None:
        try:
            database.write(_insert)
        except RegistryBusy as error:
            errors.append(error)

    def work(_: Connection) -> None:
        other = threading.Thread(target=impatient)
        other.start()
        other.join(60)

    database.write(work)
    assert len(errors) == 1
    database.close()


def test_sqlite_keeps_a_write_ahead_log_that_survives_a_power_cut(new_address: Callable[[str], str]) -> None:
    database = Database(new_address("sqlite"))
    pragmas = {
        name: database.read(lambda connection, name=name: connection.execute(text(f"PRAGMA {name}")).scalar())  # type: ignore[misc]
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
    database.close()


@pytest.mark.parametrize(
    "address",
    [
        "mysql://secret:secret@localhost/x",
        "postgresql+nothing://secret@host/x",
        "sqlite://",
        "://secret",
        "http://secret",
    ],
)
def test_an_address_that_is_none_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(DatabaseMisconfigured, match=r"sqlite:///PATH or postgresql") as caught:
        Registry.open(address)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql://", "postgres://", "postgresql+psycopg://"])
@pytest.mark.postgres
def test_every_usual_spelling_of_a_postgresql_address_works(
    new_address: Callable[[str], str], scheme: str
) -> None:
    url = new_address("postgresql").replace("postgresql+psycopg://", scheme)
    database = Database(url)
    assert database.read(_count) == 0
    database.close()


def test_a_database_that_does_not_answer_is_a_passing_trouble() -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        Registry.open("postgresql://coalmine:secret@127.0.0.1:1/x")
    assert isinstance(caught.value, Transient)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    path.write_bytes(b"something else" * 1000)
    with pytest.raises(DatabaseDamaged, match="not a database or is damaged"):
        Registry.open(path)
    assert path.read_bytes() == b"something else" * 1000


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DatabaseMisconfigured, match="file"):
        Registry.open(tmp_path / "file" / "registry.db")


def test_a_sqlite_file_may_be_copied_while_it_is_used(
    new_address: Callable[[str], str], tmp_path: Path
) -> None:
    address = new_address("sqlite")
    with Registry.open(address) as registry:
        serve(registry, "1.0.0")
        source, copy = sqlite3.connect(address), sqlite3.connect(tmp_path / "copy.db")
        source.backup(copy)
        source.close()
        copy.close()
    with Registry.open(tmp_path / "copy.db") as restored:
        assert restored.deployment("prod", PROMPT).version == "1.0.0"


_STOPS = """
import os, signal, sys
from sqlalchemy import text
from coalmine_registry.errors import DatabaseUnavailable
from coalmine_registry.storage import Database

database = Database(sys.argv[1], hangs_s=0.5)

def stop(connection):
    print("in the midst", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    connection.execute(text("UPDATE environments SET revision = 99"))

try:
    database.write(stop)
except DatabaseUnavailable as error:
    print(error)
print(database.write(lambda connection: connection.execute(text("SELECT 1")).scalar()))
"""


@pytest.mark.postgres
def test_a_process_that_is_stopped_in_the_midst_of_a_change_keeps_nobody_from_theirs(
    new_address: Callable[[str], str],
) -> None:
    url = new_address("postgresql")
    command = [sys.executable, "-c", _STOPS, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stopped:
        try:
            assert stopped.stdout is not None
            assert stopped.stdout.readline() == "in the midst\n"
            database = Database(url)
            database.write(_insert)
            stopped.send_signal(signal.SIGCONT)
            said, _ = stopped.communicate(timeout=60)
        finally:
            stopped.kill()
    assert said.endswith("idle-in-transaction timeout\n1\n"), said
    revisions = text("SELECT revision FROM environments")
    assert 99 not in database.read(lambda connection: connection.execute(revisions).scalars().all())
    database.close()


@pytest.mark.postgres
def test_a_network_that_drops_everything_ends_a_connection(new_address: Callable[[str], str]) -> None:
    database = Database(new_address("postgresql"), wait_s=7)

    def options(connection: Connection) -> tuple[int, int]:
        number = connection.connection.dbapi_connection.fileno()  # type: ignore[union-attr]
        with socket.socket(fileno=os.dup(number)) as ours:
            sent = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            return sent, ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)

    assert database.read(options) == (7_000, 10)
    database.close()


@pytest.mark.postgres
def test_a_database_that_only_reads_is_a_passing_trouble(new_address: Callable[[str], str]) -> None:
    url = make_url(new_address("postgresql"))
    standby = url.update_query_dict({"options": "-c default_transaction_read_only=on"})
    database = Database(standby.render_as_string(hide_password=False))
    assert database.read(_count) == 0
    with pytest.raises(DatabaseUnavailable, match="read-only"):
        database.write(_insert)
    database.close()


@pytest.mark.postgres
def test_the_registry_works_again_when_postgresql_does(own_postgres: PostgresServer) -> None:
    with Registry.open(own_postgres.create_database()) as registry:
        push(registry, "1.0.0")
        own_postgres.stop()
        with pytest.raises(DatabaseUnavailable):
            registry.versions(PROMPT)
        with pytest.raises(DatabaseUnavailable):
            push(registry, "1.1.0")
        own_postgres.start()
        push(registry, "1.1.0")
        assert [each.version for each in registry.versions(PROMPT).items] == ["1.1.0", "1.0.0"]

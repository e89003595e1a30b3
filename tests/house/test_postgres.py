"""Where the tests' PostgreSQL comes from, and that it can be stopped, killed and started again."""

import os
import signal
import threading
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.support.servers import postgres as support
from tests.support.servers import server_choice
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.server_choice import ServerUnavailable


def _run(url: str, statement: str) -> list[object]:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return list(cursor.fetchall()) if cursor.description else []


@pytest.mark.postgres
def test_databases_are_apart_and_begin_as_their_template(postgres: PostgresServer) -> None:
    template = postgres.create_database()
    _run(template, "CREATE TABLE given (x int)")
    first, second = (postgres.create_database(template=template) for _ in range(2))
    _run(first, "INSERT INTO given VALUES (1)")
    assert (_run(first, "SELECT x FROM given"), _run(second, "SELECT x FROM given")) == ([(1,)], [])
    for url in (template, first, second):
        postgres.drop_database(url)
    with pytest.raises(psycopg.OperationalError):
        _run(first, "SELECT 1")


@pytest.mark.postgres
def test_a_killed_server_comes_back_at_the_same_address_with_its_data(own_postgres: PostgresServer) -> None:
    url = own_postgres.create_database()
    _run(url, "CREATE TABLE kept (x int)")
    for end in (own_postgres.kill, own_postgres.stop):
        end()
        with pytest.raises(psycopg.OperationalError):
            _run(url, "SELECT 1")
        own_postgres.start()
        assert _run(url, "SELECT x FROM kept") == []


@pytest.mark.postgres
@pytest.mark.skipif(server_choice.docker_problem() is None, reason="processes of a container are its own")
def test_a_process_that_outlives_a_killed_server_delays_its_start(own_postgres: PostgresServer) -> None:
    url = own_postgres.create_database()
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        pid = connection.info.backend_pid
        os.kill(pid, signal.SIGSTOP)
        own_postgres.kill()
        goes_on = threading.Timer(0.3, os.kill, (pid, signal.SIGCONT))
        goes_on.start()
        own_postgres.start()
        goes_on.join()
    assert _run(url, "SELECT 1") == [(1,)]


@pytest.mark.postgres
def test_it_does_not_run_as_root_and_listens_on_this_machine_only(own_postgres: PostgresServer) -> None:
    url = own_postgres.create_database()
    if server_choice.docker_problem() is not None:
        assert _run(url, "SHOW listen_addresses") == [("127.0.0.1",)]
        folder = Path(str(_run(url, "SHOW data_directory")[0][0]))  # type: ignore[index]
        assert folder.stat().st_uid != 0 or os.geteuid() != 0
    with pytest.raises(psycopg.OperationalError, match="password"):
        _run(make_url(url).set(password="wrong").render_as_string(hide_password=False), "SELECT 1")


def test_with_nothing_to_run_it_the_reason_names_all_ways(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    monkeypatch.delenv(support.VARIABLE, raising=False)
    monkeypatch.setattr(support, "_DEBIAN", tmp_path)
    server_choice.docker_problem.cache_clear()
    with pytest.raises(ServerUnavailable) as caught:
        PostgresServer()
    server_choice.docker_problem.cache_clear()
    for part in (support.VARIABLE, "Docker", "initdb", "postgresql"):
        assert part in str(caught.value)


def test_a_named_server_is_used_and_is_not_ours_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(support.VARIABLE, "postgresql://somebody@127.0.0.1:1/postgres")
    server = PostgresServer(owned=False, ready_timeout_s=0.0)
    with pytest.raises(TimeoutError, match="does not answer"):
        server.start()
    with pytest.raises(RuntimeError, match="not ours to stop"):
        server.stop()
    server.close()

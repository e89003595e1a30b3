"""`coalmine sql`: with and without a server, as a table, JSON and CSV, and who sees texts."""

import json
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from coalmine import Coalmine
from tests.server.registry_client import Person
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine, coalmine_json

COUNTED = (
    "SELECT version, count(*) AS calls, sum(input_tokens) AS tokens FROM requests GROUP BY version ORDER BY 1"
)
EXPECTED = [{"version": "1.0.0", "calls": 3, "tokens": 6}, {"version": "1.1.0", "calls": 2, "tokens": 2}]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five calls of two versions."""
    home = tmp_path_factory.mktemp("sql") / "home"
    with Coalmine("support-bot", home=home, capture_text=True) as client:
        for version, calls in (("1.0.0", 3), ("1.1.0", 2)):
            for number in range(calls):
                with client.call("greet", version=version, unit_id=f"u{number}") as call:
                    call.record(input_tokens=calls - 1, output_tokens=1, input_text="what is it?")
    assert coalmine_json("sql", COUNTED, home=home) == EXPECTED  # without a server
    return home


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[ServerProcess]:
    with ServerProcess(home) as server:
        yield server.wait_ready()


def test_a_statement_is_answered_while_the_server_runs(server: ServerProcess, home: Path) -> None:
    assert coalmine_json("sql", COUNTED, home=home) == EXPECTED
    table = coalmine("sql", COUNTED, home=home)
    assert table.stdout.split() == ["version", "calls", "tokens", "1.0.0", "3", "6", "1.1.0", "2", "2"]
    plain = coalmine("sql", COUNTED, "--csv", home=home)
    assert plain.stdout.splitlines() == ["version,calls,tokens", "1.0.0,3,6", "1.1.0,2,2"]
    short = coalmine("sql", COUNTED, "--limit", "1", home=home)
    assert "only the first 1 rows" in short.stderr
    odd = "SELECT 'nan'::DOUBLE AS x, 1e300::HUGEINT IS NULL AS y, [1, NULL] AS z, DATE '2026-01-02' AS d"
    refused = coalmine("sql", odd, home=home)
    assert refused.returncode == 2  # 1e300 is too large for a whole number
    odd = "SELECT 'nan'::DOUBLE AS x, {'a': 2::HUGEINT} AS y, [1, NULL] AS z, DATE '2026-01-02' AS d"
    odd += ", 'a'::BLOB AS b"
    assert coalmine_json("sql", odd, home=home) == [
        {"x": None, "y": {"a": 2}, "z": [1, None], "d": "2026-01-02", "b": "61"}
    ]


def test_what_may_not_be_asked_ends_with_2(server: ServerProcess, home: Path) -> None:
    for statement, said in (
        ("DELETE FROM requests", "only SELECT"),
        ("FROM read_csv('/etc/passwd')", "read_csv"),
        ("SELECT * FROM request", "did you mean requests?"),
        ("SELECT input_text FROM requests", "input_text"),
        ("SELECT DATE '290000-01-01'", "beyond the years 1 to 9999"),
        ("SELECT TIMESTAMP 'infinity'", "beyond the years 1 to 9999"),
        ("SELECT repeat('x', 3000000000)", "memory"),
    ):
        refused = coalmine("sql", statement, home=home)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert said in refused.stderr


def test_texts_and_users_are_for_admins(server: ServerProcess, home: Path) -> None:
    asked = {"sql": "SELECT DISTINCT input_text, unit_id FROM requests ORDER BY unit_id", "private": True}
    with Person.local(server) as admin, admin.make("rita", "reader") as reader:
        found = admin.post("/v1/sql", asked)
        assert found["rows"] == [["what is it?", f"u{number}"] for number in range(3)]
        reader.post("/v1/sql", asked, expect=403)
        counted = {"sql": "SELECT count(DISTINCT unit_id) AS users FROM requests"}
        assert reader.post("/v1/sql", counted)["rows"] == [[3]]


ENDLESS = {"sql": "SELECT count(*) FROM range(1000000000) AS a, range(1000000000) AS b", "timeout_s": 300}


def test_statements_that_wait_keep_no_question_about_measures_waiting(server: ServerProcess) -> None:
    with ExitStack() as open_ones:
        statements = [open_ones.enter_context(_asked(server)) for _ in range(6)]
        eventually(lambda: _running(server), what="a statement runs")
        for _ in range(2):
            server.json("/v1/versions")
        assert select.select(statements, [], [], 0)[0] == [], "a statement was answered meanwhile"


def test_a_statement_ends_with_the_connection_of_who_asks(server: ServerProcess) -> None:
    with _asked(server):
        eventually(lambda: _running(server), what="a statement runs")
    with Person.local(server) as admin:
        assert admin.post("/v1/sql", {"sql": "SELECT 1 AS one"})["rows"] == [[1]]
    eventually(lambda: not _running(server), what="its process has ended")


def _asked(server: ServerProcess) -> socket.socket:
    """A connection that waits for the answer to what takes for ever."""
    body = json.dumps(ENDLESS)
    head = (
        "POST /v1/sql HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {server.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", server.web.base_url.port or 0), timeout=30)
    connection.sendall(f"{head}{body}".encode())
    return connection


def _running(server: ServerProcess) -> bool:
    children = Path(f"/proc/{server.process.pid}/task").glob("*/children")
    return any(each.read_text(encoding="ascii") for each in children)


def test_an_export_is_made_while_the_server_runs(server: ServerProcess, home: Path, tmp_path: Path) -> None:
    found = coalmine_json("export", str(tmp_path / "out"), "--to", "parquet", home=home)
    assert {each["table"]: each["rows"] for each in found["tables"]}["requests"] == 5
    assert {each["file"] for each in found["tables"]} == {path.name for path in (tmp_path / "out").iterdir()}
    assert list((home / "exports").iterdir()) == []
    again = coalmine("export", str(tmp_path / "out"), home=home)
    assert again.returncode == 2
    assert "is not empty" in again.stderr

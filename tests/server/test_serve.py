"""The life of a server process: start, stop, standby, takeover, and what it says meanwhile."""

import json
import os
import signal
import socket
import stat
from pathlib import Path

import httpx2
import pytest

from coalmine import Coalmine
from tests.server.conftest import TRACE, write_poison
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine, coalmine_json


def calls(home: Path, number: int, prompt: str = "p") -> None:
    """Puts calls into the spool."""
    with Coalmine("app", spool_dir=home / "spool") as client:
        for _ in range(number):
            with client.call(prompt, version="1.0.0"):
                pass


def stored(server: ServerProcess) -> int:
    """Requests the server shows."""
    return sum(item["requests"] for item in server.json("/v1/versions")["items"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_zero_and_everything_read_is_committed(
    home: Path, number: signal.Signals
) -> None:
    with ServerProcess(home) as server:
        server.wait_ready()
        calls(home, 50)
        eventually(lambda: stored(server) == 50, what="stored")
        server.signal(number)
        assert server.wait() == 0
        assert not (home / "server.json").exists()
        assert server.log_lines()[-1]["event"] == "stopped"
    rows = coalmine_json("versions", home=home)
    assert [row["requests"] for row in rows] == [50]


def test_a_home_that_others_may_write_is_refused_at_the_start(home: Path) -> None:
    home.mkdir()
    home.chmod(0o1777)
    for part in ("all", "registry"):
        done = coalmine("serve", part, "--port", "0", home=home)
        assert (done.returncode, f"chmod go-w {home}" in done.stderr) == (2, True), done.stderr
    assert list(home.iterdir()) == []


def test_a_home_that_others_may_write_later_keeps_no_server_from_stopping(home: Path) -> None:
    with ServerProcess(home) as server:
        server.wait_ready()
        calls(home, 5)
        home.chmod(0o777)
        assert server.stop() == 0
        assert server.log_lines()[-1]["event"] == "stopped"
    home.chmod(0o700)
    assert coalmine_json("versions", home=home)[0]["requests"] == 5


def test_it_writes_nothing_to_standard_output_and_leaves_private_files(home: Path) -> None:
    with ServerProcess(home) as server:
        server.wait_ready()
        for name in ("credentials", "registry.db", "server.json", "registry.json"):
            assert stat.S_IMODE((home / name).stat().st_mode) == 0o600, name
        calls(home, 5)
        eventually(lambda: stored(server) == 5, what="stored")
        for path in (home, *home.rglob("*")):
            if path.name != "server.log":  # the test's own
                assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        announced = json.loads((home / "server.json").read_text(encoding="utf-8"))
        assert (announced["url"], announced["pid"]) == (server.url, server.process.pid)


def test_a_second_server_stands_by_says_so_and_takes_over(home: Path) -> None:
    calls(home, 10)
    with ServerProcess(home, name="first") as first, ServerProcess(home, name="second") as second:
        first.wait_ready()
        eventually(lambda: stored(first) == 10, what="stored")
        not_ready = eventually(
            lambda: httpx2.get(f"{second.url}/readyz") if "standby" in second.log_text() else None,
            what="standing by",
        )
        assert not_ready.status_code == 503
        assert not_ready.headers["content-type"] == "application/problem+json"
        assert str(first.process.pid) in not_ready.json()["detail"]
        assert httpx2.get(f"{second.url}/healthz").is_success
        for path in ("/v1/versions", "/v1/ingest", "/v1/facets"):
            refused = second.get(path)
            assert (refused.status_code, refused.json()["type"]) == (503, "urn:coalmine:standby")
        assert "coalmine_standby 1.0" in second.get("/metrics").text
        # The command asks the one that owns the store.
        assert coalmine_json("versions", home=home)[0]["requests"] == 10

        first.signal(signal.SIGKILL)
        assert first.wait() == -signal.SIGKILL
        second.wait_ready()
        assert stored(second) == 10
        calls(home, 5)
        eventually(lambda: stored(second) == 15, what="stored by the second")
        assert coalmine_json("versions", home=home)[0]["requests"] == 15
        assert second.stop() == 0


def test_a_standby_that_is_stopped_leaves_the_owner_alone(home: Path) -> None:
    with ServerProcess(home, name="first") as first, ServerProcess(home, name="second") as second:
        first.wait_ready()
        assert second.stop() == 0
        assert first.json("/v1/ingest")["state"] == "running"
        for name in ("server.json", "registry.json"):
            assert json.loads((home / name).read_text())["url"] == first.url


def test_a_port_in_use_is_said_and_has_its_exit_code(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = coalmine("serve", "--port", str(port), home=home)
    assert result.returncode == 3
    assert f"127.0.0.1:{port}: the port is in use" in result.stderr
    assert "--port" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (home / "store").exists()


def test_an_address_of_another_machine_is_refused(home: Path) -> None:
    result = coalmine("serve", "--host", "192.0.2.1", "--port", "0", home=home)
    assert result.returncode == 2
    assert "cannot listen on 192.0.2.1" in result.stderr


def test_listening_for_other_machines_warns_and_still_needs_tokens(home: Path) -> None:
    with ServerProcess(home, {"COALMINE_SERVER_HOST": "0.0.0.0"}) as server:
        server.wait_ready()
        assert httpx2.get(f"{server.url}/v1/facets").status_code == 401
        assert any("without TLS" in line["event"] for line in server.log_lines())


def test_a_killed_server_leaves_nothing_that_stops_the_next(home: Path) -> None:
    calls(home, 10)
    with ServerProcess(home, name="first") as first:
        first.wait_ready()
        eventually(lambda: stored(first) == 10, what="stored")
        first.signal(signal.SIGKILL)
        first.wait()
    # server.json names a process that is gone: commands must not believe it.
    assert (home / "server.json").exists()
    calls(home, 1)
    assert coalmine_json("versions", home=home)[0]["requests"] == 11
    with ServerProcess(home, name="second") as second:
        second.wait_ready()
        assert stored(second) == 11


def test_what_a_killed_server_left_of_a_statement_is_removed_at_the_start(home: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    left = temporary / "coalmine-sql-abc"
    left.mkdir(parents=True)
    (left / "tables.duckdb").write_bytes(b"x")
    with ServerProcess(home, {"TMPDIR": str(temporary)}) as server:
        server.wait_ready()
        assert not left.exists()


def test_commands_ask_the_running_server_and_no_one_else_sees_the_token(home: Path, trace: Path) -> None:
    with ServerProcess(home) as server:
        server.wait_ready()
        coalmine_json("replay", trace, "--speed", "max", "--mix", home=home)
        eventually(lambda: stored(server) == 500, what="stored")
        assert [row["prompt"] for row in coalmine_json("versions", home=home)] == [TRACE]
        assert coalmine_json("ingest-status", home=home)["state"] == "running"
        series = coalmine_json("timeseries", "--step", "hour", home=home)
        assert sum(row["requests"] for row in series) == 500
        elsewhere = home.parent / "elsewhere"
        refused = coalmine("versions", home=elsewhere, env={"COALMINE_SERVER_URL": server.url})
        assert (refused.returncode, "requires a token" in refused.stderr) == (2, True)
        wrong = {"COALMINE_SERVER_URL": server.url, "COALMINE_TOKEN": "cm_wrong"}
        refused = coalmine("versions", home=elsewhere, env=wrong)
        assert (refused.returncode, "does not accept the token" in refused.stderr) == (2, True)
        right = {"COALMINE_SERVER_URL": server.url, "COALMINE_TOKEN": server.token}
        assert coalmine_json("versions", home=elsewhere, env=right)[0]["requests"] == 500


def test_a_named_server_that_does_not_answer_is_unreachable(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    result = coalmine("versions", home=home, env={"COALMINE_SERVER_URL": url})
    assert result.returncode == 3
    assert url in result.stderr


def test_a_store_that_cannot_be_opened_ends_the_server_and_says_why(home: Path) -> None:
    (home / "store").mkdir(parents=True)
    (home / "store" / "coalmine.duckdb").write_bytes(b"this is no database" * 1000)
    result = coalmine("serve", "--port", "0", home=home)
    assert result.returncode == 1
    assert "coalmine.duckdb" in result.stderr


def test_metrics_count_what_was_ingested(home: Path) -> None:
    calls(home, 7)
    with ServerProcess(home) as server:
        server.wait_ready()
        eventually(lambda: stored(server) == 7, what="stored")
        text = server.get("/metrics").text
        assert 'coalmine_ingest_messages_total{outcome="stored"} 7.0' in text
        assert "coalmine_ingest_lag_messages 0.0" in text
        assert "coalmine_owns_store 1.0" in text
        assert "process_resident_memory_bytes" in text
        assert 'coalmine_http_requests_total{method="GET",route="/readyz",status="200"}' in text


def test_a_second_signal_does_not_wait(home: Path) -> None:
    with ServerProcess(home) as server:
        server.wait_ready()
        os.kill(server.process.pid, signal.SIGTERM)
        os.kill(server.process.pid, signal.SIGTERM)
        assert server.wait() in (0, 128 + signal.SIGTERM)


def test_commands_that_take_care_work_beside_a_running_server(home: Path) -> None:
    write_poison(home / "spool", 2)
    calls(home, 30)
    with ServerProcess(home) as server:
        server.wait_ready()
        eventually(lambda: server.json("/v1/ingest")["counts"]["consumed"] == 32, what="everything ingested")
        first, second = coalmine_json("dead-letters", "list", home=home)
        shown = coalmine_json("dead-letters", "show", first["dead_letter_id"], home=home)
        assert (shown["frame"], shown["size_bytes"]) == ("none", len(b"poison 0"))
        unknown = coalmine("dead-letters", "show", "01a00000-0000-7000-8000-000000000000", home=home)
        assert unknown.returncode == 2
        failing = coalmine("dead-letters", "replay", second["dead_letter_id"], home=home)
        assert (failing.returncode, second["dead_letter_id"] in failing.stderr) == (1, True)
        discarded = coalmine_json("dead-letters", "discard", "--all", "--stage", "frame", home=home)
        assert discarded["discarded"] == 2
        assert coalmine_json("rebuild", home=home)["counted"] == 30
        report = coalmine_json("audit", "--deep", home=home)
        assert report["identity"]["read"] == 32
        assert server.json("/v1/rebuild")["state"] == "done"
        assert server.stop() == 0


def test_a_stop_in_the_middle_of_a_backlog_loses_and_repeats_nothing(home: Path) -> None:
    for _ in range(40):
        calls(home, 100)
    few_at_once = {"COALMINE_INGEST_LIVE_MESSAGES": "200", "COALMINE_INGEST_CATCH_UP_MESSAGES": "200"}
    with ServerProcess(home, few_at_once, name="first") as first:
        first.wait_ready()
        eventually(lambda: stored(first) > 0, what="a first batch")
        first.signal(signal.SIGTERM)
        assert first.wait() == 0
    status = coalmine_json("ingest-status", home=home)
    assert (status["counts"]["stored"], status["counts"]["duplicates"]) == (4000, 0)
    assert coalmine("audit", home=home).returncode == 0

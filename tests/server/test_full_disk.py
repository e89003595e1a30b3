"""`coalmine serve` started on a full disk waits for room, says so, and then runs."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coalmine import Coalmine
from tests.support.doubles.small_disk import mounted_disk
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine, environment
from tests.support.processes.warm_command import WarmProcess, warm_command


def _fill(directory: Path) -> Path:
    """Takes all the room there is."""
    path = directory / "fill"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        for size in (65536, 512, 1):
            try:
                while True:
                    os.write(descriptor, b"x" * size)
            except OSError:
                continue
    finally:
        os.close(descriptor)
    return path


@contextmanager
def _serving(home: Path, folder: Path, log: Path) -> Iterator[WarmProcess]:
    """`coalmine serve` with its log in a file; killed if it still runs at the end."""
    with log.open("ab") as output:
        process = warm_command().start(
            ["serve", "all", "--port", "0"],
            environment=environment(home, {"COALMINE_LOG_FORMAT": "json"}),
            folder=folder,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.mark.parametrize("full", [".", "store"])
@pytest.mark.parametrize("existing", [False, True], ids=["new", "existing"])
def test_a_server_started_on_a_full_disk_waits_for_room(tmp_path: Path, full: str, existing: bool) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with mounted_disk(home / full, size_kib=20_000):
        if existing:
            with ServerProcess(home, name="before") as server:
                server.wait_ready()
                assert server.stop() == 0
        fill = _fill(home / full)
        log = tmp_path / "server.log"
        with _serving(home, home, log) as process:
            eventually(lambda: "the disk is full" in log.read_text(), what="a line that says so")
            assert process.poll() is None
            fill.unlink()
            eventually(lambda: "owns the store" in log.read_text(), what="a start after all")
            process.terminate()
            assert process.wait(60) == 0
        assert "Traceback" not in log.read_text()


def test_a_server_that_waits_for_room_ends_when_it_is_told_to(tmp_path: Path) -> None:
    with mounted_disk(tmp_path / "home", size_kib=64):
        _fill(tmp_path / "home")
        log = tmp_path / "server.log"
        with _serving(tmp_path / "home", tmp_path, log) as process:
            eventually(lambda: "the disk is full" in log.read_text())
            process.terminate()
            assert process.wait(60) == 0


def test_maintenance_that_finds_no_room_ends_with_3_and_can_be_done_again(tmp_path: Path) -> None:
    home, out = tmp_path / "home", tmp_path / "out"
    log = tmp_path / "server.log"
    commands = [
        ["rebuild"],
        ["backup", str(out / "backup")],
        ["export", str(out / "export")],
        ["forget", "--unit-id", "user-1"],
        ["token", "create", "ann", "--role", "reader"],
    ]
    with mounted_disk(home, size_kib=30_000), ServerProcess(home, log=log) as server:
        server.wait_ready()
        with Coalmine("bot", home=home) as client:
            for number in range(50):
                with client.call("greet", version="1.0.0", model="m", unit_id=f"user-{number % 5}") as call:
                    call.record(input_tokens=100, output_tokens=10)
        eventually(lambda: server.json("/v1/ingest")["counts"]["stored"] == 50 or None, what="stored")
        fill = _fill(home)
        for command in commands:
            refused = coalmine(*command, home=home)
            assert refused.returncode == 3, (command, refused.stderr)
            assert re.search("disk is full|No space left", refused.stderr), (command, refused.stderr)
            # Only a rebuild, which is an admin's, names the file.
            assert str(home) not in refused.stderr or command == ["rebuild"], (command, refused.stderr)
        told = [each for each in server.log_lines() if each["event"] == "fault while answering"]
        assert {each["path"] for each in told} >= {"/v1/backups", "/v1/exports", "/v1/forget"}
        assert not [each for each in told if "exception" in each]
        fill.unlink()
        for command in commands:
            done = coalmine(*command, home=home)
            assert done.returncode == 0, (command, done.stderr)
        assert server.json("/v1/audit", params={"deep": "true"})["ok"]
        assert not [*(home / "backups").iterdir(), *(home / "exports").iterdir()]

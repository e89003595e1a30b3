"""`coalmine serve` started on a full disk waits for room, says so, and then runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.doubles.small_disk import mounted_disk
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, environment
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

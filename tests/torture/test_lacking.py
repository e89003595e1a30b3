"""A running server lacks something again and again: room, a disk it may write, descriptors, the time.

Meanwhile a service goes on with a spool elsewhere. Everything that it made is stored in the end, once.
"""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import pytest

from coalmine import Coalmine
from tests.server.registry_client import HELLO, Person
from tests.support.campaign import size
from tests.support.doubles.faults import Faults
from tests.support.doubles.small_disk import mounted_disk
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess

TIMES: Final = size(1, 10)
BATCH: Final = size(200, 2_000)
PATIENCE_S: Final = size(60, 300)
JUMPS_S: Final = (3600, -3600, 0, 0.5, -20, 6 * 3600, -6 * 3600, 23 * 3600, 0)
"""What the server's clock is ahead of the service's, one after the other."""


class World:
    """A server on a disk of its own, its faults, and a service."""

    def __init__(self, server: ServerProcess, client: Coalmine, disk: Path, faults: Faults) -> None:
        self.server = server
        self.client = client
        self.disk = disk
        self.faults = faults
        self.made = 0

    def call(self, count: int = BATCH) -> None:
        """The service does what it does; nothing of it fails or is dropped."""
        for _ in range(count):
            with self.client.call("greet", version="1.0.0", segments={"padding": "x" * 200}):
                pass
        self.made += count
        assert self.client.flush(PATIENCE_S)
        assert self.client.stats().dropped == {}

    def stored(self) -> int:
        """Calls that the server shows."""
        time.sleep(size(0, 1) / 10)  # leaves the processor to the server
        counts = self.server.json("/v1/ingest")["by_event"].get("requests", {})
        assert counts.get("duplicates", 0) == 0
        return int(counts.get("stored", 0))

    def settle(self) -> None:
        """All is stored, once, and the server is well."""
        said = "\n".join(self.server.log_text().splitlines()[-10:])
        eventually(
            lambda: self.stored() == self.made,
            within_s=PATIENCE_S,
            what=f"{self.made} calls, after\n{said}\n",
        )
        eventually(lambda: self.server.web.get("/readyz").is_success, within_s=PATIENCE_S, what="ready")

    def is_waiting(self) -> bool:
        """The collector cannot go on; who asks may lack the same at that moment."""
        answer = self.server.get("/v1/ingest")
        return answer.status_code != 503 and bool(answer.json()["state"] == "waiting")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("lacking")
    faults = Faults(directory)
    spool, disk = directory / "spool", directory / "disk"
    settings = {"COALMINE_SPOOL_DIR": str(spool), **faults.environment}
    with (
        mounted_disk(disk, 400_000),
        ServerProcess(disk / "home", settings, log=directory / "log", cold=True) as server,
        Coalmine("bot", spool_dir=spool) as client,
    ):
        server.wait_ready()
        with Person.local(server) as admin:
            admin.register("greet", "1.0.0", HELLO)
        world = World(server, client, disk, faults)
        world.call()
        world.settle()
        yield world
        audit = server.json("/v1/audit")
        assert audit["ok"], audit
        assert server.stop() == 0


def fill(disk: Path) -> None:
    """Leave no byte of it."""
    with (disk / "fill").open("wb", buffering=0) as file:
        for block in (1 << 20, 4096, 1):
            with suppress(OSError):
                while file.write(bytes(block)):
                    pass


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_disk_that_cannot_be_written_is_waited_for(
    world: World, fault: str, record_property: Callable[[str, object], None]
) -> None:
    before = world.made
    for _ in range(TIMES):
        if fault == "full":
            fill(world.disk)
        else:
            world.faults.make_read_only(world.disk)
        world.call()
        eventually(world.is_waiting, within_s=PATIENCE_S, what="a collector that waits")
        assert world.stored() < world.made  # and questions are answered
        if fault == "full":
            (world.disk / "fill").unlink()
        else:
            world.faults.make_writable()
        world.settle()
    record_property("tried", f"{TIMES} times, {world.made - before:,} calls")


def test_descriptors_that_are_used_up_are_waited_for(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    before, pid = world.made, world.server.process.pid
    usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    for _ in range(TIMES):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, usual[1]))
        try:
            world.call()
            eventually(world.is_waiting, within_s=PATIENCE_S, what="a collector that waits")
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, usual)
        world.settle()
    record_property("tried", f"{TIMES} times, {world.made - before:,} calls")


def test_a_clock_that_jumps_costs_no_event(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    before = world.made
    with ExitStack() as stack:
        stack.callback(world.faults.set_clock, 0)
        jumps_s = JUMPS_S[: size(3, 9)] * size(1, 5)
        for ahead_s in jumps_s:
            world.faults.set_clock(ahead_s)
            world.call(BATCH // 10)
            world.settle()
    letters = world.server.json("/v1/dead-letters")
    assert letters["items"] == []
    record_property("tried", f"{len(jumps_s)} jumps, {world.made - before:,} calls")

"""A collector under the kernel's limit of memory: killed by one too low, at home in a usual one."""

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from coalmine_consumers.store import Store
from tests.support.campaign import size
from tests.support.doubles.memory_limit import memory_limit
from tests.support.torture.check import check_all
from tests.support.torture.load import TortureLoad, expected
from tests.support.torture.processes import STORE, TortureCollector, Where, producing

EVENTS: Final = size(10_000, 100_000)
KILLS: Final = size(1, 10)
ENOUGH_MIB: Final = 1024


def test_a_limit_of_memory_costs_no_event(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    where = Where(tmp_path / "store", spool=tmp_path / "spool")
    loads = [TortureLoad(1, EVENTS)]
    with memory_limit() as limit:
        with producing(where, loads, seconds=0.0) as (producer,):
            producer.join(600)
        for number in range(KILLS):
            collector = TortureCollector(where, tmp_path / "log")
            collector.wait_for("running")
            # For what it takes from now on, which is too little, a little later each time.
            limit.set_mib(2 + number)
            limit.take(collector.pid)
            collector.join(-signal.SIGKILL)
        wanted = expected(loads)
        limit.set_mib(ENOUGH_MIB)
        last = TortureCollector(
            where, tmp_path / "log", until_consumed=sum(map(wanted.consumed, wanted.rows))
        )
        limit.take(last.pid)
        last.join(0, timeout_s=1800)
        most_mib = limit.most_mib()
    store = Store.open(where.store, replace(STORE, memory_limit_mb=4096))
    try:
        check_all(store, wanted)
    finally:
        store.close()
    assert list((tmp_path / "spool").iterdir()) == []
    record_property("tried", f"{KILLS} kills by the limit, then {EVENTS:,} events within {most_mib:.0f} MiB")

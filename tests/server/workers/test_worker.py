"""Workers go on after faults, wake when asked and end when told; an outbox is emptied, oldest first."""

import threading
from collections.abc import Callable

import pytest

from coalmine_schemas.errors import Transient
from coalmine_server.workers import outbox, worker
from coalmine_server.workers.outbox import outbox_worker
from coalmine_server.workers.worker import Worker
from tests.support.eventually import eventually

LONG_S = 3600.0


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "AGAIN_AFTER_S", 0.01)
    monkeypatch.setattr(outbox, "AGAIN_S", 0.01)


def counting(limit: int) -> tuple[list[int], threading.Event, Callable[[threading.Event], float]]:
    """A tick that fails the first time, and says when it was called so many times."""
    calls: list[int] = []
    done = threading.Event()

    def tick(_stop: threading.Event) -> float:
        calls.append(len(calls))
        if len(calls) == 1:
            raise OSError(28, "No space left on device")
        if len(calls) >= limit:
            done.set()
            return LONG_S
        return 0.0

    return calls, done, tick


def test_a_worker_goes_on_after_a_fault_says_so_and_ends_when_told() -> None:
    calls, done, tick = counting(3)
    closed: list[bool] = []
    under_test = Worker("test", tick, close=lambda: closed.append(True))
    under_test.start()
    assert done.wait(10)
    eventually(lambda: under_test.health().ticks == 3, what="three ticks")
    assert under_test.health().failures == 1
    assert under_test.health().error is None
    assert not closed
    under_test.ask_to_stop()
    assert under_test.wait_stopped(10)
    assert closed == [True]
    assert len(calls) == 3


def test_a_fault_is_part_of_the_health(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "AGAIN_AFTER_S", LONG_S)
    _, _, tick = counting(3)
    under_test = Worker("test", tick)
    under_test.start()
    eventually(lambda: under_test.health().failures == 1, what="the fault")
    assert "No space left" in str(under_test.health().error)
    under_test.ask_to_stop()
    assert under_test.wait_stopped(10)


def test_the_first_tick_waits_as_long_as_it_is_told_unless_somebody_wakes_it() -> None:
    ticked = threading.Event()

    def tick(_stop: threading.Event) -> float:
        ticked.set()
        return LONG_S

    under_test = Worker("test", tick, first_after_s=LONG_S)
    under_test.start()
    assert not ticked.wait(0.2)
    under_test.wake()
    assert ticked.wait(60)
    under_test.ask_to_stop()
    assert under_test.wait_stopped(10)


def test_a_worker_rests_while_another_process_does_its_work() -> None:
    calls, done, tick = counting(2)
    may: list[bool] = []
    under_test = Worker("test", tick)
    under_test.only_while(lambda: bool(may))
    under_test.start()
    under_test.wake()
    under_test.wake()
    assert not calls
    may.append(True)
    assert done.wait(60)
    under_test.ask_to_stop()
    assert under_test.wait_stopped(10)


def test_waking_makes_the_next_tick_come_now() -> None:
    ticked = threading.Semaphore(0)

    def tick(_stop: threading.Event) -> float:
        ticked.release()
        return LONG_S

    under_test = Worker("test", tick)
    under_test.start()
    for _ in range(3):
        assert ticked.acquire(timeout=10)
        under_test.wake()
    assert ticked.acquire(timeout=10)
    under_test.ask_to_stop()
    assert under_test.wait_stopped(10)


def test_a_worker_that_never_began_has_stopped() -> None:
    assert Worker("test", lambda _stop: 0.0).wait_stopped(0)


class Waiting:
    """An outbox with five entries, two a batch; the channel is away the second time."""

    def __init__(self) -> None:
        self.waiting = [1, 2, 3, 4, 5]
        self.sent: list[int] = []
        self.tries = 0
        self.closed = False

    def publish(self) -> int:
        self.tries += 1
        if self.tries == 2:
            raise Transient("the broker is away")
        batch, self.waiting = self.waiting[:2], self.waiting[2:]
        self.sent += batch
        return len(batch)

    def close(self) -> None:
        self.closed = True


def test_an_outbox_is_emptied_in_order_also_after_an_outage() -> None:
    publisher = Waiting()
    under_test = outbox_worker("test", lambda _stop: publisher, rest_s=LONG_S)
    under_test.start()
    eventually(lambda: not publisher.waiting, what="an empty outbox")
    assert publisher.sent == [1, 2, 3, 4, 5]
    assert under_test.health().failures == 0
    under_test.ask_to_stop()
    assert under_test.wait_stopped(10)
    assert publisher.closed


def test_a_worker_that_is_told_to_stop_sends_no_further_batch() -> None:
    class Endless(Waiting):
        def publish(self) -> int:
            self.tries += 1
            return 1

    publisher = Endless()
    under_test = outbox_worker("test", lambda _stop: publisher, rest_s=0.0)
    under_test.start()
    eventually(lambda: publisher.tries > 10, what="batches")
    under_test.ask_to_stop()
    assert under_test.wait_stopped(10)

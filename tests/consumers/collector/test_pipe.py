"""The pipe between reading and writing: bounded, emptied at once, and honest about being quiet."""

import threading
from collections.abc import Callable

from coalmine_consumers.collector.decode import DecodedBatch
from coalmine_consumers.collector.pipe import Pipe


def batch() -> DecodedBatch:
    return DecodedBatch({}, [], {}, {}, {})


def in_thread(action: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


def test_batches_come_out_in_order_and_quiet_means_dealt_with() -> None:
    pipe = Pipe(2)
    first, second = batch(), batch()
    assert pipe.quiet
    assert pipe.put(first, 0)
    assert pipe.put(second, 0)
    assert not pipe.quiet
    assert pipe.take() is first
    assert pipe.take() is second
    assert not pipe.quiet
    pipe.done()
    assert pipe.quiet


def test_a_full_pipe_makes_the_reader_wait() -> None:
    pipe = Pipe(1)
    pipe.put(batch(), 0)
    waiting = in_thread(lambda: pipe.put(batch(), 0))
    waiting.join(0.05)
    assert waiting.is_alive()
    pipe.take()
    waiting.join(10)
    assert not waiting.is_alive()


def test_dropping_frees_a_waiting_reader_and_refuses_its_batch() -> None:
    pipe = Pipe(1)
    pipe.put(batch(), 0)
    taken: list[bool] = []
    waiting = in_thread(lambda: taken.append(pipe.put(batch(), 0)))
    pipe.drop()
    waiting.join(10)
    assert taken == [False]
    assert pipe.quiet
    assert pipe.generation == 1
    assert not pipe.put(batch(), 0)
    assert pipe.put(batch(), 1)


def test_waiting_for_quiet_lasts_until_the_writer_is_done() -> None:
    pipe = Pipe(2)
    pipe.put(batch(), 0)
    waiting = in_thread(pipe.wait_quiet)
    pipe.take()
    waiting.join(0.05)
    assert waiting.is_alive()
    pipe.done()
    waiting.join(10)
    assert not waiting.is_alive()


def test_a_closed_pipe_gives_what_it_holds_and_then_nothing() -> None:
    pipe = Pipe(2)
    held = batch()
    pipe.put(held, 0)
    pipe.close()
    assert not pipe.put(batch(), 0)
    assert pipe.take() is held
    assert pipe.take() is None


def test_closing_with_drop_gives_nothing_more_and_frees_everybody() -> None:
    pipe = Pipe(1)
    pipe.put(batch(), 0)
    waiting = [in_thread(lambda: pipe.put(batch(), 0)), in_thread(pipe.wait_quiet)]
    pipe.close(drop=True)
    for thread in waiting:
        thread.join(10)
        assert not thread.is_alive()
    assert pipe.take() is None

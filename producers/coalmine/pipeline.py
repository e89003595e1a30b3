"""The queue between requests and the background thread, and that thread.

A request only puts a finished call into a deque. Everything else (building, pricing, redacting, encoding,
writing) happens on one thread, which wakes every 50 ms while there is work and sleeps while there is none.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from coalmine.at_exit import close_at_end_of_child
from coalmine.emitters.base import Emitter
from coalmine.forks import follow_forks
from coalmine.preparer import Preparer
from coalmine.settings import OnFull
from coalmine.stats import Counters, Stats
from coalmine.texts import Draft, TextBudget, has_text, text_chars, without_texts
from coalmine.wake import Wake
from coalmine_schemas.limited_log import RateLimitedLogger

_TICK_S: Final = 0.05
_BUSY_S: Final = 0.005
_FULL_POLL_S: Final = 0.001
_AT_ONCE: Final = 500
_BEHIND: Final = 5_000
# Half a queue of the default size: with so many waiting it is behind, however large the queue may become.
_YIELD_EVERY: Final = 8
_YIELD_S: Final = 50e-6
# Between a few events the thread lets go of the interpreter, so that a request waits for the time of a few
# events (some 100 us) and not for the interpreter's own switch interval of 5 ms. Not while it is behind.
_FORK_WAIT_S: Final = 1.0


class _Flush:
    """Goes through the queue behind everything that `flush` must wait for."""

    __slots__ = ("done", "mark")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.mark: int | None = None


@dataclass(frozen=True, slots=True)
class PipelineParts:
    """The parts that the thread uses; made on the thread, and again in a forked child."""

    preparer: Preparer
    """Frames events."""
    emitter: Emitter
    """Makes them safe."""


class Pipeline:
    """Takes drafts of events from any thread and has one thread of its own make them safe.

    The thread starts with the first event, and starts over in a forked child.

    Args:
        make_parts: Makes the thread's parts.
        counters: Counts events.
        log: Reports losses.
        limit: Events the queue holds.
        text_limit: Characters of texts the queue holds.
        on_full: What `offer` does when it is full.
    """

    def __init__(
        self,
        make_parts: Callable[[], PipelineParts],
        *,
        counters: Counters,
        log: RateLimitedLogger,
        limit: int,
        text_limit: int,
        on_full: OnFull,
    ) -> None:
        self._make_parts = make_parts
        self._counters = counters
        self._log = log
        self._limit = limit
        self._text_limit = text_limit
        self._wake_above = min(limit // 2, _BEHIND)
        self._waits_when_full = on_full == "wait"
        self.generation = 0
        """Counts the forks between the client's making and this process."""
        self._start_over()
        follow_forks(self)

    def _start_over(self) -> None:
        self._queue: deque[Draft | _Flush] = deque()
        self._texts = TextBudget(self._text_limit)
        self._wake = Wake()
        self._is_asleep = False
        self.is_closing = False
        """Whether no further event is taken."""
        self._close_at = float("inf")
        self._fork_holder: int | None = None
        self._start_lock = threading.Lock()
        self._works_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._parts: PipelineParts | None = None
        self._flushes: list[_Flush] = []

    # What requests call. The first lines of `offer` are the whole cost of an event to them.

    def offer(self, draft: Draft, *, wait_s: float | None = None) -> bool:
        """Queues an event; False when it was dropped.

        Args:
            draft: The event.
            wait_s: How long to wait for room in a full queue; None as the client was told by `on_full`.
        """
        queue = self._queue
        waiting = len(queue)
        if (waiting >= self._limit or self.is_closing) and not self._find_room(wait_s):
            return False
        if has_text(draft):
            draft = self._within_budget(draft)
        queue.append(draft)
        if self._is_asleep or waiting >= self._wake_above:
            self._wake.set()
        if self._thread is None:
            self._start()
        return True

    def leave(self, draft: Draft) -> None:
        """Queues an event from a finalizer, or drops it.

        That runs anywhere, also in the midst of this class and on the client's thread: it waits for no room,
        and starts no thread. One that runs is woken.
        """
        if self.is_closing or len(self._queue) >= self._limit:
            self._counters.refuse("closed" if self.is_closing else "queue_full")
            return
        self._queue.append(self._within_budget(draft) if has_text(draft) else draft)
        self._wake.set()

    def _find_room(self, wait_s: float | None) -> bool:
        give_up_at = _deadline(
            wait_s if wait_s is not None else float("inf") if self._waits_when_full else 0.0
        )
        while not self.is_closing:
            if len(self._queue) < self._limit:
                return True
            if time.monotonic() >= give_up_at:
                self._counters.refuse("queue_full")
                self._log.report(
                    "queue_full", "events are made faster than they can be written; some are dropped"
                )
                return False
            self._wake.set()
            time.sleep(_FULL_POLL_S)
        self._counters.refuse("closed")
        self._log.report("closed", "an event made after close() was dropped")
        return False

    def _within_budget(self, draft: Draft) -> Draft:
        if self._texts.take(text_chars(draft)):
            return draft
        self._counters.problem("text_backlog")
        self._log.report("text_backlog", "too much text waits in memory; an event goes without its texts")
        return without_texts(draft)

    def flush(self, timeout_s: float) -> bool:
        """Waits until all events offered so far are safe, or dropped; False when that took too long."""
        give_up_at = _deadline(timeout_s)
        if self._thread is None and not self._queue:
            return True
        if self._thread is None:
            self._start()
        flush = _Flush()
        self._queue.append(flush)
        self._wake.set()
        while not flush.done.is_set():
            left_s = give_up_at - time.monotonic()
            if left_s <= 0 or self._ended.is_set():
                return flush.done.is_set() or (self._ended.is_set() and self._counters_settled())
            flush.done.wait(min(left_s, 1.0))
        return True

    def close(self, timeout_s: float) -> bool:
        """Makes everything offered so far safe and ends the thread; False when time ran out.

        Events offered from now on are dropped. When time ran out the thread goes on for as long as the
        process lives.
        """
        self.close_soon(timeout_s)
        if self._thread is None and self._queue:
            self._run()  # no thread could be started; this one will do
        if self._thread is None:
            return self._counters_settled()
        return self._ended.wait(max(0.0, self._close_at - time.monotonic())) and self._counters_settled()

    def close_soon(self, timeout_s: float) -> None:
        """The same without waiting for it."""
        self._close_at = _deadline(timeout_s)
        self.is_closing = True
        self._wake.set()

    def stats(self) -> Stats:
        """The counters now."""
        waiting = sum(not isinstance(item, _Flush) for item in tuple(self._queue))
        return self._counters.snapshot(waiting=waiting)

    def _counters_settled(self) -> bool:
        return self.stats().queued == 0

    # Forks.

    def before_fork(self) -> None:
        """Waits until no file is being opened, so that the child shares none that it does not know of."""
        if self._works_lock.acquire(timeout=_FORK_WAIT_S):
            self._fork_holder = threading.get_ident()

    def after_fork_in_parent(self) -> None:
        """Goes on."""
        if self._fork_holder == threading.get_ident():
            self._fork_holder = None
            self._works_lock.release()

    def after_fork_in_child(self) -> None:
        """Starts over: the parent sends what is queued."""
        parts = self._parts
        if parts is not None:
            with suppress(Exception):
                parts.emitter.abandon()
        self.generation += 1
        self._counters.reset()
        self._start_over()

    # The thread.

    def _start(self) -> None:
        if not self._start_lock.acquire(blocking=False):
            return  # it is being started: by another thread, or by this one, which a finalizer interrupts
        try:
            if self._thread is not None:
                return
            # Made now: gevent may have replaced threads since, and a greenlet that waits for a lock from
            # before that stops all others.
            self._wake, self._ended = Wake(), threading.Event()
            thread = threading.Thread(target=self._run, name="coalmine", daemon=True)
            thread.start()
            self._thread = thread
        except RuntimeError as error:  # no more threads, or the interpreter is ending
            self._log.report("thread", "the client's thread cannot start: %s", error)
            return
        finally:
            self._start_lock.release()
        close_at_end_of_child(self)

    def _run(self) -> None:
        try:
            parts = self._parts = self._make_parts()
            while not (self.is_closing and not self._queue):
                with self._works_lock:
                    self._step(parts)
                self._rest(parts)
            with self._works_lock:
                parts.emitter.close(self._close_at)
                self._finish_flushes(parts)
        except Exception as error:  # noqa: BLE001 - the last resort: nobody else would see it
            self._log.report("internal", "the client's thread failed: %r", error)
        finally:
            self._ended.set()

    def _step(self, parts: PipelineParts) -> None:
        try:
            self._take(parts)
            parts.emitter.poll()
            if self._flushes:
                parts.emitter.seal()
                self._finish_flushes(parts)
        except Exception as error:  # noqa: BLE001 - a bug of ours must not end the thread
            self._counters.problem("internal")
            self._log.report("internal", "the client's thread caught a bug: %r", error)
            time.sleep(_TICK_S)

    def _take(self, parts: PipelineParts) -> None:
        queue = self._queue
        is_behind = len(queue) > self._wake_above or self.is_closing
        taken = 0
        while taken < _AT_ONCE:
            if not queue:
                break
            # Counted before it leaves the queue, so that at no moment it is nowhere.
            item = queue[0]
            if isinstance(item, _Flush):
                queue.popleft()
                item.mark = parts.emitter.mark()
                self._flushes.append(item)
                continue
            taken += 1
            self._counters.take(1)
            queue.popleft()
            self._process(parts, item)
            if taken % _YIELD_EVERY == 0 and not is_behind:
                time.sleep(_YIELD_S)

    def _process(self, parts: PipelineParts, draft: Draft) -> None:
        if has_text(draft):
            self._texts.give_back(text_chars(draft))
        try:
            record = parts.preparer.prepare(draft)
        except Exception as error:  # noqa: BLE001
            self._counters.drop("internal")
            self._log.report("internal", "an event was dropped because of a bug: %s", type(error).__name__)
            return
        if record is not None:
            parts.emitter.submit(record)

    def _finish_flushes(self, parts: PipelineParts) -> None:
        for flush in tuple(self._flushes):
            if flush.mark is not None and parts.emitter.settled(flush.mark):
                self._flushes.remove(flush)
                flush.done.set()

    def _rest(self, parts: PipelineParts) -> None:
        if len(self._queue) > self._wake_above or (self.is_closing and self._queue):
            time.sleep(_YIELD_S)  # with gevent, other greenlets run only now
            return
        due_in_s = _BUSY_S if self._flushes else max(_BUSY_S, parts.emitter.due_in_s())
        if self._queue or due_in_s <= _TICK_S:
            self._wake.wait(min(due_in_s, _TICK_S))
            return
        self._is_asleep = True
        # An event offered between the two lines above has not woken us; it is seen here.
        if not self._queue and not self.is_closing:
            self._wake.wait(None if due_in_s == float("inf") else due_in_s)
        self._is_asleep = False


def _deadline(timeout_s: float) -> float:
    return time.monotonic() + max(0.0, timeout_s)

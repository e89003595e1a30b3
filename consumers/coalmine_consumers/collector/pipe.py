"""Passes decoded batches from the reading thread to the writing one; can be emptied in between."""

import threading
from collections import deque

from coalmine_consumers.collector.decode import DecodedBatch


class Pipe:
    """A bounded queue that knows if its reader is still busy with what it took.

    Its generation counts how often what it held was dropped. A batch put for an older generation is
    dropped as well, because its positions no longer follow on what is stored.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._changed = threading.Condition()
        self._batches: deque[DecodedBatch] = deque()
        self._busy = False
        self._closed = False
        self._generation = 0

    @property
    def generation(self) -> int:
        """How often batches were dropped."""
        with self._changed:
            return self._generation

    @property
    def quiet(self) -> bool:
        """True if everything put was processed."""
        with self._changed:
            return not self._batches and not self._busy

    def put(self, batch: DecodedBatch, generation: int) -> bool:
        """Waits for room and appends; False if the batch was dropped (closed, or of an older generation)."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._batches) < self._limit or self._closed)
            if self._closed or generation != self._generation:
                return False
            self._batches.append(batch)
            self._changed.notify_all()
            return True

    def take(self) -> DecodedBatch | None:
        """Waits for a batch; None once the pipe is closed and empty. `done` must follow each batch."""
        with self._changed:
            self._changed.wait_for(lambda: self._batches or self._closed)
            if not self._batches:
                return None
            self._busy = True
            batch = self._batches.popleft()
            self._changed.notify_all()
            return batch

    def done(self) -> None:
        """Records that the batch taken last is processed and no longer referenced."""
        with self._changed:
            self._busy = False
            self._changed.notify_all()

    def drop(self) -> None:
        """Forgets all batches and begins a new generation."""
        with self._changed:
            self._batches.clear()
            self._generation += 1
            self._changed.notify_all()

    def wait_quiet(self) -> None:
        """Waits until everything put was processed, or the pipe is closed."""
        with self._changed:
            self._changed.wait_for(lambda: (not self._batches and not self._busy) or self._closed)

    def close(self, *, drop: bool = False) -> None:
        """Takes no more batches. What is in the pipe can still be taken, unless it is dropped."""
        with self._changed:
            self._closed = True
            if drop:
                self._batches.clear()
            self._changed.notify_all()

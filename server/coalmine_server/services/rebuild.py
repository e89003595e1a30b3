"""A rebuild in the server: it takes minutes, so it is started and watched, not waited for."""

import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from coalmine_consumers.results import RebuildStatus
from coalmine_consumers.store import Store
from coalmine_server.errors import is_of_full_disk

if TYPE_CHECKING:
    from coalmine_consumers.maintenance.rebuild import Progress

_log = logging.getLogger("coalmine.rebuild")


class RebuildTask:
    """At most one rebuild at a time. Ingest and questions go on beside it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._status = RebuildStatus(state="never", counted=0, total=0, reason=None, result=None)

    @property
    def status(self) -> RebuildStatus:
        """Its progress."""
        return self._status

    def start(self, store: Store) -> RebuildStatus:
        """Begins one, unless one is running."""
        with self._lock:
            if self._status.state != "running":
                self._status = RebuildStatus(state="running", counted=0, total=0, reason=None, result=None)
                threading.Thread(target=self._run, args=(store,), name="rebuild", daemon=True).start()
            return self._status

    def _run(self, store: Store) -> None:
        from coalmine_consumers.maintenance.rebuild import rebuild  # noqa: PLC0415 - most processes never do

        try:
            result = rebuild(store, self._progress)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is the answer
            # Where the disk is full there is nothing to look for in our code.
            _log.error("rebuild failed", extra={"reason": str(error)}, exc_info=not is_of_full_disk(error))
            self._set(state="failed", reason=f"{type(error).__name__}: {error}")
        else:
            _log.info("rebuilt", extra={"counted": result.counted})
            self._set(state="done", result=result)

    def _progress(self, progress: "Progress") -> None:
        self._set(counted=progress.counted, total=progress.total)

    def _set(self, **changes: Any) -> None:  # noqa: ANN401
        self._status = replace(self._status, **changes)

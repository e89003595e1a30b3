"""A rebuild in the server: it takes minutes, so it is started, watched and not waited for."""

import threading

import structlog

from coalmine_consumers.maintenance.rebuild import Progress, rebuild
from coalmine_consumers.store import Store
from coalmine_server.services.models import RebuildStatus, Rebuilt

_log = structlog.stdlib.get_logger("coalmine.rebuild")


class RebuildTask:
    """At most one rebuild at a time. Ingest and questions go on beside it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._status = RebuildStatus(state="never", counted=0, total=0, reason=None, result=None)

    @property
    def status(self) -> RebuildStatus:
        """How it is coming on."""
        return self._status

    def start(self, store: Store) -> RebuildStatus:
        """Begins one, unless one is running."""
        with self._lock:
            if self._status.state != "running":
                self._status = RebuildStatus(state="running", counted=0, total=0, reason=None, result=None)
                threading.Thread(target=self._run, args=(store,), name="rebuild", daemon=True).start()
            return self._status

    def _run(self, store: Store) -> None:
        try:
            result = Rebuilt.model_validate(rebuild(store, self._progress))
        except Exception as error:  # noqa: BLE001 - whatever it was, it is the answer
            _log.exception("rebuild failed")
            self._set(state="failed", reason=f"{type(error).__name__}: {error}")
        else:
            _log.info("rebuilt", counted=result.counted)
            self._set(state="done", result=result)

    def _progress(self, progress: Progress) -> None:
        self._set(counted=progress.counted, total=progress.total)

    def _set(self, **changes: object) -> None:
        self._status = self._status.model_copy(update=changes)

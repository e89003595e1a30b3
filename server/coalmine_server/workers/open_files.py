"""Room for a thousand waiting clients: each connection is an open file."""

import resource
from typing import Final

import structlog

WANTED: Final = 16_384

_log = structlog.stdlib.get_logger("coalmine.serve")


def allow_many_connections() -> None:
    """Raises this process's limit of open files as far as it may; the usual limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:
        _log.warning("cannot raise the limit of open files", limit=soft, reason=str(error))

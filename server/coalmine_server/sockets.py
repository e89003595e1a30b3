"""Listening sockets, and room for many connections."""

import errno
import resource
import socket
from typing import Final

import structlog

from coalmine_server.errors import AddressInUse, ConfigurationError

BACKLOG: Final = 512
OPEN_FILES: Final = 16_384
"""Open files that a server wants at least: each connection is one, and a thousand clients may wait."""
OTHER_FILES: Final = 4096
"""Open files that are kept for the store, Kafka and databases, or half of those allowed if that is fewer."""

_log = structlog.stdlib.get_logger("coalmine.serve")


def bind(host: str, port: int) -> socket.socket:
    """Binds a listening TCP socket; port 0 takes a free one.

    Raises:
        AddressInUse: Another process listens there.
        ConfigurationError: The address is not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except socket.gaierror as error:
        raise ConfigurationError(f"cannot listen on {host}: {error.strerror}") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(host, port) from error
        raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    bound.set_inheritable(False)
    return bound


def allow_many_connections(most: int) -> None:
    """Raises this process's limit of open files as far as permitted; the usual limit is 1,024.

    Args:
        most: Connections that there may be.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(OPEN_FILES, most + OTHER_FILES)
    wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:
        _log.warning("cannot raise the limit of open files", limit=soft, reason=str(error))

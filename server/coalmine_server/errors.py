"""What can go wrong in the server and in the `coalmine` command.

::

    CoalmineError                    (coalmine_schemas.errors)
    └── ServerError                  carries `message`, an optional `hint`, and the exit code of the command
        ├── ConfigurationError       settings, options or tokens a person has to change (exit code 2)
        │   └── UnknownSetting       a key nobody reads, with the nearest one that exists
        ├── NotFound                 what was asked about does not exist (2: most often a misspelt name)
        ├── CheckFailed              a check ran and its answer is no (exit code 1)
        └── Unavailable              somebody else holds it, or nobody answers; trying later may help (3)
            ├── Unreachable          no server answers at a URL
            └── AddressInUse         the port to bind is taken

    Transient
    └── DiskFull                     a server waits for room, a command ends (3)
"""

import errno
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from typing import Final, Self, TypeVar

from coalmine_consumers.errors import StoreDamaged
from coalmine_schemas.errors import CoalmineError, InvalidParameter, Terminal, Transient, nearest

T = TypeVar("T")

MOST_NAMES = 20
"""Names listed in a hint."""

_FULL_NUMBERS: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_FULL_WORDS: Final = (
    "No space left on device",
    "Disk quota exceeded",
    "database or disk is full",
    "disk I/O error",
)
"""The last is SQLite's when it cannot make room in the file it shares with other processes."""


class ExitCode(IntEnum):
    """Exit codes of the `coalmine` command."""

    OK = 0
    """Done."""
    CHECK_FAILED = 1
    """It ran, and the answer is no: an audit that does not add up, an event that was not stored."""
    USAGE = 2
    """An option, a setting or a token has to be changed first, or what was asked about does not exist."""
    UNAVAILABLE = 3
    """No server, broker or store could be reached, another process holds it, or the disk is full."""
    UNDECIDED = 4
    """What was waited for ended without an answer: a rollout that expired, was superseded or cancelled."""
    FAULT = 70
    """A fault of Coalmine itself, with a traceback; sysexits' EX_SOFTWARE."""


class ServerError(CoalmineError):
    """Base of all errors that the command reports in one line, without a traceback."""

    exit_code = ExitCode.CHECK_FAILED

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.message = message
        """What happened."""
        self.hint = hint
        """What to do about it."""

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n{self.hint}"


class ConfigurationError(ServerError):
    """A setting, an option or a token that a person has to change."""

    exit_code = ExitCode.USAGE


class UnknownSetting(ConfigurationError):
    """A key that no part of Coalmine reads, most often a typing error."""

    def __init__(self, key: str, where: str, nearest: str | None) -> None:
        super().__init__(
            f"unknown setting {key} in {where}",
            f"did you mean {nearest}?" if nearest else "`coalmine settings show` lists all of them",
        )
        self.key = key
        self.where = where
        self.nearest = nearest

    def __reduce__(self) -> tuple[type["UnknownSetting"], tuple[str, str, str | None]]:
        return (type(self), (self.key, self.where, self.nearest))


class CheckFailed(ServerError):
    """A check ran and its answer is no."""


class NotFound(ServerError):
    """What was asked about does not exist; the hint names what does."""

    exit_code = ExitCode.USAGE

    @classmethod
    def among(cls, message: str, name: str, known: Iterable[str]) -> Self:
        """An error that suggests the nearest of the names there are, and lists some of them."""
        names = sorted(known)
        if not names:
            return cls(message, "there are none yet")
        close = nearest(name, names)
        suggestion = f"did you mean {close}? " if close else ""
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        return cls(message, f"{suggestion}known: {', '.join(names[:MOST_NAMES])}{more}")


class Unavailable(ServerError):
    """Somebody else holds it, or nobody answers. Trying later may help."""

    exit_code = ExitCode.UNAVAILABLE


class Unreachable(Unavailable):
    """No server answers."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"no Coalmine server answers at {url}: {reason}",
            "start one with `coalmine serve`, or say where one is with COALMINE_SERVER_URL",
        )
        self.url = url
        self.reason = reason

    def __reduce__(self) -> tuple[type["Unreachable"], tuple[str, str]]:
        return (type(self), (self.url, self.reason))


class AddressInUse(Unavailable):
    """The address to listen on is taken."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"cannot listen on {host}:{port}: the port is in use",
            "stop what listens there, or choose another one with --port or COALMINE_SERVER_PORT",
        )
        self.host = host
        self.port = port

    def __reduce__(self) -> tuple[type["AddressInUse"], tuple[str, int]]:
        return (type(self), (self.host, self.port))


def exit_code_of(error: BaseException) -> ExitCode:
    """The exit code that tells what kind of thing went wrong."""
    match error:
        case ServerError():
            return error.exit_code
        case Transient():
            return ExitCode.UNAVAILABLE
        case StoreDamaged():
            return ExitCode.CHECK_FAILED
        case Terminal() | InvalidParameter():
            return ExitCode.USAGE
        case _:
            return ExitCode.CHECK_FAILED


class DiskFull(Transient):
    """Nothing can be written until somebody makes room."""


def waiting_for_space(action: Callable[[], T]) -> T:
    """Does it, with a full disk as an error to be tried again.

    Raises:
        DiskFull: There is no room; anything else passes as it is.
    """
    try:
        return action()
    except Exception as error:
        if is_of_full_disk(error):
            raise DiskFull(f"the disk is full, waiting for room: {error}") from error
        raise


def is_of_full_disk(error: BaseException) -> bool:
    """Returns True if there was no room for something."""
    return any(map(_is_full, _causes(error)))


def _is_full(error: BaseException) -> bool:
    return (isinstance(error, OSError) and error.errno in _FULL_NUMBERS) or any(
        words in str(error) for words in _FULL_WORDS
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

"""How a process finds the running servers of a home directory, and which token it sends them.

`server.json` announces the server that owns the store, `registry.json` the one with the prompt registry;
`coalmine serve` is both. `credentials` (mode 0600) holds the local token. It is sent only to URLs that one of
these files announces, so no setting can send it to a stranger; any other server needs a token of its own.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from coalmine_schemas.atomic_file import write_atomically
from coalmine_schemas.errors import InvalidParameter

DEFAULT_HOME: Final = "~/.coalmine"
"""Home directory unless COALMINE_HOME names another."""
CREDENTIALS_FILE: Final = "credentials"

ServerKind = Literal["store", "registry"]
"""What a server has: the store with its measurements, or the prompt registry."""

_FILES: Final[dict[ServerKind, str]] = {"store": "server.json", "registry": "registry.json"}


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server as it announced itself. It may have died since."""

    url: str
    pid: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server and the token to send it."""

    url: str
    """Without a slash at its end."""
    token: str | None = field(repr=False)


def home_of(home: str | Path | None, environ: Mapping[str, str]) -> Path:
    """The home directory: as given, else COALMINE_HOME, else `~/.coalmine`.

    Raises:
        InvalidParameter: It begins with `~`, and nobody knows where that is.
    """
    return expanded(home or environ.get("COALMINE_HOME") or DEFAULT_HOME)


def expanded(path: str | Path) -> Path:
    """An absolute path, `~` written out.

    Raises:
        InvalidParameter: Nobody knows where `~` is, as in a container that runs as any number.
    """
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise InvalidParameter(
            f"{path} cannot be found: HOME is not set, and this user has no entry in the passwd file; "
            "remedy: set COALMINE_HOME to a directory this process may write"
        ) from error


def find_endpoint(
    home: Path, kind: ServerKind, *, url: str | None = None, token: str | None = None
) -> Endpoint | None:
    """Finds the server to ask; cheap, so ask again after a failure: the server may have moved.

    Args:
        home: Home directory.
        kind: What the server must have.
        url: COALMINE_SERVER_URL or its setting, which wins over the announced server.
        token: COALMINE_TOKEN or its setting, which wins over the local token.

    Returns:
        None if no URL is given and no server is announced.
    """
    if not url:
        running = find_server(home, kind)
        if running is None:
            return None
        url = running.url
    url = url.rstrip("/")
    return Endpoint(url, token or (read_local_token(home) if _is_announced(home, url) else None))


def find_server(home: Path, kind: ServerKind) -> RunningServer | None:
    """Returns what the last server of that kind announced in this home."""
    try:
        document = json.loads((home / _FILES[kind]).read_text(encoding="utf-8"))
        url, pid = document["url"], int(document["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return RunningServer(url, pid) if isinstance(url, str) and url else None


def announce_server(home: Path, url: str, kind: ServerKind, *, replace: bool = True) -> None:
    """Announces that this process listens at `url`.

    Args:
        home: Home directory; made if it is missing.
        url: Where a client on this machine reaches it.
        kind: What the server has.
        replace: Also replace the announcement of a process that still runs.
    """
    running = None if replace else find_server(home, kind)
    if running is not None and _is_alive(running.pid):
        return
    document = {"url": url, "pid": os.getpid(), "started_at": datetime.now(UTC).isoformat()}
    home.mkdir(parents=True, exist_ok=True)
    write_atomically(home / _FILES[kind], json.dumps(document) + "\n")


def withdraw_server(home: Path) -> None:
    """Removes what this process announced, unless another process has replaced it."""
    for kind, name in _FILES.items():
        running = find_server(home, kind)
        if running is not None and running.pid == os.getpid():
            (home / name).unlink(missing_ok=True)


def read_local_token(home: Path) -> str | None:
    """Returns the local token if this user may read it."""
    try:
        return (home / CREDENTIALS_FILE).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # signal 0 only asks
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user owns it
        return True
    return True


def _is_announced(home: Path, url: str) -> bool:
    running = (find_server(home, kind) for kind in _FILES)
    return any(each is not None and each.url.rstrip("/") == url for each in running)

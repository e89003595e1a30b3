"""How a command of the same user finds the running server of a home directory, and proves who it is.

`server.json` says where the server listens that owns the store, `registry.json` where the one with the prompt
registry does; most often they are one. `credentials` (mode 0600) holds the one token that is kept in the
clear; it goes to the servers of these files only: no settings file can send it to a stranger.
"""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from coalmine_registry.roles import Actor, Role
from coalmine_schemas.atomic_file import write_atomically

if TYPE_CHECKING:  # commands that merely ask a server need no database
    from coalmine_registry.tokens import Tokens

CREDENTIALS_FILE = "credentials"
SERVER_FILE = "server.json"
REGISTRY_FILE = "registry.json"
LOCAL_TOKEN_NAME = "local"  # noqa: S105 - the name of a token, not a token


@dataclass(frozen=True, slots=True)
class RunningServer:
    """Where the server of a home directory listens."""

    url: str
    pid: int
    started_at: datetime


def ensure_local_credentials(home: Path, tokens: "Tokens") -> str:
    """The local token, an admin's; made anew if the file is gone or the token was revoked."""
    token = read_local_credentials(home)
    if token is None or tokens.verify(token) is None:
        _, token = tokens.create(Actor.of_system(), LOCAL_TOKEN_NAME, Role.ADMIN, replace=True)
        home.mkdir(parents=True, exist_ok=True)
        write_atomically(home / CREDENTIALS_FILE, token + "\n")
    (home / CREDENTIALS_FILE).chmod(0o600)
    return token


def read_local_credentials(home: Path) -> str | None:
    """The local token, if this user may read it."""
    try:
        return (home / CREDENTIALS_FILE).read_text(encoding="utf-8").strip() or None
    except (FileNotFoundError, PermissionError):
        return None


def announce_server(home: Path, url: str, file: str = SERVER_FILE) -> None:
    """Says where this process listens."""
    text = json.dumps({"url": url, "pid": os.getpid(), "started_at": datetime.now(UTC).isoformat()})
    home.mkdir(parents=True, exist_ok=True)
    write_atomically(home / file, text + "\n")


def withdraw_server(home: Path) -> None:
    """Takes back what `announce_server` said, unless another process has spoken since."""
    for file in (SERVER_FILE, REGISTRY_FILE):
        running = _announced(home / file)
        if running is not None and running.pid == os.getpid():
            (home / file).unlink(missing_ok=True)


def find_server(home: Path) -> RunningServer | None:
    """What the last server of this home announced. It may have died since: ask it."""
    return _announced(home / SERVER_FILE)


def find_registry(home: Path) -> RunningServer | None:
    """The same of the last server with the prompt registry."""
    return _announced(home / REGISTRY_FILE)


def is_own_server(home: Path, url: str) -> bool:
    """Whether a server of this home announced that it listens there, so that it may see the local token."""
    found = (find_server(home), find_registry(home))
    return any(each is not None and each.url.rstrip("/") == url.rstrip("/") for each in found)


def _announced(path: Path) -> RunningServer | None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return RunningServer(
            str(document["url"]), int(document["pid"]), datetime.fromisoformat(document["started_at"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None

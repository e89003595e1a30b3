"""How a command of the same user finds the running server of a home directory, and proves who it is.

`server.json` says where the server listens. `credentials` (mode 0600) holds the one token that is kept in
the clear; it goes to the server of `server.json` only: no settings file can send it to a stranger.
"""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from coalmine_server.private_file import write_private
from coalmine_server.tokens import TokenBook

CREDENTIALS_FILE = "credentials"
SERVER_FILE = "server.json"
LOCAL_TOKEN_NAME = "local"  # noqa: S105 - the name of a token, not a token


@dataclass(frozen=True, slots=True)
class RunningServer:
    """Where the server of a home directory listens."""

    url: str
    pid: int
    started_at: datetime


def ensure_local_credentials(home: Path) -> str:
    """The local token, made anew if the file is gone or the token was revoked."""
    book = TokenBook(home)
    token = read_local_credentials(home)
    if token is None or book.verify(token) is None:
        token = book.create(LOCAL_TOKEN_NAME, replace=True)
        write_private(home / CREDENTIALS_FILE, token + "\n")
    (home / CREDENTIALS_FILE).chmod(0o600)
    return token


def read_local_credentials(home: Path) -> str | None:
    """The local token, if this user may read it."""
    try:
        return (home / CREDENTIALS_FILE).read_text(encoding="utf-8").strip() or None
    except (FileNotFoundError, PermissionError):
        return None


def announce_server(home: Path, url: str) -> None:
    """Says where this process listens."""
    text = json.dumps({"url": url, "pid": os.getpid(), "started_at": datetime.now(UTC).isoformat()})
    write_private(home / SERVER_FILE, text + "\n")


def withdraw_server(home: Path) -> None:
    """Takes back what `announce_server` said, unless another process has spoken since."""
    running = find_server(home)
    if running is not None and running.pid == os.getpid():
        (home / SERVER_FILE).unlink(missing_ok=True)


def find_server(home: Path) -> RunningServer | None:
    """What the last server of this home announced. It may have died since: ask it."""
    try:
        document = json.loads((home / SERVER_FILE).read_text(encoding="utf-8"))
        return RunningServer(
            str(document["url"]), int(document["pid"]), datetime.fromisoformat(document["started_at"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None

"""Where the server is and how to prove who asks: from the environment and from files in COALMINE_HOME.

`server.json` says where the server of this home listens, and `credentials` holds the token it made for
its own user. That token goes to that server only: an address from the environment needs a token from
the environment, unless both name the same server.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DEFAULT_SERVER_URL", "Connection", "find_connection"]

DEFAULT_SERVER_URL = "http://127.0.0.1:8321"


@dataclass(frozen=True, slots=True)
class Connection:
    """A server and the token to show it."""

    url: str
    token: str | None

    def __repr__(self) -> str:
        """Without the token: it may end in a log."""
        return f"Connection(url={self.url!r}, token={'...' if self.token else None})"


def find_connection(environ: Mapping[str, str]) -> Connection:
    """The connection as the environment and the home directory give it now.

    Cheap, and worth asking again: a server that starts later writes both files then.

    Args:
        environ: COALMINE_SERVER_URL, COALMINE_TOKEN and COALMINE_HOME are read.
    """
    home = Path(environ.get("COALMINE_HOME") or "~/.coalmine").expanduser()
    announced = _announced_url(home)
    url = (environ.get("COALMINE_SERVER_URL") or announced or DEFAULT_SERVER_URL).rstrip("/")
    token = environ.get("COALMINE_TOKEN") or None
    if token is None and url == announced:
        token = _local_token(home)
    return Connection(url, token)


def _announced_url(home: Path) -> str | None:
    try:
        url = json.loads((home / "server.json").read_text(encoding="utf-8"))["url"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return url.rstrip("/") if isinstance(url, str) and url else None


def _local_token(home: Path) -> str | None:
    try:
        return (home / "credentials").read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None

"""Bearer tokens. The server keeps hashes; a token itself is shown once, when it is made.

`tokens.json` in the home directory holds a name, a time and a SHA-256 for each token. A plain hash is enough
because a token is 256 random bits, not a password somebody chose. The file may change while the server
runs: `token create` and `token revoke` take effect with the next request.
"""

import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from coalmine_server.errors import ConfigurationError
from coalmine_server.private_file import write_private

TOKENS_FILE = "tokens.json"
TOKEN_PREFIX = "cm_"  # noqa: S105 - lets secret scanners and our log filter recognise a token
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What is kept of a token."""

    name: str
    created_at: datetime
    sha256: str
    """Of the whole token text, hexadecimal."""


class TokenBook:
    """The tokens of one home directory. Safe to use from several threads and processes."""

    def __init__(self, home: Path) -> None:
        self._path = home / TOKENS_FILE
        self._stamp: tuple[int, int, int] | None = None
        self._records: tuple[TokenRecord, ...] = ()
        self._lock = threading.Lock()

    def create(self, name: str, *, replace: bool = False) -> str:
        """Makes a token and returns it. It cannot be shown again.

        Raises:
            ConfigurationError: The name is taken, or is no name.
        """
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{name!r} is no name for a token",
                "take 1 to 64 letters, digits, dots, dashes or underscores; begin with a letter or digit",
            )
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        with self._exclusive():
            others = [record for record in self._read() if record.name != name]
            if not replace and len(others) != len(self._read()):
                raise ConfigurationError(
                    f"a token named {name} exists", "revoke it first, or choose another name"
                )
            self._write([*others, TokenRecord(name, datetime.now(UTC), _digest(token))])
        return token

    def revoke(self, name: str) -> None:
        """Makes a token worthless from the next request on.

        Raises:
            ConfigurationError: There is no token of that name.
        """
        with self._exclusive():
            records = self._read()
            kept = [record for record in records if record.name != name]
            if len(kept) == len(records):
                raise ConfigurationError(f"there is no token named {name}", "`coalmine token list` shows all")
            self._write(kept)

    def records(self) -> tuple[TokenRecord, ...]:
        """All tokens, oldest first."""
        with self._lock:
            stamp = self._current_stamp()
            if stamp != self._stamp:
                self._records, self._stamp = tuple(self._read()), stamp
            return self._records

    def verify(self, presented: str) -> str | None:
        """The name of the token, or None. Takes the same time wherever two tokens differ."""
        digest = _digest(presented)
        name: str | None = None
        for record in self.records():  # to the end, also after a match
            if hmac.compare_digest(record.sha256, digest):
                name = record.name
        return name

    def _current_stamp(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return (status.st_mtime_ns, status.st_ino, status.st_size)

    def _read(self) -> list[TokenRecord]:
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            return [
                TokenRecord(item["name"], datetime.fromisoformat(item["created_at"]), item["sha256"])
                for item in document["tokens"]
            ]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{self._path} is damaged", "delete it and make the tokens anew with `coalmine token create`"
            ) from error

    def _write(self, records: list[TokenRecord]) -> None:
        tokens = [
            {"name": record.name, "created_at": record.created_at.isoformat(), "sha256": record.sha256}
            for record in records
        ]
        write_private(self._path, json.dumps({"tokens": tokens}, indent=1) + "\n")

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()

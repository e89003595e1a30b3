"""Bearer tokens. The registry keeps hashes; a token itself is shown once, when it is made.

A plain SHA-256 is enough because a token is 256 random bits, not a password somebody chose.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Row, select

from coalmine_registry.errors import Conflict, Invalid, NotFound
from coalmine_registry.operations import audit
from coalmine_registry.operations.inputs import is_storable, matches
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.records import TokenRecord
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.tables import tokens
from coalmine_schemas.identifiers import uuid7

TOKEN_PREFIX: Final = "cm_"  # noqa: S105 - lets secret scanners and log filters recognise a token
_SECRET_BYTES: Final = 32
_LOOKUP_CHARS: Final = 16
_LONGEST_TOKEN: Final = 1000
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SUBJECT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")

_Result = TypeVar("_Result")
_Run = Callable[[Callable[[Transaction], _Result]], _Result]


class Tokens:
    """The tokens of a registry, on its database. Thread-safe."""

    def __init__(self, read: "_Run[Any]", write: "_Run[Any]") -> None:
        """Uses the registry's transactions; `Registry.tokens` is the way in."""
        self._read = read
        self._write = write

    def create(
        self, actor: Actor, subject: str, role: Role | str, *, replace: bool = False
    ) -> tuple[TokenRecord, str]:
        """Makes a token.

        Args:
            actor: Who makes it.
            subject: Whom it stands for. Several tokens may stand for one.
            role: What it allows.
            replace: Revokes all others of the same subject.

        Returns:
            What is kept, and the token itself: it cannot be shown again.

        Raises:
            Forbidden: The actor is no admin.
            Invalid: There is no such role, or the subject is no name.
        """
        plaintext = TOKEN_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        record: TokenRecord = self._write(
            lambda transaction: _create(
                transaction, actor, subject, role, _digest(plaintext), replace=replace
            )
        )
        return record, plaintext

    def verify(self, plaintext: str) -> Actor | None:
        """Who comes with a token; None for one that is none, or was revoked."""
        if len(plaintext) > _LONGEST_TOKEN:
            return None
        digest = _digest(plaintext)
        found: Actor | None = self._read(lambda transaction: _verify(transaction, digest))
        return found

    def list(self) -> tuple[TokenRecord, ...]:
        """All tokens, oldest first, revoked ones too."""
        query = select(tokens).order_by(tokens.c.created_at, tokens.c.id)
        found: tuple[TokenRecord, ...] = self._read(
            lambda transaction: tuple(_record(row) for row in transaction.all(query))
        )
        return found

    def revoke(self, actor: Actor, token_id: str) -> TokenRecord:
        """Makes a token worthless from now on.

        Raises:
            Forbidden: The actor is no admin.
            NotFound: There is no such token.
            Conflict: It was revoked before.
        """
        record: TokenRecord = self._write(lambda transaction: _revoke(transaction, actor, token_id))
        return record

    def import_file(self, path: Path) -> int:
        """Takes over the tokens of an old `tokens.json`, as admins: they could do everything.

        Doing so again adds none.

        Returns:
            How many were new.

        Raises:
            Invalid: The file is damaged.
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            old = [_old_token(each) for each in document["tokens"]]
        except FileNotFoundError:
            return 0
        except (ValueError, KeyError, TypeError) as error:
            raise Invalid(
                "tokens.json", path.name, "it is damaged: delete it and make the tokens anew"
            ) from error
        added: int = self._write(lambda transaction: sum(_import(transaction, *each) for each in old))
        return added


def _create(
    transaction: Transaction, actor: Actor, subject: str, role: Role | str, digest: str, *, replace: bool
) -> TokenRecord:
    actor.require(Role.ADMIN, "make tokens")
    if not matches(_SUBJECT, subject):
        remedy = "take 1 to 64 letters, digits and . _ @ + -; begin with a letter or digit"
        raise Invalid("subject", subject, remedy)
    if role not in tuple(Role):
        raise Invalid("role", role, f"give one of {', '.join(Role)}")
    if replace:
        query = select(tokens.c.id).where(tokens.c.subject == subject, tokens.c.revoked_at.is_(None))
        for row in transaction.all(query):
            _revoke(transaction, actor, row.id)
    return _add(transaction, actor, subject, Role(role), digest=digest, created_at=transaction.now)


def _add(
    transaction: Transaction, actor: Actor, subject: str, role: Role, *, digest: str, created_at: datetime
) -> TokenRecord:
    token_id = uuid7()
    transaction.insert(
        tokens,
        {
            "id": token_id,
            "lookup": digest[:_LOOKUP_CHARS],
            "sha256": digest,
            "subject": subject,
            "role": role.value,
            "created_at": created_at,
            "created_by": actor.subject,
        },
    )
    after = {"token": token_id, "subject": subject, "role": role.value}
    audit.record(transaction, actor, "create_token", after=after)
    return _record_of(transaction, token_id)


def _old_token(found: Mapping[str, Any]) -> tuple[str, datetime, str]:
    subject, digest = found["name"], found["sha256"]
    created_at = datetime.fromisoformat(found["created_at"])
    if not matches(_SUBJECT, subject) or not matches(_SHA256, digest) or created_at.tzinfo is None:
        raise ValueError("no token of ours")
    return subject, created_at, digest


def _import(transaction: Transaction, subject: str, created_at: datetime, digest: str) -> int:
    if transaction.one(select(tokens.c.id).where(tokens.c.sha256 == digest)) is not None:
        return 0
    _add(transaction, Actor.of_system(), subject, Role.ADMIN, digest=digest, created_at=created_at)
    return 1


def _verify(transaction: Transaction, digest: str) -> Actor | None:
    # Found by a part of the hash, which says nothing of the token; compared in constant time.
    query = select(tokens).where(tokens.c.lookup == digest[:_LOOKUP_CHARS])
    actor = None
    for row in transaction.all(query):  # to the end, also after a match
        if hmac.compare_digest(row.sha256, digest) and row.revoked_at is None:
            actor = Actor(row.subject, Role(row.role), row.id)
    return actor


def _revoke(transaction: Transaction, actor: Actor, token_id: str) -> TokenRecord:
    actor.require(Role.ADMIN, "revoke tokens")
    found = _record_of(transaction, token_id)
    if found.revoked_at is not None:
        raise Conflict(f"token {token_id} of {found.subject} was revoked already")
    transaction.update(tokens, tokens.c.id == token_id, {"revoked_at": transaction.now})
    before = {"token": token_id, "subject": found.subject, "role": found.role}
    audit.record(transaction, actor, "revoke_token", before=before)
    return _record_of(transaction, token_id)


def _record_of(transaction: Transaction, token_id: str) -> TokenRecord:
    row = None
    if is_storable(token_id):
        row = transaction.one(select(tokens).where(tokens.c.id == token_id))
    if row is None:
        raise NotFound(f"there is no token {token_id:.100}: list the tokens to see their ids")
    return _record(row)


def _record(row: Row[Any]) -> TokenRecord:
    return TokenRecord(row.id, row.subject, row.role, row.created_at, row.created_by, row.revoked_at)


def _digest(plaintext: str) -> str:
    return hashlib.sha256(plaintext.encode("utf-8", "surrogatepass")).hexdigest()

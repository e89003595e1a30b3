"""Bearer tokens. The registry stores hashes; the text of a token is shown once, when it is created.

A plain SHA-256 is enough because a token is 256 random bits, not a password that a person chose.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Row, func, select

from coalmine_registry.errors import Conflict, Forbidden, Invalid, NotFound
from coalmine_registry.operations import audit
from coalmine_registry.operations.inputs import is_storable, matches
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.records import ENVIRONMENTS, NewToken, TokenRecord
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.tables import tokens
from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.limits import MOST_PROMPT_PATTERNS, PROMPT_PATTERN

TOKEN_PREFIX: Final = "cm_"  # noqa: S105 - lets secret scanners and log filters recognise a token
_SECRET_BYTES: Final = 32
_LOOKUP_CHARS: Final = 16
_LONGEST_TOKEN: Final = 1000
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_PATTERN: Final = re.compile(PROMPT_PATTERN)
SUBJECT: Final = "[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}"
"""What the name of somebody who acts is."""
_SUBJECT: Final = re.compile(SUBJECT)

_Result = TypeVar("_Result")
_Run = Callable[[Callable[[Transaction], _Result]], _Result]


class Tokens:
    """The tokens of a registry, on its database. Thread-safe."""

    def __init__(self, read: "_Run[Any]", write: "_Run[Any]") -> None:
        """Uses the transactions of a registry; use `Registry.tokens`."""
        self._read = read
        self._write = write

    def create(
        self,
        actor: Actor,
        subject: str,
        role: Role | str,
        *,
        environment: str | None = None,
        prompts: Sequence[str] | None = None,
        replace: bool = False,
    ) -> NewToken:
        """Creates a token.

        Args:
            actor: Who creates it.
            subject: Person or program that will use it; may have several.
            role: What it allows.
            environment: The one environment that a service may ask about.
            prompts: Patterns of the prompts that it is for, such as `support.*`; None for all.
            replace: True to revoke all others of the subject.

        Raises:
            Forbidden: The actor is not an admin, or is one of some prompts only.
            Invalid: The role does not exist, the subject is not a name, a service has no environment, or a
                pattern can match no prompt.
        """
        scope = None if prompts is None else tuple(dict.fromkeys(prompts))
        plaintext = TOKEN_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        record: TokenRecord = self._write(
            lambda transaction: _create(
                transaction,
                actor,
                subject,
                role,
                environment,
                prompts=scope,
                digest=_digest(plaintext),
                replace=replace,
            )
        )
        return NewToken(**asdict(record), token=plaintext)

    def verify(self, plaintext: str) -> Actor | None:
        """Returns the actor of a token, or None if it is unknown or revoked."""
        if len(plaintext) > _LONGEST_TOKEN:
            return None
        digest = _digest(plaintext)
        found: Actor | None = self._read(lambda transaction: _verify(transaction, digest))
        return found

    def valid_digests(self) -> frozenset[str]:
        """Returns the SHA-256 of every token that is not revoked, in hex."""
        query = select(tokens.c.sha256).where(tokens.c.revoked_at.is_(None))
        found: frozenset[str] = self._read(
            lambda transaction: frozenset(row.sha256 for row in transaction.all(query))
        )
        return found

    def revocations(self) -> int:
        """Returns how many tokens have been revoked: a number that grows with each."""
        query = select(func.count()).select_from(tokens).where(tokens.c.revoked_at.is_not(None))
        ((found,),) = self._read(lambda transaction: tuple(transaction.all(query)))
        return int(found)

    def list(self) -> tuple[TokenRecord, ...]:
        """Returns all tokens, oldest first, including revoked ones."""
        query = select(tokens).order_by(tokens.c.created_at, tokens.c.id)
        found: tuple[TokenRecord, ...] = self._read(
            lambda transaction: tuple(_record(row) for row in transaction.all(query))
        )
        return found

    def revoke(self, actor: Actor, token_id: str) -> TokenRecord:
        """Revokes a token.

        Raises:
            Forbidden: The actor is not an admin.
            NotFound: The token does not exist.
            Conflict: It is already revoked.
        """
        record: TokenRecord = self._write(lambda transaction: _revoke(transaction, actor, token_id))
        return record

    def import_file(self, path: Path) -> int:
        """Imports the tokens of an old `tokens.json` as admins: they could do everything.

        Importing it again adds nothing.

        Returns:
            The number of new tokens.

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
                "tokens.json", path.name, "it is damaged: delete it and create the tokens again"
            ) from error
        added: int = self._write(lambda transaction: sum(_import(transaction, *each) for each in old))
        return added


def _create(
    transaction: Transaction,
    actor: Actor,
    subject: str,
    role: Role | str,
    environment: str | None,
    *,
    prompts: tuple[str, ...] | None,
    digest: str,
    replace: bool,
) -> TokenRecord:
    actor.require(Role.ADMIN, "create tokens")
    if actor.prompts is not None:
        raise Forbidden(f"the token of {actor.subject} is for some prompts only: it makes no tokens")
    _check_patterns(prompts)
    if not matches(_SUBJECT, subject):
        remedy = "use 1 to 64 letters, digits and . _ @ + -; begin with a letter or digit"
        raise Invalid("subject", subject, remedy)
    if Actor(subject, Role.SERVICE, "").is_system:
        raise Invalid("subject", subject, "name a person or a program: that is Coalmine itself")
    if role not in tuple(Role):
        raise Invalid("role", role, f"give one of {', '.join(Role)}")
    if (role == Role.SERVICE) != (environment in ENVIRONMENTS):
        remedy = f"a service needs one of {', '.join(ENVIRONMENTS)}, and no other role has one"
        raise Invalid("environment", environment, remedy)
    if replace:
        query = select(tokens.c.id).where(tokens.c.subject == subject, tokens.c.revoked_at.is_(None))
        for row in transaction.all(query):
            _revoke(transaction, actor, row.id)
    token_id = _add(
        transaction, actor, subject, Role(role), prompts, digest=digest, created_at=transaction.now
    )
    if environment is not None:
        transaction.update(tokens, tokens.c.id == token_id, {"environment": environment})
    return _record_of(transaction, token_id)


def _check_patterns(prompts: tuple[str, ...] | None) -> None:
    if prompts is None:
        return
    if not 1 <= len(prompts) <= MOST_PROMPT_PATTERNS:
        raise Invalid(
            "prompts", len(prompts), f"give 1 to {MOST_PROMPT_PATTERNS} patterns, or none for all prompts"
        )
    for pattern in prompts:
        if not matches(_PATTERN, pattern):
            remedy = "use letters of prompts (a-z, 0-9, '.', '_', '-'), * for any and ? for one: support.*"
            raise Invalid("prompts", pattern, remedy)


def _add(
    transaction: Transaction,
    actor: Actor,
    subject: str,
    role: Role,
    prompts: tuple[str, ...] | None = None,
    *,
    digest: str,
    created_at: datetime,
) -> str:
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
            "prompts": None if prompts is None else [*prompts],
        },
    )
    after: dict[str, Any] = {"token": token_id, "subject": subject, "role": role.value}
    if prompts is not None:
        after["prompts"] = [*prompts]
    audit.record(transaction, actor, "create_token", after=after)
    return token_id


def _old_token(found: Mapping[str, Any]) -> tuple[str, datetime, str]:
    subject, digest = found["name"], found["sha256"]
    created_at = datetime.fromisoformat(found["created_at"])
    if not matches(_SUBJECT, subject) or not matches(_SHA256, digest) or created_at.tzinfo is None:
        raise ValueError("not a token of ours")
    return subject, created_at, digest


def _import(transaction: Transaction, subject: str, created_at: datetime, digest: str) -> int:
    if transaction.one(select(tokens.c.id).where(tokens.c.sha256 == digest)) is not None:
        return 0
    _add(transaction, Actor.of_system(), subject, Role.ADMIN, digest=digest, created_at=created_at)
    return 1


def _verify(transaction: Transaction, digest: str) -> Actor | None:
    # Found by a part of the hash, which reveals nothing about the token; compared in constant time.
    query = select(tokens).where(tokens.c.lookup == digest[:_LOOKUP_CHARS])
    actor = None
    for row in transaction.all(query):  # to the end, also after a match
        if hmac.compare_digest(row.sha256, digest) and row.revoked_at is None:
            actor = Actor(row.subject, Role(row.role), row.id, row.environment, _prompts(row))
    return actor


def _revoke(transaction: Transaction, actor: Actor, token_id: str) -> TokenRecord:
    actor.require(Role.ADMIN, "revoke tokens")
    found = _record_of(transaction, token_id)
    if found.revoked_at is not None:
        raise Conflict(f"token {token_id} of {found.subject} is already revoked")
    transaction.update(tokens, tokens.c.id == token_id, {"revoked_at": transaction.now})
    before = {"token": token_id, "subject": found.subject, "role": found.role}
    audit.record(transaction, actor, "revoke_token", before=before)
    return _record_of(transaction, token_id)


def _record_of(transaction: Transaction, token_id: str) -> TokenRecord:
    row = None
    if is_storable(token_id):
        row = transaction.one(select(tokens).where(tokens.c.id == token_id))
    if row is None:
        raise NotFound(f"no token {token_id!r:.100}: `coalmine token list --revoked` lists all")
    return _record(row)


def _record(row: Row[Any]) -> TokenRecord:
    return TokenRecord(
        row.id,
        row.subject,
        Role(row.role),
        row.environment,
        _prompts(row),
        row.created_at,
        row.created_by,
        row.revoked_at,
    )


def _prompts(row: Row[Any]) -> tuple[str, ...] | None:
    return None if row.prompts is None else tuple(row.prompts)


def _digest(plaintext: str) -> str:
    return hashlib.sha256(plaintext.encode("utf-8", "surrogatepass")).hexdigest()

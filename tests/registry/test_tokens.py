import hashlib
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, TextClause, text

from coalmine_registry.errors import Conflict, Forbidden, Invalid, NotFound
from coalmine_registry.records import NewToken
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage import Database
from tests.support.data.registry_case import ADMIN, BOB


def test_a_token_says_who_comes(registry: Registry) -> None:
    made = registry.tokens.create(ADMIN, "zoe", Role.APPROVER)
    assert made.token.startswith("cm_")
    assert len(made.token) > 40
    assert made.token not in repr(made)
    assert registry.tokens.verify(made.token) == Actor("zoe", Role.APPROVER, made.id)
    (record,) = registry.tokens.list()
    assert NewToken(**asdict(record), token=made.token) == made
    assert (record.subject, record.role, record.created_by) == ("zoe", "approver", "root")


@pytest.mark.parametrize("wrong", ["", "cm_", "nonsense", "\0", "\ud800", "x" * 10_000])
def test_what_is_no_token_says_nothing(registry: Registry, wrong: str) -> None:
    registry.tokens.create(ADMIN, "zoe", "reader")
    assert registry.tokens.verify(wrong) is None


def test_a_token_that_differs_in_its_last_character_is_none(registry: Registry) -> None:
    plaintext = registry.tokens.create(ADMIN, "zoe", "reader").token
    assert registry.tokens.verify(plaintext[:-1] + ("a" if plaintext[-1] != "a" else "b")) is None


def test_a_revoked_token_is_worthless_at_once_and_stays_in_the_list(registry: Registry) -> None:
    made = registry.tokens.create(ADMIN, "zoe", "author")
    revoked = registry.tokens.revoke(ADMIN, made.id)
    assert revoked.revoked_at is not None
    assert registry.tokens.verify(made.token) is None
    assert registry.tokens.list() == (revoked,)
    with pytest.raises(Conflict, match="already revoked"):
        registry.tokens.revoke(ADMIN, made.id)
    for missing in ("nothing", "\0"):
        with pytest.raises(NotFound):
            registry.tokens.revoke(ADMIN, missing)


def test_a_subject_may_have_several_tokens_or_have_them_replaced(registry: Registry) -> None:
    tokens = registry.tokens
    first = tokens.create(ADMIN, "zoe", "author").token
    second = tokens.create(ADMIN, "zoe", "approver").token
    other = tokens.create(ADMIN, "yan", "author").token
    assert [actor.role for actor in map(tokens.verify, (first, second)) if actor] == ["author", "approver"]
    third = tokens.create(Actor.of_system(), "zoe", "admin", replace=True).token
    assert [tokens.verify(each) is not None for each in (first, second, third, other)] == [
        False,
        False,
        True,
        True,
    ]


def test_only_admins_make_and_revoke_tokens(registry: Registry) -> None:
    record = registry.tokens.create(ADMIN, "zoe", "author")
    with pytest.raises(Forbidden):
        registry.tokens.create(BOB, "bob", "admin")
    with pytest.raises(Forbidden):
        registry.tokens.revoke(BOB, record.id)


@pytest.mark.parametrize(
    ("subject", "role"),
    [
        ("", "author"),
        ("a b", "author"),
        ("x" * 65, "author"),
        ("zoe", "boss"),
        ("z\0", "author"),
        ("System", "author"),
    ],
)
def test_what_is_no_subject_or_role_is_refused(registry: Registry, subject: str, role: str) -> None:
    with pytest.raises(Invalid):
        registry.tokens.create(ADMIN, subject, role)


def _rows(connection: Connection, query: TextClause) -> list[object]:
    return list(connection.execute(query).all())


def test_a_token_is_kept_as_a_hash_only(registry: Registry, address: str) -> None:
    plaintext = registry.tokens.create(ADMIN, "zoe", "author").token
    database = Database(address)
    for table in ("tokens", "audit"):
        query = text(f"SELECT * FROM {table}")
        rows = database.read(partial(_rows, query=query))
        assert rows
        assert plaintext not in repr(rows)
        assert plaintext.removeprefix("cm_") not in repr(rows)
    database.close()
    assert [each.action for each in registry.audit_log().items] == ["create_token"]


def test_tokens_of_before_the_registry_go_on_as_admins(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    hashes = [hashlib.sha256(token.encode()).hexdigest() for token in ("cm_one", "cm_two")]
    old = [
        {"name": name, "created_at": "2026-01-02T03:04:05+00:00", "sha256": digest}
        for name, digest in zip(("local", "ci"), hashes, strict=True)
    ]
    path.write_text(json.dumps({"tokens": old}), encoding="utf-8")
    assert registry.tokens.import_file(path) == 2
    assert registry.tokens.import_file(path) == 0
    actor = registry.tokens.verify("cm_one")
    assert actor is not None
    assert (actor.subject, actor.role) == ("local", Role.ADMIN)
    record = next(each for each in registry.tokens.list() if each.subject == "ci")
    assert record.created_at.isoformat() == "2026-01-02T03:04:05+00:00"
    registry.tokens.revoke(ADMIN, actor.token_id)
    assert registry.tokens.import_file(path) == 0
    assert registry.tokens.verify("cm_one") is None
    assert registry.tokens.import_file(tmp_path / "nothing.json") == 0


_OLD = {"name": "a", "created_at": "2026-01-02T03:04:05+00:00", "sha256": "0" * 64}


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        '{"tokens": [{}]}',
        json.dumps({"tokens": [{**_OLD, "created_at": "yesterday"}]}),
        json.dumps({"tokens": [{**_OLD, "created_at": "2026-01-02T03:04:05"}]}),
        json.dumps({"tokens": [{**_OLD, "sha256": "0"}]}),
        json.dumps({"tokens": [_OLD, {**_OLD, "name": "a\0b"}]}),
        json.dumps({"tokens": [{**_OLD, "name": 7}]}),
    ],
)
def test_a_damaged_file_of_tokens_is_refused_whole(registry: Registry, tmp_path: Path, document: str) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(document, encoding="utf-8")
    with pytest.raises(Invalid, match="damaged"):
        registry.tokens.import_file(path)
    assert registry.tokens.list() == ()


def test_roles_allow_what_the_ones_before_them_do() -> None:
    order = [Role.READER, Role.AUTHOR, Role.APPROVER, Role.ADMIN]
    assert [[has.allows(needed) for needed in order] for has in order] == [
        [True, False, False, False],
        [True, True, False, False],
        [True, True, True, False],
        [True, True, True, True],
    ]

"""Tokens: taken over from before, found by commands of one user, remembered for a moment, guessed in vain."""

import hashlib
import json
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_schemas.discovery import read_local_token
from coalmine_server.api.verifier import BOOK_S, MOST_ADDRESSES, REMEMBERED_S, FailedLogins, Verifier
from coalmine_server.errors import ConfigurationError
from coalmine_server.services.prompt_registry import ensure_local_token, open_registry
from coalmine_server.settings import Settings

SYSTEM = Actor.of_system()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with open_registry(Settings(home=tmp_path)) as opened:
        yield opened


def old_file(path: Path, *tokens: tuple[str, str]) -> None:
    rows = [
        {
            "name": name,
            "created_at": "2026-01-01T00:00:00+00:00",
            "sha256": hashlib.sha256(token.encode()).hexdigest(),
        }
        for name, token in tokens
    ]
    path.write_text(json.dumps({"tokens": rows}), encoding="utf-8")


def test_tokens_of_before_are_taken_over_and_their_file_is_put_aside(tmp_path: Path) -> None:
    old_file(tmp_path / "tokens.json", ("local", "cm_old_local"), ("grafana", "cm_old_grafana"))
    (tmp_path / "credentials").write_text("cm_old_local\n", encoding="utf-8")
    for _ in range(2):
        with open_registry(Settings(home=tmp_path)) as registry:
            actor = registry.tokens.verify("cm_old_grafana")
            assert actor is not None
            assert (actor.subject, actor.role) == ("grafana", Role.ADMIN)
            assert ensure_local_token(tmp_path, registry.tokens) == "cm_old_local"
            assert len(registry.tokens.list()) == 2
    assert not (tmp_path / "tokens.json").exists()
    assert (tmp_path / "tokens.json.taken-over").exists()


def test_a_damaged_file_is_said_to_be_damaged_and_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text('{"tokens": [{"name": 1}]}', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="damaged"):
        open_registry(Settings(home=tmp_path))


def test_the_registry_of_a_home_is_for_its_owner_only_and_holds_no_token(
    tmp_path: Path, registry: Registry
) -> None:
    token = registry.tokens.create(SYSTEM, "grafana", Role.READER).token
    registry.close()
    for file in tmp_path.glob("registry.db*"):
        assert token.removeprefix("cm_").encode() not in file.read_bytes()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_local_token_is_made_once_kept_private_and_replaced_when_worthless(
    tmp_path: Path, registry: Registry
) -> None:
    tokens = registry.tokens
    token = ensure_local_token(tmp_path, tokens)
    assert ensure_local_token(tmp_path, tokens) == token == read_local_token(tmp_path)
    file = tmp_path / "credentials"
    file.chmod(0o644)
    ensure_local_token(tmp_path, tokens)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (record,) = tokens.list()
    assert (record.subject, record.role) == ("local", "admin")
    tokens.revoke(SYSTEM, record.id)
    fresh = ensure_local_token(tmp_path, tokens)
    assert fresh != token
    assert tokens.verify(fresh) is not None
    assert tokens.verify(token) is None


def test_homes_that_share_a_registry_keep_tokens_of_their_own(tmp_path: Path, registry: Registry) -> None:
    homes = [tmp_path / "a", tmp_path / "b"]
    for home in homes:
        home.mkdir()
    made = [ensure_local_token(home, registry.tokens, shared=True) for home in homes]
    assert all(registry.tokens.verify(each) is not None for each in made)
    assert len({each.subject for each in registry.tokens.list()}) == 2
    (homes[0] / "credentials").unlink()
    ensure_local_token(homes[0], registry.tokens, shared=True)
    assert [registry.tokens.verify(each) is not None for each in made] == [False, True]


def test_servers_that_start_in_one_home_at_once_make_one_token(tmp_path: Path, registry: Registry) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = {*pool.map(lambda _: ensure_local_token(tmp_path, registry.tokens), range(8))}
    assert made == {read_local_token(tmp_path)}
    assert len(registry.tokens.list()) == 1


def test_a_lost_file_makes_its_token_worthless(tmp_path: Path, registry: Registry) -> None:
    token = ensure_local_token(tmp_path, registry.tokens)
    (tmp_path / "credentials").unlink()
    ensure_local_token(tmp_path, registry.tokens)
    assert registry.tokens.verify(token) is None


def test_a_good_token_is_remembered_for_a_moment_unless_somebody_revokes_one(registry: Registry) -> None:
    clock = Clock()
    verifier = Verifier(registry.tokens, clock)
    made = registry.tokens.create(SYSTEM, "alice", Role.AUTHOR)
    token = made.token
    digest = verifier.digest(token)
    assert verifier.remembered(digest) is None
    assert verifier.verify(token) == verifier.remembered(digest) == Actor("alice", Role.AUTHOR, made.id)
    registry.tokens.revoke(SYSTEM, made.id)
    assert verifier.remembered(digest) is not None
    clock.now += REMEMBERED_S
    assert verifier.remembered(digest) is None
    assert verifier.verify(token) is None
    other = registry.tokens.create(SYSTEM, "bob", Role.AUTHOR)
    verifier.verify(other.token)
    registry.tokens.revoke(SYSTEM, other.id)
    verifier.forget()
    assert verifier.remembered(verifier.digest(other.token)) is None


def test_a_text_that_is_no_token_is_refused_and_not_a_fault(registry: Registry) -> None:
    verifier = Verifier(registry.tokens)
    for text in ("\udcff", "", "x" * 10_000, "\0"):
        assert verifier.verify(text) is None


def test_an_address_that_guesses_has_to_wait_and_others_do_not() -> None:
    clock = Clock()
    logins = FailedLogins(10, clock)
    for _ in range(10):
        assert logins.retry_after_s("192.0.2.1") is None
        logins.failed("192.0.2.1")
    assert logins.retry_after_s("192.0.2.1") == 6
    assert logins.retry_after_s("192.0.2.2") is None
    clock.now += 6
    assert logins.retry_after_s("192.0.2.1") is None
    logins.failed("192.0.2.1")
    assert logins.retry_after_s("192.0.2.1") is not None
    clock.now += 60
    for _ in range(10):
        assert logins.retry_after_s("192.0.2.1") is None
        logins.failed("192.0.2.1")


def test_the_book_of_valid_tokens_costs_one_query_a_second_and_follows(registry: Registry) -> None:
    clock = Clock()
    verifier = Verifier(registry.tokens, clock)
    made = registry.tokens.create(SYSTEM, "alice", Role.AUTHOR)
    assert verifier.may_be_valid(made.token)
    assert not verifier.may_be_valid("cm_guess")
    later = registry.tokens.create(SYSTEM, "bob", Role.AUTHOR)
    assert not verifier.may_be_valid(later.token)
    clock.now += BOOK_S
    assert verifier.may_be_valid(later.token)
    registry.tokens.revoke(SYSTEM, later.id)
    clock.now += BOOK_S
    assert not verifier.may_be_valid(later.token)


def test_nobody_goes_on_guessing_from_the_other_addresses_of_one_network() -> None:
    logins = FailedLogins(1, Clock())
    logins.failed("2001:db8::1")
    assert logins.retry_after_s("2001:db8::ffff") is not None
    assert logins.retry_after_s("2001:db8:0:1::1") is None
    logins.failed("::ffff:192.0.2.1")
    assert logins.retry_after_s("192.0.2.1") is not None
    assert logins.retry_after_s("not an address") is None


def test_a_hundred_thousand_addresses_take_no_more_memory_than_ten_thousand() -> None:
    logins = FailedLogins(1, Clock())
    for number in range(10 * MOST_ADDRESSES):
        logins.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(logins) == MOST_ADDRESSES

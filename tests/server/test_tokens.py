"""Tokens: what is kept, what is accepted, what takes effect when."""

import json
import stat
import threading
from pathlib import Path

import pytest
from coalmine_server.errors import ConfigurationError
from coalmine_server.local_access import (
    announce_server,
    ensure_local_credentials,
    find_server,
    read_local_credentials,
    withdraw_server,
)
from coalmine_server.tokens import TokenBook
from hypothesis import given
from hypothesis import strategies as st


def test_a_token_is_accepted_until_it_is_revoked_also_by_a_book_that_was_open_before(tmp_path: Path) -> None:
    server, command = TokenBook(tmp_path), TokenBook(tmp_path)
    assert server.verify("cm_anything") is None
    token = command.create("grafana")
    assert server.verify(token) == "grafana"
    command.revoke("grafana")
    assert server.verify(token) is None


def test_the_file_holds_no_token_and_is_for_its_owner_only(tmp_path: Path) -> None:
    token = TokenBook(tmp_path).create("grafana")
    file = tmp_path / "tokens.json"
    assert token not in file.read_text(encoding="utf-8")
    assert token.removeprefix("cm_") not in file.read_text(encoding="utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@given(st.text(max_size=80))
def test_no_other_text_is_accepted(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    book = TokenBook(tmp_path_factory.mktemp("tokens"))
    token = book.create("a")
    assert book.verify(text) is None
    assert book.verify(token + text) == ("a" if text == "" else None)
    assert book.verify(token[: len(text)]) is None or len(text) >= len(token)


def test_a_text_that_is_no_utf8_is_refused_and_not_a_fault(tmp_path: Path) -> None:
    assert TokenBook(tmp_path).verify("\udcff") is None


def test_names_are_unique_and_plain(tmp_path: Path) -> None:
    book = TokenBook(tmp_path)
    book.create("a")
    with pytest.raises(ConfigurationError, match="exists"):
        book.create("a")
    with pytest.raises(ConfigurationError, match="no name"):
        book.create("a b")
    with pytest.raises(ConfigurationError, match="no token named b"):
        book.revoke("b")


def test_tokens_made_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=TokenBook(tmp_path).create, args=(f"t{number}",)) for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {record.name for record in TokenBook(tmp_path).records()} == {f"t{number}" for number in range(16)}


def test_a_damaged_file_is_said_to_be_damaged_and_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text('{"tokens": [{"name": 1}]}', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="damaged"):
        TokenBook(tmp_path).verify("cm_x")


def test_local_credentials_are_made_once_kept_private_and_made_anew_when_worthless(tmp_path: Path) -> None:
    token = ensure_local_credentials(tmp_path)
    assert ensure_local_credentials(tmp_path) == token == read_local_credentials(tmp_path)
    file = tmp_path / "credentials"
    file.chmod(0o644)
    ensure_local_credentials(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    TokenBook(tmp_path).revoke("local")
    fresh = ensure_local_credentials(tmp_path)
    assert fresh != token
    assert TokenBook(tmp_path).verify(fresh) == "local"
    assert TokenBook(tmp_path).verify(token) is None


def test_a_server_announces_itself_and_takes_back_only_its_own_word(tmp_path: Path) -> None:
    assert find_server(tmp_path) is None
    announce_server(tmp_path, "http://127.0.0.1:8321")
    found = find_server(tmp_path)
    assert found is not None
    assert found.url == "http://127.0.0.1:8321"
    withdraw_server(tmp_path)
    assert find_server(tmp_path) is None
    announce_server(tmp_path, "http://127.0.0.1:8321")
    document = json.loads((tmp_path / "server.json").read_text(encoding="utf-8"))
    (tmp_path / "server.json").write_text(json.dumps({**document, "pid": 1}), encoding="utf-8")
    withdraw_server(tmp_path)
    assert find_server(tmp_path) is not None
    (tmp_path / "server.json").write_text("half a docu", encoding="utf-8")
    assert find_server(tmp_path) is None

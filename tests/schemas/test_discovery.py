"""Running servers of a home directory are found, and the local token goes to them alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from coalmine_schemas.discovery import (
    Endpoint,
    RunningServer,
    announce_server,
    find_endpoint,
    find_server,
    home_of,
    read_local_token,
    withdraw_server,
)

STORE = "http://127.0.0.1:8321"
REGISTRY = "http://127.0.0.1:8322"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in which two servers run apart."""
    announce_server(tmp_path, STORE, "store")
    announce_server(tmp_path, REGISTRY, "registry")
    (tmp_path / "credentials").write_text("local\n", encoding="utf-8")
    return tmp_path


def test_a_server_announces_itself_and_withdraws_only_its_own_announcement(tmp_path: Path) -> None:
    assert find_server(tmp_path, "store") is None
    announce_server(tmp_path / "home", STORE, "store")
    announce_server(tmp_path / "home", REGISTRY, "registry")
    home = tmp_path / "home"
    found, registry = find_server(home, "store"), find_server(home, "registry")
    assert found is not None
    assert registry is not None
    assert (found.url, registry.url) == (STORE, REGISTRY)
    withdraw_server(home)
    assert find_server(home, "store") is None
    assert find_server(home, "registry") is None
    announce_server(home, STORE, "store")
    document = json.loads((home / "server.json").read_text(encoding="utf-8"))
    (home / "server.json").write_text(json.dumps({**document, "pid": 1}), encoding="utf-8")
    withdraw_server(home)
    assert find_server(home, "store") is not None


def test_a_standby_replaces_only_the_announcement_of_a_process_that_is_gone(home: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        (home / "registry.json").write_text(json.dumps({"url": "http://other:1", "pid": other.pid}))
        announce_server(home, REGISTRY, "registry", replace=False)
        assert find_server(home, "registry") == RunningServer("http://other:1", other.pid)
        other.communicate(b"\n")
    announce_server(home, REGISTRY, "registry", replace=False)
    assert find_server(home, "registry") == RunningServer(REGISTRY, os.getpid())


@pytest.mark.parametrize("content", ["", "half a docu", "{", "[]", '{"url": 5, "pid": 1}', '{"pid": 1}'])
def test_a_broken_announcement_counts_as_missing(tmp_path: Path, content: str) -> None:
    (tmp_path / "server.json").write_text(content, encoding="utf-8")
    assert find_server(tmp_path, "store") is None


def test_each_kind_of_server_is_found_with_the_local_token(home: Path) -> None:
    assert find_endpoint(home, "store") == Endpoint(STORE, "local")
    assert find_endpoint(home, "registry") == Endpoint(REGISTRY, "local")
    (home / "registry.json").unlink()
    assert find_endpoint(home, "registry") is None


def test_a_given_url_and_token_win(home: Path) -> None:
    assert find_endpoint(home, "store", token="mine") == Endpoint(STORE, "mine")
    assert find_endpoint(home, "store", url="http://elsewhere:1/", token="mine") == Endpoint(
        "http://elsewhere:1", "mine"
    )
    assert find_endpoint(home, "store", url="", token="") == Endpoint(STORE, "local")


@pytest.mark.parametrize("url", [STORE, REGISTRY, STORE + "/", REGISTRY + "/"])
def test_the_local_token_is_sent_to_every_announced_url(home: Path, url: str) -> None:
    for kind in ("store", "registry"):
        assert find_endpoint(home, kind, url=url) == Endpoint(url.rstrip("/"), "local")


@pytest.mark.parametrize("url", ["http://elsewhere:8321", "http://127.0.0.1:8323", "http://localhost:8321"])
def test_the_local_token_is_sent_to_no_other_url(home: Path, url: str) -> None:
    assert find_endpoint(home, "registry", url=url) == Endpoint(url, None)


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff"])
def test_an_unreadable_token_counts_as_missing(home: Path, content: bytes) -> None:
    (home / "credentials").write_bytes(content)
    assert read_local_token(home) is None
    assert find_endpoint(home, "store") == Endpoint(STORE, None)


def test_the_token_does_not_show_when_printed() -> None:
    assert "secret" not in repr(Endpoint("http://h", "secret"))


def test_the_home_is_given_or_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_of(tmp_path / "a", {"COALMINE_HOME": "/b"}) == tmp_path / "a"
    assert home_of(None, {"COALMINE_HOME": "/b"}) == Path("/b")
    assert home_of(None, {"COALMINE_HOME": ""}) == home_of("~/.coalmine", {}) == tmp_path / ".coalmine"

"""Running servers of a home directory are found, and tokens go to those alone that prove themselves."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coalmine_schemas.discovery import (
    Endpoint,
    UntrustedHome,
    announce_server,
    announce_start,
    end_start,
    find_endpoint,
    find_server,
    home_of,
    own_home,
    read_local_token,
    starting_server,
    withdraw_server,
)
from tests.support.doubles.deployment_server import DeploymentServer

SECRET = "s3cr3t"
ELSEWHERE = "http://127.0.0.1:1"


@pytest.fixture
def server() -> Iterator[DeploymentServer]:
    with DeploymentServer() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, server: DeploymentServer) -> Path:
    """A home in which a server runs that is both."""
    announce_server(tmp_path, server.url, "store", server.secret)
    announce_server(tmp_path, server.url, "registry", server.secret)
    (tmp_path / "credentials").write_text("local\n", encoding="utf-8")
    return tmp_path


def pid_of(home: Path) -> int | None:
    found = find_server(home, "registry")
    return None if found is None else found.pid


def test_a_server_announces_itself_and_withdraws_only_its_own_announcement(tmp_path: Path) -> None:
    assert find_server(tmp_path, "store") is None
    home = tmp_path / "home"
    announce_server(home, ELSEWHERE, "store", SECRET)
    announce_server(home, ELSEWHERE, "registry", SECRET)
    assert {stat.S_IMODE(each.stat().st_mode) for each in home.iterdir()} == {0o600}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    found = find_server(home, "store")
    assert found is not None
    assert (found.url, found.pid) == (ELSEWHERE, os.getpid())
    assert SECRET not in repr(found)
    withdraw_server(home)
    assert find_server(home, "store") is None
    assert find_server(home, "registry") is None
    announce_server(home, ELSEWHERE, "store", SECRET)
    for other in ({"pid": 1}, {"process_started": 1}):  # another process, or one before us with our number
        document = json.loads((home / "server.json").read_text(encoding="utf-8"))
        (home / "server.json").write_text(json.dumps({**document, **other}), encoding="utf-8")
        withdraw_server(home)
        assert find_server(home, "store") is not None


def test_a_standby_replaces_only_the_announcement_of_a_process_that_is_gone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        document = {"url": "http://other:1", "pid": other.pid, "secret": "x"}
        (tmp_path / "registry.json").write_text(json.dumps(document))
        announce_server(tmp_path, ELSEWHERE, "registry", SECRET, replace=False)
        assert pid_of(tmp_path) == other.pid
        (tmp_path / "registry.json").write_text(json.dumps({**document, "process_started": 1}))
        announce_server(tmp_path, ELSEWHERE, "registry", SECRET, replace=False)
        assert pid_of(tmp_path) == os.getpid()
        (tmp_path / "registry.json").write_text(json.dumps(document))
        other.communicate(b"\n")
    announce_server(tmp_path, ELSEWHERE, "registry", SECRET, replace=False)
    assert pid_of(tmp_path) == os.getpid()


@pytest.mark.parametrize("content", ["", "half a docu", "{", "[]", '{"url": 5, "pid": 1}', '{"pid": 1}'])
def test_a_broken_announcement_counts_as_missing(tmp_path: Path, content: str) -> None:
    (tmp_path / "server.json").write_text(content, encoding="utf-8")
    assert find_server(tmp_path, "store") is None


def test_each_kind_of_server_is_found_with_the_local_token(home: Path, server: DeploymentServer) -> None:
    assert find_endpoint(home, "store") == Endpoint(server.url, "local")
    assert find_endpoint(home, "registry") == Endpoint(server.url, "local")
    (home / "registry.json").unlink()
    assert find_endpoint(home, "registry") is None


def test_a_given_url_and_token_win(home: Path, server: DeploymentServer) -> None:
    assert find_endpoint(home, "store", token="mine") == Endpoint(server.url, "mine")
    given = find_endpoint(home, "store", url="http://elsewhere:1/", token="mine")
    assert given == Endpoint("http://elsewhere:1", "mine")
    assert find_endpoint(home, "store", url="", token="") == Endpoint(server.url, "local")


def test_the_local_token_is_sent_to_every_announced_url(home: Path, server: DeploymentServer) -> None:
    for kind in ("store", "registry"):
        for url in (server.url, f"{server.url}/"):
            assert find_endpoint(home, kind, url=url) == Endpoint(server.url, "local")


@pytest.mark.parametrize("url", ["http://elsewhere:8321", "http://127.0.0.1:8323", "http://localhost:8321"])
def test_the_local_token_is_sent_to_no_other_url(home: Path, url: str) -> None:
    assert find_endpoint(home, "registry", url=url) == Endpoint(url, None)


def test_whoever_listens_where_a_server_was_killed_is_neither_believed_nor_sent_a_token(
    home: Path, server: DeploymentServer
) -> None:
    server.secret = "of somebody else"
    for token in (None, "mine"):
        assert find_endpoint(home, "store", token=token) is None
    assert find_endpoint(home, "store", url=server.url) == Endpoint(server.url, None)
    server.kill()
    assert find_endpoint(home, "store") is None
    assert server.questions == []


@pytest.mark.parametrize("path", [".", "server.json"])
@pytest.mark.parametrize("mode", [0o20, 0o02])
def test_a_home_that_others_may_write_announces_nothing(home: Path, path: str, mode: int) -> None:
    (home / path).chmod((home / path).stat().st_mode | mode)
    with pytest.raises(UntrustedHome, match="chmod go-w"):
        find_endpoint(home, "store")
    with pytest.raises(OSError, match="others may write"):  # so that clients count it as unreachable
        find_endpoint(home, "store")


@pytest.mark.parametrize("mode", [0o1777, 0o1770, 0o1702])
def test_a_shared_place_that_others_may_write_is_no_home(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(UntrustedHome, match="chmod go-w"):
        own_home(tmp_path)
    assert tmp_path.stat().st_mode & 0o7777 == mode
    tmp_path.chmod(mode & ~0o022 | 0o050)
    assert not own_home(tmp_path)


def test_what_a_server_announced_is_withdrawn_though_others_may_write_the_home_by_now(tmp_path: Path) -> None:
    announce_server(tmp_path, ELSEWHERE, "store", SECRET)
    tmp_path.chmod(0o777)
    withdraw_server(tmp_path)
    assert not (tmp_path / "server.json").exists()


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff"])
def test_an_unreadable_token_counts_as_missing(home: Path, content: bytes) -> None:
    (home / "credentials").write_bytes(content)
    assert read_local_token(home) is None
    found = find_endpoint(home, "store")
    assert found is not None
    assert found.token is None


def test_the_token_does_not_show_when_printed() -> None:
    assert "secret" not in repr(Endpoint("http://h", "secret"))


def test_the_home_is_given_or_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_of(tmp_path / "a", {"COALMINE_HOME": "/b"}) == tmp_path / "a"
    assert home_of(None, {"COALMINE_HOME": "/b"}) == Path("/b")
    assert home_of(None, {"COALMINE_HOME": ""}) == home_of("~/.coalmine", {}) == tmp_path / ".coalmine"


def test_a_server_that_starts_is_known_until_it_listens_or_ends(home: Path) -> None:
    assert starting_server(home) is None
    announce_start(home)
    assert starting_server(home) == os.getpid()
    document = json.loads((home / "starting.json").read_text(encoding="utf-8"))
    end_start(home)
    assert starting_server(home) is None
    for gone in (
        "",
        "[]",
        json.dumps({**document, "process_started": 1}),
        json.dumps({**document, "pid": 2**30}),
    ):
        (home / "starting.json").write_text(gone, encoding="utf-8")
        assert starting_server(home) is None

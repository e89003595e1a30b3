from collections.abc import Iterator
from pathlib import Path

import pytest

from coalmine_dashboards.connection import DEFAULT_SERVER_URL, find_connection, key_of_link
from coalmine_schemas.discovery import Endpoint, announce_server, viewer_key
from tests.support.doubles.deployment_server import DeploymentServer


@pytest.fixture
def server() -> Iterator[DeploymentServer]:
    with DeploymentServer() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, server: DeploymentServer) -> Path:
    """A home as a running server leaves it."""
    announce_server(tmp_path, server.url, "store", server.secret)
    (tmp_path / "credentials").write_text("local-token\n")
    return tmp_path


def test_the_default_is_the_default_url_without_a_token(tmp_path: Path) -> None:
    assert find_connection({"COALMINE_HOME": str(tmp_path)}) == Endpoint(DEFAULT_SERVER_URL, None)


def test_the_server_of_the_home_is_found_with_its_token(home: Path, server: DeploymentServer) -> None:
    assert find_connection({"COALMINE_HOME": str(home)}) == Endpoint(server.url, "local-token")


def test_no_token_is_sent_where_no_server_is_known(tmp_path: Path) -> None:
    environ = {"COALMINE_HOME": str(tmp_path), "COALMINE_TOKEN": "mine"}
    assert find_connection(environ) == Endpoint(DEFAULT_SERVER_URL, None)


def test_the_environment_wins(home: Path) -> None:
    environ = {
        "COALMINE_HOME": str(home),
        "COALMINE_SERVER_URL": "http://elsewhere:1/",
        "COALMINE_TOKEN": "mine",
    }
    assert find_connection(environ) == Endpoint("http://elsewhere:1", "mine")


def test_the_local_token_is_not_sent_to_another_server(home: Path) -> None:
    environ = {"COALMINE_HOME": str(home), "COALMINE_SERVER_URL": "http://elsewhere:1"}
    assert find_connection(environ).token is None


def test_the_local_token_is_sent_to_its_own_server_named_in_the_environment(
    home: Path, server: DeploymentServer
) -> None:
    environ = {"COALMINE_HOME": str(home), "COALMINE_SERVER_URL": f"{server.url}/"}
    assert find_connection(environ).token == "local-token"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"url": 5}', '{"pid": 1}'])
def test_a_broken_announcement_is_ignored(tmp_path: Path, content: str) -> None:
    (tmp_path / "server.json").write_text(content)
    assert find_connection({"COALMINE_HOME": str(tmp_path)}).url == DEFAULT_SERVER_URL


def test_without_an_announcement_the_local_token_is_not_sent(home: Path) -> None:
    (home / "server.json").unlink()
    assert find_connection({"COALMINE_HOME": str(home)}) == Endpoint(DEFAULT_SERVER_URL, None)


def test_the_token_does_not_show_when_printed() -> None:
    assert "secret" not in repr(Endpoint("http://h", "secret"))


def test_the_link_of_a_home_is_the_same_before_its_server_answers(home: Path) -> None:
    announce_server(home, "http://127.0.0.1:1", "store", "nobody listens there")
    assert key_of_link({"COALMINE_HOME": str(home)}) == viewer_key("local-token")
    assert key_of_link({"COALMINE_HOME": str(home), "COALMINE_TOKEN": "mine"}) == viewer_key("mine")


def test_without_a_token_nobody_can_guess_the_link(tmp_path: Path) -> None:
    environ = {"COALMINE_HOME": str(tmp_path)}
    assert key_of_link(environ) != key_of_link(environ)

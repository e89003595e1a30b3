"""What listens at the server's address may be something else: that is said, in one line."""

import pytest
from pytest_httpserver import HTTPServer

from coalmine_server.client.http import Client, read_as
from coalmine_server.errors import CheckFailed, ConfigurationError


@pytest.mark.parametrize("body", ["", "<html>", "{}", "[]", "5", '{"items": []}'])
def test_an_answer_of_something_else_is_named(httpserver: HTTPServer, body: str) -> None:
    httpserver.expect_request("/v1/prompts").respond_with_data(body)
    client = Client(httpserver.url_for("").rstrip("/"), "token")
    with pytest.raises(CheckFailed, match="/v1/prompts as no Coalmine server does"):
        client.items("/v1/prompts")
    client.close()


def test_rows_of_something_else_are_named() -> None:
    with pytest.raises(CheckFailed, match="upgrade both together"):
        read_as(list[int], [{"a": 1}])


def test_a_name_that_fits_no_url_is_not_taken_for_a_wrong_address() -> None:
    client = Client("http://127.0.0.1:9", None)
    with pytest.raises(
        ConfigurationError, match=r"what is asked of http://127\.0\.0\.1:9 fits no URL"
    ) as caught:
        client.get(f"/v1/prompts/{'x' * 100_000}")
    assert "give shorter names" in str(caught.value)
    client.close()


@pytest.mark.parametrize("token", ["caf\u00e9", "a\nb", "a\x00"])
def test_a_token_that_cannot_be_sent_is_refused(token: str) -> None:
    with pytest.raises(ConfigurationError, match="check COALMINE_TOKEN") as caught:
        Client("http://127.0.0.1:9", token)
    assert token not in str(caught.value)


@pytest.mark.parametrize("path", ["/v1/prompts/", "/v1/prompts//versions/1.0.0"])
def test_an_empty_name_is_said_and_not_asked_for(httpserver: HTTPServer, path: str) -> None:
    client = Client(httpserver.url_for("").rstrip("/"), "token")
    with pytest.raises(ConfigurationError, match="a name is empty"):
        client.get(path)
    assert httpserver.log == []
    client.close()

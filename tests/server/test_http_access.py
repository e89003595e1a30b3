"""Who may ask what: every route, with no token, a wrong one, a revoked one and a right one."""

from typing import Any

import httpx
import pytest

from tests.server.harness import ServerProcess, coalmine, coalmine_json
from tests.support.produced import wait_until

ANY_ID = "01a00000-0000-7000-8000-000000000000"

PUBLIC = {("get", "/healthz"), ("get", "/readyz")}

PROTECTED = {
    ("get", "/metrics"),
    ("get", "/openapi.json"),
    ("get", "/v1/versions"),
    ("get", "/v1/timeseries"),
    ("get", "/v1/quantiles"),
    ("get", "/v1/facets"),
    ("get", "/v1/ingest"),
    ("get", "/v1/audit"),
    ("get", "/v1/rebuild"),
    ("post", "/v1/rebuild"),
    ("get", "/v1/dead-letters"),
    ("get", "/v1/dead-letters/{dead_letter_id}"),
    ("post", "/v1/dead-letters/replay"),
    ("post", "/v1/dead-letters/discard"),
}


def ask(server: ServerProcess, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    url = server.url + path.replace("{dead_letter_id}", ANY_ID)
    body: Any = {"ids": [ANY_ID]} if method == "post" else None
    return httpx.request(method, url, headers=headers, json=body, timeout=60)


def test_the_table_of_routes_is_complete(busy_server: ServerProcess) -> None:
    paths = busy_server.json("/openapi.json")["paths"]
    documented = {(method, path) for path, methods in paths.items() for method in methods}
    assert documented == (PUBLIC | PROTECTED) - {("get", "/openapi.json")}


@pytest.mark.parametrize(("method", "path"), sorted(PUBLIC))
def test_health_needs_no_token(busy_server: ServerProcess, method: str, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        response = ask(busy_server, method, path, headers)
        assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(("method", "path"), sorted(PROTECTED))
def test_everything_else_needs_a_token_that_is_known(
    busy_server: ServerProcess, method: str, path: str
) -> None:
    token = busy_server.token
    refused: list[dict[str, str]] = [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer cm_wrong"},
        {"Authorization": f"Basic {token}"},
        {"Authorization": token},
        {"Authorization": f"Bearer {token[:-1]}"},
        {"Authorization": f"Bearer {token}x"},
    ]
    for headers in refused:
        response = ask(busy_server, method, path, headers)
        assert response.status_code == 401, headers
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.json()["type"] == "urn:coalmine:unauthenticated"
        assert token not in response.text
    accepted = ask(busy_server, method, path, {"Authorization": f"Bearer {token}"})
    assert accepted.status_code in ((404,) if "{" in path else (200, 202))
    assert ask(busy_server, method, path, {"Authorization": f"bearer  {token}"}).status_code != 401


def test_whether_a_path_exists_is_nobodys_business_without_a_token(busy_server: ServerProcess) -> None:
    assert ask(busy_server, "get", "/v1/secret", {}).status_code == 401
    found = busy_server.get("/v1/secret")
    assert (found.status_code, found.json()["type"]) == (404, "urn:coalmine:not-found")
    wrong_method = httpx.delete(
        f"{busy_server.url}/v1/versions", headers={"Authorization": f"Bearer {busy_server.token}"}
    )
    assert wrong_method.status_code == 405
    assert wrong_method.headers["content-type"] == "application/problem+json"


def test_a_token_made_and_revoked_while_the_server_runs(busy_server: ServerProcess) -> None:
    token = coalmine_json("token", "create", "grafana", home=busy_server.home)["token"]
    assert busy_server.get("/v1/facets", token=token).status_code == 200
    assert [row["name"] for row in coalmine_json("token", "list", home=busy_server.home)] == [
        "local",
        "grafana",
    ]
    assert coalmine("token", "revoke", "grafana", home=busy_server.home).returncode == 0
    assert busy_server.get("/v1/facets", token=token).status_code == 401


def test_the_log_has_every_request_and_neither_tokens_nor_queries(busy_server: ServerProcess) -> None:
    busy_server.get("/v1/versions?prompt=my-secret-prompt")
    httpx.get(f"{busy_server.url}/v1/facets", headers={"Authorization": "Bearer cm_not_a_known_token_at_all"})

    def refused() -> bool:  # a line is written once its answer is on the way
        lines = [line for line in busy_server.log_lines() if line["event"] == "request"]
        return (lines[-1]["path"], lines[-1]["status"]) == ("/v1/facets", 401)

    wait_until(refused)
    text = busy_server.log_text()
    assert "my-secret-prompt" not in text
    assert busy_server.token not in text
    assert "cm_not_a_known" not in text
    requests = [line for line in busy_server.log_lines() if line["event"] == "request"]
    assert (requests[-1]["status"], requests[-1]["caller"]) == (401, None)
    assert (requests[-2]["status"], requests[-2]["caller"]) == (200, "local")


def test_a_body_that_is_no_json_or_too_large_is_refused(busy_server: ServerProcess) -> None:
    headers = {"Authorization": f"Bearer {busy_server.token}", "Content-Type": "application/json"}
    url = f"{busy_server.url}/v1/dead-letters/replay"
    for content in (b"{", b"[]", b'{"ids": ["x"]}', b'{"idz": []}', b"{}"):
        response = httpx.post(url, headers=headers, content=content)
        assert response.status_code == 422, content
        assert response.headers["content-type"] == "application/problem+json"

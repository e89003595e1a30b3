"""Bodies that two readers would not read alike are refused, with the reason."""

import pytest

from tests.server.registry_client import Person
from tests.support.processes.coalmine_process import ServerProcess

TOKEN = '"subject": "ann", "role": "reader"'
CONTENT = '"template": "{{ a }}", "variables": {"a": {}, "a": {"type": "integer"}}'


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/v1/tokens", f'{{{TOKEN}, "role": "admin"}}', "'role'"),
        ("/v1/tokens", f'{{{TOKEN}, "r\\u006fle": "admin"}}', "'role'"),
        ("/v1/tokens", '{"subject": "x", "role": "reader", "x\\ud800": 1, "x\\ud800": 1}', "'x\\ud800'"),
        ("/v1/prompts/bodies/versions", f'{{"version": "1.0.0", "content": {{{CONTENT}}}}}', "'a'"),
        ("/v1/promotions", '[{"a": [{"b": {}}]}, {"c": [{"d": 1, "d": 1}]}]', "'d'"),
        ("/v1/promotions", '{"evidence": NaN}', "NaN"),
        ("/v1/promotions", '{"evidence": [1, -Infinity]}', "-Infinity"),
    ],
)
def test_a_body_that_can_be_read_in_two_ways_is_refused(
    registry_server: ServerProcess, path: str, body: str, named: str
) -> None:
    with Person.local(registry_server) as admin:
        headers = {"Content-Type": "application/json"}
        response = admin.client.post(path, content=body.encode(), headers=headers)
        assert response.status_code == 400, response.text
        problem = response.json()
        assert problem["type"] == "urn:coalmine:unreadable-body"
        assert named in problem["detail"]
        assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "deep", ["[" * 1_000_000, '{"a":' * 1_000_000, '{"expected_revision": ' + "9" * 100_000 + "}"]
)
def test_a_body_that_cannot_be_read_at_all_is_the_senders_fault(
    registry_server: ServerProcess, deep: str
) -> None:
    with Person.local(registry_server) as admin:
        headers = {"Content-Type": "application/json"}
        response = admin.client.post("/v1/promotions", content=deep.encode(), headers=headers)
        assert response.status_code in (400, 422), response.text
        assert len(response.text) < 2_000


@pytest.mark.parametrize(("keys", "status"), [(20_001, 400), (10_000, 422)])
def test_what_is_wrong_with_very_many_keys_is_said_in_short(
    registry_server: ServerProcess, keys: int, status: int
) -> None:
    body = {"weights": {f"arm-{number}": "much" for number in range(keys)}}
    with Person.local(registry_server) as admin:
        response = admin.client.put("/v1/experiments/bodies/weights", json=body)
        assert response.status_code == status, response.text[:2_000]
        assert len(response.text) < 5_000
        problem = response.json()
        if status == 422:
            assert len(problem["errors"]) == 20
            assert problem["detail"].endswith("; and 9980 more")
        else:
            assert "20,000 keys" in problem["detail"]

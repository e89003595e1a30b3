"""Who may ask what: every route, with no token, a wrong one, a revoked one and one of each role."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx2
import pytest

from coalmine_server.api.prompt_scope import DECISIONS
from tests.server.registry_client import HELLO, Person
from tests.support.campaign import size
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine, coalmine_json

ANY_ID = "01a00000-0000-7000-8000-000000000000"
ROLES = ("ingest", "service", "reader", "author", "approver", "admin")
REASON = {"reason": "tidy"}
NO_NUMBER = "999999999"
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()
LETTERS = {"ids": [ANY_ID]}
VOTE = {"type": "feedback", "request_id": "01a00000-0000-7000-8000-00000000abcd", "thumbs": "up"}
ARMS = [
    {"variant": "treatment", "version": "1.1.0", "weight": 0.1},
    {"variant": "control", "version": "1.0.0", "weight": 0.9},
]
NOWHERE = "/v1/environments/prod/prompts/nothing-at-all"
EVAL_RUN = {
    "id": f"ev-{ANY_ID}",
    "suite": "nothing",
    "suite_digest": "0" * 64,
    "candidate": {"digest": f"sha256:{'0' * 64}", "provider": "openai"},
}


class Row(NamedTuple):
    """A route, the smallest role that may use it, and a request that changes nothing that others need."""

    method: str
    path: str
    role: str | None
    asked: str | None = None
    body: object = None
    never: str | None = None
    """A larger role that may not; `unsigned` where a signature takes the place of a token."""


TABLE = (
    Row("GET", "/healthz", None),
    Row("GET", "/readyz", None),
    Row("POST", "/feedback/link", None, never="unsigned"),
    Row("GET", "/metrics", "reader"),
    Row("GET", "/openapi.json", "ingest"),
    Row("GET", "/v1/whoami", "service"),
    Row("POST", "/v1/events", "ingest", body={"events": [VOTE]}, never="reader"),
    Row("POST", "/v1/traces", "ingest", body={"resourceSpans": []}, never="reader"),
    Row("GET", "/v1/versions", "reader"),
    Row("GET", "/v1/timeseries", "reader"),
    Row("POST", "/v1/exports", "admin", body={"format": "csv", "since": "1h"}),
    Row("POST", "/v1/backups", "admin"),
    Row("POST", "/v1/snapshots", "admin", body={}),
    Row("POST", "/v1/forget", "admin", body={"unit_ids": ["nobody-at-all"]}),
    Row("POST", "/v1/sql", "reader", body={"sql": "SELECT 1"}),
    Row("GET", "/v1/quantiles", "reader"),
    Row("GET", "/v1/requests/{request_id}", "reader", f"/v1/requests/{ANY_ID}"),
    Row("GET", "/v1/requests/{request_id}/context", "reader", f"/v1/requests/{ANY_ID}/context"),
    Row("GET", "/v1/feedback", "reader"),
    Row("GET", "/v1/unpriced", "reader"),
    Row("GET", "/v1/costs", "reader"),
    Row("GET", "/v1/savings", "reader"),
    Row("GET", "/v1/spending", "reader"),
    Row("GET", "/v1/facets", "reader"),
    Row("GET", "/v1/deployment-marks", "reader"),
    Row("GET", "/v1/metrics", "reader"),
    Row("GET", "/v1/compare", "reader", "/v1/compare?prompt=support-refund&a=1.0.0&b=1.1.0"),
    Row("GET", "/v1/breakdown", "reader", "/v1/breakdown?prompt=support-refund"),
    Row("POST", "/v1/plan-check", "reader", body={"prompt": "support-refund"}),
    Row("GET", "/v1/drift", "reader", "/v1/drift?prompt=support-refund"),
    Row("GET", "/v1/drifts", "reader"),
    Row("GET", "/v1/model-calendar", "reader"),
    Row(
        "POST",
        "/v1/drift/ignored-days",
        "approver",
        body={"prompt": "nothing", "day": "2026-01-01", "reason": "tidy"},
    ),
    Row("GET", "/v1/explain", "reader", "/v1/explain?prompt=support-refund&a=1.0.0&b=1.1.0"),
    Row("GET", "/v1/readouts", "reader"),
    Row("GET", "/v1/experiments/{experiment}/readout", "reader", "/v1/experiments/nothing/readout"),
    Row("GET", "/v1/experiments/{experiment}/looks", "reader", "/v1/experiments/nothing/looks"),
    Row(
        "POST",
        "/v1/experiments/{experiment}/begin-anew",
        "approver",
        "/v1/experiments/nothing/begin-anew",
        REASON,
    ),
    Row("GET", "/v1/alerts", "reader"),
    Row("GET", "/v1/alerts/transitions", "reader"),
    Row("GET", "/v1/alerts/messages", "reader"),
    Row("GET", "/v1/alerts/silences", "reader"),
    Row("GET", "/v1/alerts/rules", "reader"),
    Row(
        "POST",
        "/v1/alerts/silences",
        "author",
        body={"matchers": {"prompt": "none-of-this-name"}, "until": TOMORROW, "reason": "tidy"},
    ),
    Row("POST", "/v1/alerts/silences/{silence_id}/end", "author", f"/v1/alerts/silences/{NO_NUMBER}/end"),
    Row("POST", "/v1/alerts/test", "reader", body={"rule": "dead_letters", "since": "10m"}),
    Row("GET", "/v1/digest", "reader"),
    Row("GET", "/v1/wins", "reader"),
    Row("GET", "/v1/alerts/runbooks/{rule}", "reader", "/v1/alerts/runbooks/nothing"),
    Row("GET", "/v1/prompts/{name}/care", "reader", "/v1/prompts/support-refund/care"),
    Row("GET", "/v1/alerts/{fingerprint}", "reader", "/v1/alerts/nothing"),
    Row("GET", "/v1/alerts/{fingerprint}/transitions", "reader", "/v1/alerts/nothing/transitions"),
    Row("POST", "/v1/alerts/{fingerprint}/acknowledge", "author", "/v1/alerts/nothing/acknowledge", REASON),
    Row("POST", "/v1/alerts/{fingerprint}/accept", "approver", "/v1/alerts/nothing/accept", REASON),
    Row("POST", "/v1/alerts/{fingerprint}/mark", "author", "/v1/alerts/nothing/mark", {"useful": True}),
    Row("GET", "/v1/ingest", "reader"),
    Row("GET", "/v1/segments", "reader"),
    Row("GET", "/v1/audit", "reader"),
    Row("GET", "/v1/rebuild", "reader"),
    Row("POST", "/v1/rebuild", "admin"),
    Row("GET", "/v1/dead-letters", "reader"),
    Row("GET", "/v1/dead-letters/{dead_letter_id}", "admin", f"/v1/dead-letters/{ANY_ID}"),
    Row("POST", "/v1/dead-letters/replay", "admin", body=LETTERS),
    Row("POST", "/v1/dead-letters/discard", "admin", body=LETTERS),
    Row("GET", "/v1/prompts", "reader"),
    Row("GET", "/v1/prompts/{name}", "reader", "/v1/prompts/nothing"),
    Row("GET", "/v1/prompts/{name}/log", "reader", "/v1/prompts/nothing/log"),
    Row("GET", "/v1/prompts/{name}/diff", "reader", "/v1/prompts/nothing/diff?a=1.0.0&b=1.1.0"),
    Row("GET", "/v1/prompts/{name}/versions", "reader", "/v1/prompts/nothing/versions"),
    Row("GET", "/v1/prompts/{name}/versions/{version}", "reader", "/v1/prompts/nothing/versions/1.0.0"),
    Row(
        "POST",
        "/v1/prompts/{name}/versions",
        "author",
        "/v1/prompts/tried/versions?dry_run=true",
        {"version": "1.0.0", "content": HELLO},
    ),
    Row(
        "POST",
        "/v1/prompts/{name}/versions/{version}/retire",
        "approver",
        "/v1/prompts/nothing/versions/1.0.0/retire",
        REASON,
    ),
    Row(
        "POST",
        "/v1/prompts/{name}/versions/{version}/archive",
        "approver",
        "/v1/prompts/nothing/versions/1.0.0/archive",
        REASON,
    ),
    Row("GET", "/v1/promotions", "reader"),
    Row("GET", "/v1/promotions/{promotion_id}", "reader", f"/v1/promotions/{ANY_ID}"),
    Row(
        "POST",
        "/v1/promotions",
        "author",
        body={"prompt": "nothing", "version": "1.0.0", "environment": "prod"},
    ),
    Row("POST", "/v1/promotions/{promotion_id}/approve", "approver", f"/v1/promotions/{ANY_ID}/approve"),
    Row(
        "POST", "/v1/promotions/{promotion_id}/reject", "approver", f"/v1/promotions/{ANY_ID}/reject", REASON
    ),
    *(
        Row(
            "POST",
            f"/v1/environments/{{environment}}/prompts/{{name}}/{verb}",
            "author",
            f"/v1/environments/prod/prompts/nothing/{verb}",
            {"version": "1.0.0"},
        )
        for verb in ("offer", "withdraw")
    ),
    Row("GET", "/v1/environments", "reader"),
    Row("GET", "/v1/environments/{environment}/policy", "reader", "/v1/environments/prod/policy"),
    Row(
        "PUT",
        "/v1/environments/{environment}/policy",
        "admin",
        "/v1/environments/prod/policy",
        {"required_evidence": []},
    ),
    Row("GET", "/v1/environments/{environment}/prompts", "reader", "/v1/environments/prod/prompts"),
    Row("GET", "/v1/environments/{environment}/prompts/{name}", "reader", NOWHERE),
    Row(
        "GET",
        "/v1/environments/{environment}/prompts/{name}/served-versions",
        "reader",
        f"{NOWHERE}/served-versions",
    ),
    Row(
        "POST",
        "/v1/environments/{environment}/prompts/{name}/rollback",
        "author",
        f"{NOWHERE}/rollback",
        REASON,
    ),
    Row(
        "PUT",
        "/v1/environments/{environment}/prompts/{name}/rules",
        "approver",
        f"{NOWHERE}/rules",
        {"rules": []},
    ),
    Row(
        "POST",
        "/v1/environments/{environment}/prompts/{name}/experiments",
        "approver",
        f"{NOWHERE}/experiments",
        {"name": "tried", "arms": ARMS},
    ),
    Row("GET", "/v1/experiments", "reader"),
    Row("GET", "/v1/experiments/{experiment}", "reader", "/v1/experiments/nothing"),
    Row(
        "PUT",
        "/v1/experiments/{experiment}/weights",
        "approver",
        "/v1/experiments/nothing/weights",
        {"weights": {"control": 1}},
    ),
    Row("POST", "/v1/experiments/{experiment}/stop", "approver", "/v1/experiments/nothing/stop", {}),
    Row("GET", "/v1/rollout-templates", "reader"),
    Row("GET", "/v1/rollout-limits", "reader"),
    Row("GET", "/v1/rollouts", "reader"),
    Row("POST", "/v1/rollouts/check", "reader", body={"prompt": "nothing", "version": "1.0.0"}),
    Row("POST", "/v1/rollouts", "author", body={"prompt": "nothing", "version": "1.0.0"}),
    Row("GET", "/v1/rollouts/{rollout}", "reader", "/v1/rollouts/nothing"),
    Row("GET", "/v1/rollouts/{rollout}/status", "reader", "/v1/rollouts/nothing/status"),
    Row("GET", "/v1/rollouts/{rollout}/decisions", "reader", "/v1/rollouts/nothing/decisions"),
    Row(
        "GET",
        "/v1/rollouts/{rollout}/commands/{command_id}",
        "reader",
        f"/v1/rollouts/nothing/commands/{NO_NUMBER}",
    ),
    Row("POST", "/v1/rollouts/{rollout}/pause", "approver", "/v1/rollouts/nothing/pause", REASON),
    Row("POST", "/v1/rollouts/{rollout}/resume", "approver", "/v1/rollouts/nothing/resume", REASON),
    Row("POST", "/v1/rollouts/{rollout}/approve", "approver", "/v1/rollouts/nothing/approve", REASON),
    Row(
        "POST",
        "/v1/rollouts/{rollout}/evidence",
        "author",
        "/v1/rollouts/nothing/evidence",
        {"evidence": [{"kind": "eval_run", "reference": "none"}]},
    ),
    Row("POST", "/v1/rollouts/{rollout}/rebase", "approver", "/v1/rollouts/nothing/rebase", REASON),
    Row("POST", "/v1/rollouts/{rollout}/promote", "approver", "/v1/rollouts/nothing/promote", REASON),
    Row("POST", "/v1/rollouts/{rollout}/abort", "author", "/v1/rollouts/nothing/abort", REASON),
    Row("POST", "/v1/rollouts/{rollout}/retry", "author", "/v1/rollouts/nothing/retry", REASON),
    Row("GET", "/v1/prompts/{name}/as-shipped", "reader", "/v1/prompts/nothing/as-shipped"),
    Row("GET", "/v1/timeline", "reader", "/v1/timeline?prompt=support-refund"),
    Row("GET", "/v1/freezes", "reader"),
    Row("POST", "/v1/freezes", "approver", body={"prompt": "nothing", "reason": "tidy"}),
    Row("POST", "/v1/freezes/{freeze_id}/end", "approver", f"/v1/freezes/{NO_NUMBER}/end", REASON),
    Row("POST", "/v1/prompts/{name}/panic", "author", "/v1/prompts/nothing/panic", REASON),
    Row(
        "POST",
        "/v1/evidence",
        "author",
        body={"kind": "eval_run", "prompt": "nothing", "version": "1.0.0", "passed": True, "summary": "ok"},
    ),
    Row("GET", "/v1/evidence/{evidence_id}", "reader", f"/v1/evidence/{ANY_ID}"),
    Row("GET", "/v1/prompts/{name}/evidence", "reader", "/v1/prompts/nothing/evidence"),
    Row("GET", "/v1/datasets", "reader"),
    Row("POST", "/v1/datasets", "author", body={"name": "tried", "lines": '{"id": "a", "variables": {}}'}),
    Row("POST", "/v1/datasets/forget/{request_id}", "admin", "/v1/datasets/forget/none-of-this-id"),
    Row("GET", "/v1/datasets/{name}", "reader", "/v1/datasets/nothing"),
    Row("GET", "/v1/datasets/{name}/history", "reader", "/v1/datasets/nothing/history"),
    Row("GET", "/v1/datasets/{name}/cases", "author", "/v1/datasets/nothing/cases"),
    Row("GET", "/v1/datasets/{name}/diff", "reader", "/v1/datasets/nothing/diff?before=0123456789"),
    Row("GET", "/v1/datasets/{name}/leakage", "author", "/v1/datasets/nothing/leakage"),
    Row("GET", "/v1/datasets/{name}/comparison", "reader", "/v1/datasets/nothing/comparison?prompt=nothing"),
    Row("GET", "/v1/datasets/{name}/proposals", "admin", "/v1/datasets/tried/proposals"),
    Row(
        "POST",
        "/v1/datasets/{name}/proposals",
        "admin",
        "/v1/datasets/tried/proposals",
        {"prompt": "support-refund", "since": "1h"},
    ),
    Row(
        "POST", "/v1/datasets/{name}/requests/{request_id}", "admin", f"/v1/datasets/tried/requests/{ANY_ID}"
    ),
    *(
        Row(
            "POST",
            f"/v1/datasets/{{name}}/proposals/{{proposal_id}}/{verb}",
            "admin",
            f"/v1/datasets/nothing/proposals/{NO_NUMBER}/{verb}",
            {},
        )
        for verb in ("confirm", "reject")
    ),
    Row("GET", "/v1/suites", "reader"),
    Row("GET", "/v1/suites/{name}", "reader", "/v1/suites/nothing"),
    Row(
        "PUT",
        "/v1/suites/{name}",
        "author",
        "/v1/suites/nothing",
        {"suite": {"prompt": "p", "dataset": "none", "dataset_digest": "0" * 64, "metrics": {"a": "exact"}}},
    ),
    Row("GET", "/v1/eval-runs", "reader"),
    Row("POST", "/v1/eval-runs", "author", body=EVAL_RUN),
    Row("GET", "/v1/eval-runs/{run}", "reader", "/v1/eval-runs/nothing"),
    Row("GET", "/v1/eval-runs/{run}/answers", "author", "/v1/eval-runs/nothing/answers"),
    Row(
        "POST",
        "/v1/eval-runs/{run}/answers",
        "author",
        "/v1/eval-runs/nothing/answers",
        {"answers": [{"case": "a", "side": "candidate"}]},
    ),
    Row("POST", "/v1/eval-runs/{run}/end", "author", "/v1/eval-runs/nothing/end"),
    Row("POST", "/v1/eval-runs/{run}/evidence", "author", "/v1/eval-runs/nothing/evidence", {}),
    Row("GET", "/v1/eval-runs/{run}/compare", "reader", "/v1/eval-runs/nothing/compare?baseline=x"),
    Row("GET", "/v1/eval-reruns", "reader"),
    Row("POST", "/v1/eval-reruns", "approver", body={"models": ["m"], "prompts": ["nothing"]}),
    Row("GET", "/v1/eval-reruns/{batch}", "reader", "/v1/eval-reruns/nothing"),
    Row("GET", "/v1/model-flags", "reader"),
    Row("GET", "/v1/judges/calibrations", "reader"),
    Row("GET", "/v1/judges/canaries", "reader"),
    Row("GET", "/v1/deployments/{environment}", "service", "/v1/deployments/prod"),
    Row("GET", "/v1/production-scores", "reader"),
    Row(
        "GET",
        "/v1/production-inputs",
        "admin",
        "/v1/production-inputs?prompt=support-refund&since=2026-01-01&until=2026-01-02",
    ),
    Row("GET", "/v1/reviews", "reader"),
    Row("GET", "/v1/reviews/items", "reader"),
    Row("GET", "/v1/reviews/answers", "reader"),
    Row("GET", "/v1/reviews/agreement", "reader"),
    Row("POST", "/v1/reviews/{queue}/next", "admin", "/v1/reviews/nothing/next"),
    Row(
        "POST",
        "/v1/reviews/items/{item}/answers",
        "admin",
        f"/v1/reviews/items/{NO_NUMBER}/answers",
        {"answers": {"correct": "yes"}},
    ),
    Row("POST", "/v1/reviews/items/{item}/skip", "admin", f"/v1/reviews/items/{NO_NUMBER}/skip", REASON),
    Row("GET", "/v1/audit-log", "approver"),
    Row("GET", "/v1/hygiene", "reader"),
    Row("GET", "/v1/tokens", "admin"),
    Row("POST", "/v1/tokens", "admin", body={"subject": "tried", "role": "reader"}),
    Row("POST", "/v1/tokens/{token_id}/revoke", "admin", f"/v1/tokens/{ANY_ID}/revoke"),
)

PUBLIC = [row for row in TABLE if row.role is None]
PROTECTED = [row for row in TABLE if row.role is not None]
BY_NAME = {f"{row.method} {row.path}": row for row in TABLE}


def ask(server: ServerProcess, row: Row, headers: dict[str, str]) -> httpx2.Response:
    return server.web.request(row.method, row.asked or row.path, headers=headers, json=row.body)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def people(busy_server: ServerProcess) -> Iterator[dict[str, Person]]:
    """One of each role, and one whose token was revoked."""
    with ExitStack() as stack:
        admin = stack.enter_context(Person.local(busy_server))
        made = {role: stack.enter_context(admin.make(f"a-{role}", role)) for role in ROLES}
        gone = stack.enter_context(admin.make("gone", "admin"))
        admin.post(f"/v1/tokens/{gone.token_id}/revoke")
        yield {**made, "revoked": gone}


def test_the_table_has_every_route(busy_server: ServerProcess) -> None:
    paths = busy_server.json("/openapi.json")["paths"]
    documented = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert documented == BY_NAME.keys() - {"GET /openapi.json"}


def test_every_route_says_what_it_does_for_tokens_of_some_prompts() -> None:
    # What such a token then gets is asked of every route in test_prompt_scope.py.
    assert DECISIONS.keys() == BY_NAME.keys()


def test_openapi_says_the_same_roles(busy_server: ServerProcess) -> None:
    for path, methods in busy_server.json("/openapi.json")["paths"].items():
        for method, operation in methods.items():
            if path.startswith("/v1/"):
                assert operation["x-coalmine-role"] == BY_NAME[f"{method.upper()} {path}"].role, path


@pytest.mark.parametrize(
    "name", [name for name, row in BY_NAME.items() if row in PUBLIC and row.never is None]
)
def test_health_needs_no_token(busy_server: ServerProcess, name: str) -> None:
    for headers in ({}, bearer("wrong")):
        response = ask(busy_server, BY_NAME[name], headers)
        assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("name", [name for name, row in BY_NAME.items() if row in PROTECTED])
def test_everything_else_takes_a_known_token_of_a_role_that_suffices(
    busy_server: ServerProcess, people: dict[str, Person], name: str
) -> None:
    row = BY_NAME[name]
    token = busy_server.token
    refused: list[dict[str, str]] = [
        {},
        bearer("cm_wrong"),
        bearer(people["revoked"].token),
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {token}"},
        {"Authorization": token},
        bearer(token[:-1]),
        bearer(f"{token}x"),
    ]
    # The scheme is read in one place: on one route all is tried, on each what is missing, wrong and revoked.
    for headers in refused if name == "GET /v1/versions" else refused[: size(3, len(refused))]:
        response = ask(busy_server, row, headers)
        assert response.status_code == 401, headers
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.json()["type"] == "urn:coalmine:unauthenticated"
        assert token not in response.text
    for role in ROLES:
        response = ask(busy_server, row, bearer(people[role].token))
        if ROLES.index(role) < ROLES.index(str(row.role)) or role == row.never:
            assert (response.status_code, response.json()["type"]) == (403, "urn:coalmine:forbidden"), role
            assert str(row.role) in response.json()["detail"]
        else:
            nothing_there = "nothing" in (row.asked or str(row.body)) or any(
                each in (row.asked or "") for each in (ANY_ID, NO_NUMBER)
            )
            assert response.status_code in ((404,) if nothing_there else (200, 201, 202)), response.text


def test_the_scheme_is_read_as_http_says(busy_server: ServerProcess) -> None:
    token = busy_server.token
    assert busy_server.get("/v1/facets", headers={"Authorization": f"bearer  {token}"}).status_code == 200


def test_a_service_reads_its_environment_and_nothing_else(
    busy_server: ServerProcess, people: dict[str, Person]
) -> None:
    service = people["service"]
    told = {"subject": "a-service", "role": "service", "environment": "prod", "prompts": None}
    assert service.get("/v1/whoami") == told
    service.get("/v1/deployments/prod")
    for environment in ("dev", "staging"):
        refused = service.get(f"/v1/deployments/{environment}", expect=403)
        assert "is for prod" in refused["detail"]
    assert people["reader"].get("/v1/whoami")["environment"] is None
    with Person.local(busy_server) as admin:
        for body in (
            {"subject": "x", "role": "service"},
            {"subject": "x", "role": "service", "environment": "nowhere"},
            {"subject": "x", "role": "admin", "environment": "prod"},
        ):
            admin.post("/v1/tokens", body, expect=422)


def test_whether_a_path_exists_is_nobodys_business_without_a_token(busy_server: ServerProcess) -> None:
    assert busy_server.web.get("/v1/secret").status_code == 401
    found = busy_server.get("/v1/secret")
    assert (found.status_code, found.json()["type"]) == (404, "urn:coalmine:not-found")
    wrong_method = busy_server.web.delete("/v1/versions", headers=bearer(busy_server.token))
    assert wrong_method.status_code == 405
    assert wrong_method.headers["content-type"] == "application/problem+json"


def test_a_token_made_and_revoked_by_command_while_the_server_runs(busy_server: ServerProcess) -> None:
    made = coalmine_json("token", "create", "grafana", home=busy_server.home)
    assert (made["subject"], made["role"]) == ("grafana", "reader")
    assert busy_server.get("/v1/facets", token=made["token"]).status_code == 200
    listed = coalmine_json("token", "list", home=busy_server.home)
    assert {"local", "grafana"} <= {row["subject"] for row in listed}
    assert "cm_" not in str(listed)
    assert coalmine("token", "revoke", "grafana", home=busy_server.home).returncode == 0
    eventually(lambda: busy_server.get("/v1/facets", token=made["token"]).status_code == 401)


def test_a_token_revoked_over_http_is_worthless_at_once(busy_server: ServerProcess) -> None:
    with Person.local(busy_server) as admin, admin.make("somebody", "author") as somebody:
        somebody.get("/v1/prompts")
        admin.post(f"/v1/tokens/{somebody.token_id}/revoke")
        somebody.get("/v1/prompts", expect=401)
        admin.post(f"/v1/tokens/{somebody.token_id}/revoke", expect=409)


def test_the_log_has_every_request_and_neither_tokens_nor_queries(busy_server: ServerProcess) -> None:
    busy_server.get("/v1/versions?prompt=my-secret-prompt")
    busy_server.web.get("/v1/facets", headers=bearer("cm_not_a_known_token_at_all"))

    def refused() -> bool:  # a line is written once its answer is on the way
        lines = [line for line in busy_server.log_lines() if line["event"] == "request"]
        return (lines[-1]["path"], lines[-1]["status"]) == ("/v1/facets", 401)

    eventually(refused)
    text = busy_server.log_text()
    assert "my-secret-prompt" not in text
    assert busy_server.token not in text
    assert "cm_not_a_known" not in text
    requests = [line for line in busy_server.log_lines() if line["event"] == "request"]
    assert (requests[-1]["status"], requests[-1]["caller"]) == (401, None)
    assert (requests[-2]["status"], requests[-2]["caller"]) == (200, "local")


def test_a_long_path_is_cut_and_no_answer_is_kept_or_framed(
    busy_server: ServerProcess,
) -> None:
    path = f"/{'a+' * 10_000}"
    refused = busy_server.web.get(path)
    assert refused.status_code == 401
    assert busy_server.web.request("M" * 10_000, path).status_code == 401
    unknown = busy_server.get(path)
    assert unknown.status_code == 404
    assert len(unknown.text) < 1_000

    def logged() -> bool:
        lines = [line for line in busy_server.log_lines() if line["event"] == "request"]
        return [line["status"] for line in lines[-3:]] == [401, 401, 404]

    eventually(logged)
    assert max(map(len, busy_server.log_text().splitlines()[-3:])) < 1_000
    assert busy_server.web.get("/" + "a" * 60_000).status_code in {400, 401}
    for response in (refused, unknown, busy_server.web.get("/healthz"), busy_server.get("/v1/facets")):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


def test_a_body_that_is_no_json_or_too_large_is_refused(busy_server: ServerProcess) -> None:
    headers: dict[str, Any] = {**bearer(busy_server.token), "Content-Type": "application/json"}
    for content in (b"{", b"[]", b'{"ids": ["x"]}', b'{"idz": []}', b"{}"):
        response = busy_server.web.post("/v1/dead-letters/replay", headers=headers, content=content)
        assert response.status_code == 422, content
        assert response.headers["content-type"] == "application/problem+json"


WITH_BODY = [name for name, row in BY_NAME.items() if row.body is not None]


@pytest.mark.parametrize("name", WITH_BODY)
def test_no_route_takes_a_body_with_a_key_twice(busy_server: ServerProcess, name: str) -> None:
    row = BY_NAME[name]
    response = busy_server.web.request(
        row.method,
        row.asked or row.path,
        content=b'{"reason": "a", "reason": "b"}',
        headers={**bearer(busy_server.token), "Content-Type": "application/json"},
    )
    assert response.status_code == 400, response.text
    assert response.json()["type"] == "urn:coalmine:unreadable-body"
    assert "400" in busy_server.json("/openapi.json")["paths"][row.path][row.method.lower()]["responses"]

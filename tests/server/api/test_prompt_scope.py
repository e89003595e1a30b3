"""Tokens that are for some prompts: of the others they see and change nothing, on any route."""

import base64
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx2
import pytest

from coalmine import Coalmine
from coalmine_schemas.identifiers import uuid7
from coalmine_server.api.prompt_scope import DECISIONS
from coalmine_server.api.prompt_scope.decisions import Listed, Named, Owned, Refused
from tests.server.api.test_access import ANY_ID, BY_NAME, NO_NUMBER, TOMORROW
from tests.server.registry_client import HELLO, Person
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess, coalmine, coalmine_json
from tests.support.repository.tree import ROOT

OURS, THEIRS = "support.refund", "billing.dunning"
SECRET = "billing"
"""Stands in every name and id that a person gave to something of the other prompt."""
SCOPE = ["support.*"]
ARMS = [
    {"variant": "treatment", "version": "1.1.0", "weight": 0.1},
    {"variant": "control", "version": "1.0.0", "weight": 0.9},
]


@dataclass(frozen=True)
class World:
    """A server with the same of two prompts, and who asks it."""

    server: ServerProcess
    admin: Person
    """Of all prompts."""
    ours: Person
    """An admin of ours alone."""
    ids: Mapping[str, Mapping[str, str]]
    """Of what each prompt has, by the parameter that names it in paths."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("scope") / "home"
    calls: dict[str, str] = {}
    with Coalmine("a-service", spool_dir=home / "spool") as client:
        for name in (OURS, THEIRS):
            for number in range(10):
                with client.call(
                    name,
                    version="1.0.0" if number % 2 else "1.1.0",
                    model=f"model-of-{name}",
                    provider="openai",
                ) as call:
                    call.record(input_tokens=100, output_tokens=10)
                client.feedback(call.request_id, thumbs="down" if number % 3 else "up")
                calls[name] = str(call.request_id)
    home.mkdir(mode=0o700, exist_ok=True)
    budgets = "".join(f"  of-{name}: {{usd: 2, prompt: {name}}}\n" for name in (OURS, THEIRS))
    (home / "alerts.yaml").write_text(f"budgets:\n{budgets}")
    with ServerProcess(home) as server:
        server.wait_ready()
        eventually(lambda: server.json("/v1/ingest")["counts"]["consumed"] == 40, what="everything ingested")
        with (
            Person.local(server) as admin,
            admin.make("writer", "author") as author,
            admin.make("ours", "admin", SCOPE) as ours,
        ):
            ids = {name: {**_made(name, admin, author), "request_id": calls[name]} for name in (OURS, THEIRS)}
            for name in (OURS, THEIRS):
                ids[name]["fingerprint"] = eventually(
                    partial(_alert_of, admin, name), what=f"an alert of {name}"
                )
            yield World(server, admin, ours, ids)


def _alert_of(admin: Person, name: str) -> str | None:
    found = admin.get(f"/v1/alerts?state=ok&prompt={name}&rule=prompt_changed")["items"]
    return str(found[0]["fingerprint"]) if found else None


def _made(name: str, admin: Person, author: Person) -> dict[str, str]:
    """Everything that a prompt can have."""
    word = name.partition(".")[0]
    author.register(name, "1.0.0", HELLO)
    author.register(name, "1.1.0", {**HELLO, "template": "Good day {{ name }}"})
    author.register(name, "1.2.0", {**HELLO, "template": "Good night {{ name }}"})
    admin.promote(name, "1.0.0", "prod")
    admin.promote(name, "1.0.0", "dev")
    promotion = author.promote(name, "1.1.0", "staging", expect=202)
    admin.post(
        f"/v1/environments/prod/prompts/{name}/experiments", {"name": f"{word}-try", "arms": ARMS}, expect=201
    )
    rollout = admin.post(
        "/v1/rollouts", {"prompt": name, "version": "1.2.0", "environment": "dev"}, expect=201
    )
    evidence = admin.post(
        "/v1/evidence",
        {"kind": "eval_run", "prompt": name, "version": "1.0.0", "passed": True, "summary": word},
        expect=201,
    )
    freeze = admin.post("/v1/freezes", {"prompt": name, "environment": "staging", "reason": word}, expect=201)
    silence = admin.post(
        "/v1/alerts/silences",
        {"matchers": {"prompt": name}, "until": TOMORROW, "reason": word},
        expect=201,
    )
    lines = '{"id": "a", "variables": {"name": "Ann"}, "expected": "Ann"}'
    dataset = admin.post("/v1/datasets", {"name": f"{word}-cases", "lines": lines}, expect=201)
    suite = {
        **{"prompt": name, "dataset": f"{word}-cases", "dataset_digest": dataset["digest"]},
        "metrics": {"named": {"scorer": "contains", "margin": 0.05}},
    }
    pushed = admin.put(f"/v1/suites/{word}-suite", {"suite": suite})
    run = {
        **{"id": f"ev-{uuid7()}", "suite": f"{word}-suite", "suite_digest": pushed["digest"]},
        "candidate": {"digest": f"sha256:{'0' * 64}", "provider": "recorded"},
    }
    admin.post("/v1/eval-runs", run, expect=201)
    return {
        **{
            "name": name,
            "promotion_id": promotion["id"],
            "experiment": f"{word}-try",
            "rollout": rollout["id"],
        },
        **{"evidence_id": evidence["id"], "freeze_id": str(freeze["id"]), "silence_id": str(silence["id"])},
        **{"suite": f"{word}-suite", "run": run["id"], "environment": "prod", "version": "1.0.0"},
    }


def _path(route: str, ids: Mapping[str, str]) -> str:
    """The path of a route with ids of one prompt."""
    path = route.partition(" ")[2]
    if path.startswith("/v1/suites"):
        ids = {**ids, "name": ids["suite"]}
    return path.format_map({**_NOTHING, **ids})


_NOTHING: Mapping[str, str] = {
    **{"dead_letter_id": ANY_ID, "rule": "latency", "command_id": NO_NUMBER},
    **{
        "batch": "nothing",
        "queue": "nothing",
        "item": NO_NUMBER,
        "proposal_id": NO_NUMBER,
        "token_id": ANY_ID,
    },
}
_PARAMETERS: Mapping[str, str] = {
    "GET /v1/prompts/{name}/diff": "a=1.0.0&b=1.1.0",
    "GET /v1/alerts": "state=ok",
    "GET /v1/compare": "a=1.0.0&b=1.1.0",
    "GET /v1/explain": "a=1.0.0&b=1.1.0",
    "GET /v1/production-inputs": "since=2026-01-01&until=2026-01-02",
}
_BODIES: Mapping[str, Any] = {
    "POST /v1/alerts/silences": lambda name: {
        "matchers": {"prompt": name},
        "until": TOMORROW,
        "reason": "r",
    },
    "PUT /v1/suites/{name}": lambda name: {"suite": {"prompt": name}},
    "POST /v1/eval-reruns": lambda name: {"models": ["m"], "prompts": [name]},
}


def _kinds(route: str, kind: type) -> list[Any]:
    return [each for each in DECISIONS[route] if isinstance(each, kind)]


def _asks_by_query(route: str) -> bool:
    return any(each.place == "query" for each in (*_kinds(route, Named), *_kinds(route, Owned)))


def _ask(person: Person, route: str, ids: Mapping[str, str]) -> httpx2.Response:
    """Asks a route about what one prompt has."""
    query = _PARAMETERS.get(route, "")
    if any(each.place == "query" for each in _kinds(route, Named)):
        query = f"{query}&prompt={ids['name']}"
    if any(each.place == "query" for each in _kinds(route, Owned)):
        query = f"{query}&baseline={ids['run']}"
    body: Any = BY_NAME[route].body
    if any(each.place == "body" for each in (*_kinds(route, Named), *_kinds(route, Owned))):
        made = _BODIES.get(route, lambda name: {**(body or {}), "prompt": name})
        body = made(ids["name"]) if route != "POST /v1/eval-runs" else {**body, "suite": ids["suite"]}
    method = route.partition(" ")[0]
    return person.client.request(method, f"{_path(route, ids)}?{query.strip('&')}", json=body)


OPENAPI = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))


def _properties(operation: Mapping[str, Any]) -> Mapping[str, Any]:
    """The members of an operation's body."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    schemas = OPENAPI["components"]["schemas"]
    found: Mapping[str, Any] = schemas.get(name, {}).get("properties", {})
    return found


ABOUT_ONE = [
    route for route, decided in DECISIONS.items() if any(isinstance(each, Named | Owned) for each in decided)
]
LISTS = [route for route, decided in DECISIONS.items() if any(isinstance(each, Listed) for each in decided)]
REFUSED = [
    route for route, decided in DECISIONS.items() if any(isinstance(each, Refused) for each in decided)
]


@pytest.mark.parametrize("route", ABOUT_ONE)
def test_what_another_prompt_has_does_not_exist(world: World, route: str) -> None:
    hidden = _ask(world.ours, route, world.ids[THEIRS])
    assert (hidden.status_code, hidden.json()["type"]) == (404, "urn:coalmine:not-found"), hidden.text
    nothing = {
        **world.ids[THEIRS],
        **dict.fromkeys(("name", "suite", "experiment", "rollout", "run"), "nope"),
    }
    nothing |= {"promotion_id": ANY_ID, "evidence_id": ANY_ID, "request_id": ANY_ID}
    nothing |= {"fingerprint": "0" * 16, "freeze_id": NO_NUMBER, "silence_id": NO_NUMBER}
    assert _ask(world.ours, route, nothing).json() == hidden.json()


READS_OF_ONE = [route for route in ABOUT_ONE if route.startswith("GET ")]


@pytest.mark.parametrize("route", READS_OF_ONE)
def test_what_a_prompt_of_its_own_has_is_as_for_everybody(world: World, route: str) -> None:
    found, expected = (_ask(person, route, world.ids[OURS]) for person in (world.ours, world.admin))
    assert found.status_code == expected.status_code
    if expected.status_code == 200:
        assert found.json().keys() == expected.json().keys() if isinstance(expected.json(), dict) else True


READS = [route for route in DECISIONS if route.startswith("GET ")]


@pytest.mark.parametrize("route", READS)
def test_no_answer_has_a_word_of_another_prompt(world: World, route: str) -> None:
    said = _ask(world.ours, route, world.ids[OURS])
    assert SECRET not in said.text, said.text
    if route in REFUSED:
        assert said.status_code == 403
    everything = _ask(world.admin, route, world.ids[OURS])
    if route in LISTS and route not in EMPTY_HERE:
        assert SECRET in everything.text, "the test shows nothing: there is nothing to hide"
        assert OURS.partition(".")[0] in said.text, "what is its own is left out, too"


EMPTY_HERE = {
    "GET /v1/hygiene",
    "GET /v1/eval-reruns",
    "GET /v1/eval-reruns/{batch}",
    "GET /v1/model-flags",
    "GET /v1/reviews/items",
    "GET /v1/readouts",
}


@pytest.mark.parametrize("route", REFUSED)
def test_what_is_of_all_prompts_together_is_refused_and_says_why(world: World, route: str) -> None:
    refused = _ask(world.ours, route, world.ids[OURS])
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:coalmine:forbidden")
    detail = refused.json()["detail"]
    assert "support.*" in detail
    assert "ask for a token for all prompts" in detail


@pytest.mark.parametrize(
    "route", [route for route in ABOUT_ONE if any(each.place != "path" for each in _kinds(route, Named))]
)
def test_a_question_that_names_no_prompt_means_all_and_is_refused(world: World, route: str) -> None:
    method, _, path = route.partition(" ")
    row = BY_NAME[route]
    body: dict[str, Any] | None = None if row.body is None else {}
    refused = world.ours.client.request(
        method, _path(route, world.ids[OURS]) if "{" in path else path, json=body
    )
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:coalmine:forbidden"), refused.text


@pytest.mark.parametrize("route", [each for each in READS if BY_NAME[each].role is not None])
def test_no_route_takes_the_name_of_another_prompt(world: World, route: str) -> None:
    if route in REFUSED:
        return
    path = _path(route, world.ids[OURS])
    if _kinds(route, Named) and "prompt=" in path:
        return
    asked = world.ours.client.get(f"{path}?prompt={THEIRS}")
    assert asked.status_code == 404, asked.text
    assert SECRET not in asked.text


def test_measures_are_sums_over_its_own_prompts(world: World) -> None:
    def sums(person: Person) -> dict[str, Any]:
        costs = person.get("/v1/costs?by=app")
        return {
            "calls": sum(row["requests"] for row in costs["items"]),
            "unpriced": sum(row["requests"] for row in person.get("/v1/unpriced")["items"]),
            "series": sum(row["requests"] for row in person.get("/v1/timeseries")["items"]),
            "feedback": len(person.get("/v1/feedback")["items"]),
            "budgets": [each["name"] for each in person.get("/v1/spending")["budgets"]],
            "models": [each["model"] for each in person.get("/v1/model-calendar")["items"]],
            "drift": {each["prompt"] for each in person.get("/v1/drifts")["items"]},
            "by segment": person.get("/v1/versions?by=app&segment=tier%3Dpro")["items"],
            "by user": sum(row["requests"] for row in person.get("/v1/costs?by=user")["items"]),
        }

    own = sums(world.ours)
    assert (own["calls"], own["unpriced"], own["series"], own["feedback"], own["by user"]) == (10,) * 5
    assert own["budgets"] == [f"of-{OURS}"]
    assert own["models"] == [f"model-of-{OURS}"]
    assert own["drift"] == {OURS}
    everything = sums(world.admin)
    assert everything["drift"] == {OURS, THEIRS}
    assert everything["calls"] == 20  # asked after a narrower token: no answer is shared between them
    assert everything["budgets"] == [f"of-{THEIRS}", f"of-{OURS}"]
    for accept in ("text/csv", "application/vnd.apache.arrow.stream"):
        said = world.ours.client.get("/v1/versions", headers={"Accept": accept})
        assert said.status_code == 200
        assert OURS.encode() in said.content
        assert SECRET.encode() not in said.content
    assert world.ours.client.get("/v1/readouts", headers={"Accept": "text/csv"}).status_code == 406


def test_pages_are_whole_and_their_cursors_name_nothing_hidden(world: World) -> None:
    with world.admin.make("writer-too", "author") as author:
        for name in ("support.a", "support.b", "support.z", "taxes.a", "tea.a", "tea.b"):
            author.register(name, "1.0.0", HELLO)
    seen, cursor = [], None
    for _ in range(10):
        query = "limit=2" if cursor is None else f"limit=2&cursor={cursor}"
        page = world.ours.get(f"/v1/prompts?{query}")
        seen += [each["name"] for each in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert len(page["items"]) == 2
        named = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        assert "support." in named
    assert seen == ["support.a", "support.b", OURS, "support.z"]
    log = world.ours.get("/v1/audit-log?limit=3")
    assert len(log["items"]) == 3
    assert world.ours.get("/v1/prompts?limit=1000")["next_cursor"] is None
    assert world.ours.client.get("/v1/prompts?limit=0").status_code == 422


def test_a_service_is_served_its_own_prompts_and_woken_by_no_others(world: World) -> None:
    with world.admin.make("bot", "service", SCOPE) as service, ThreadPoolExecutor(1) as pool:
        first = service.client.get("/v1/deployments/prod")
        assert list(first.json()["prompts"]) == [OURS]
        assert {each.partition("@")[0] for each in first.json()["contents"]} == {OURS}
        headers = {"If-None-Match": first.headers["ETag"]}
        waiting = pool.submit(service.client.get, "/v1/deployments/prod?wait=30", headers=headers)
        world.admin.put(f"/v1/environments/prod/prompts/{THEIRS}/rules", {"rules": []})
        other = world.admin.client.get("/v1/deployments/prod")
        assert SECRET in other.text
        unchanged = service.client.get("/v1/deployments/prod", headers=headers)
        assert (unchanged.status_code, unchanged.headers["ETag"]) == (304, first.headers["ETag"])
        rule = {"name": "german", "when": {"language": ["de"]}, "serve": {"version": "1.0.0"}}
        world.admin.put(f"/v1/environments/prod/prompts/{OURS}/rules", {"rules": [rule]})
        changed = waiting.result(timeout=60)
        assert changed.status_code == 200
        assert changed.json()["prompts"][OURS]["rules"]
        assert SECRET not in changed.text


def test_events_of_other_prompts_are_errors_of_those_events(world: World) -> None:
    def request(prompt: str) -> dict[str, Any]:
        return {
            "type": "request",
            "request_id": uuid7(),
            "prompt": prompt,
            "version": "1.0.0",
            "latency_ms": 1,
        }

    def said_of(request_id: str) -> list[dict[str, Any]]:
        about = {"request_id": request_id}
        return [
            {"type": "feedback", **about, "thumbs": "up"},
            {"type": "score", **about, "name": "tone", "value": 0.5},
        ]

    with world.admin.make("sender", "ingest", SCOPE) as sender:
        taken = sender.post(
            "/v1/events",
            {
                "events": [
                    request(OURS),
                    request(THEIRS),
                    *said_of(world.ids[OURS]["request_id"]),
                    *said_of(world.ids[THEIRS]["request_id"]),
                    *said_of(uuid7()),  # of a request that has not come yet
                ]
            },
        )
        assert taken["accepted"] == 5
        wrong = [(each["index"], each["field"]) for each in taken["errors"]]
        assert wrong == [(1, "prompt"), (4, "request_id"), (5, "request_id")]
        assert "support.*" in taken["errors"][0]["detail"]
        assert SECRET not in str(taken["errors"][1:])
        spans = {"resourceSpans": [{"scopeSpans": [{"spans": [_span(OURS, 1), _span(THEIRS, 2)]}]}]}
        traced = sender.post("/v1/traces", spans)["partialSuccess"]
        assert int(traced["rejectedSpans"]) == 1
        assert "support.*" in traced["errorMessage"]


def test_no_request_counts_in_an_experiment_of_another_prompt(world: World) -> None:
    def request(experiment: str | None) -> dict[str, Any]:
        return {
            **{"type": "request", "request_id": uuid7(), "prompt": OURS, "version": "1.0.0", "latency_ms": 1},
            **{"experiment": experiment, "variant": "control"},
        }

    theirs, unknown = world.ids[THEIRS]["experiment"], "not-there-yet"
    given = [world.ids[OURS]["experiment"], None, theirs, unknown, theirs]
    with world.admin.make("of-experiments", "ingest", SCOPE) as sender:
        taken = sender.post("/v1/events", {"events": [request(each) for each in given]})
        wrong = [(each["index"], each["field"]) for each in taken["errors"]]
        assert (taken["accepted"], wrong) == (2, [(2, "experiment"), (3, "experiment"), (4, "experiment")])
        assert len({each["detail"] for each in taken["errors"]}) == 1
        span = _span(OURS, 3)
        span["attributes"].append({"key": "coalmine.experiment", "value": {"stringValue": theirs}})
        spans = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
        assert sender.post("/v1/traces", spans)["partialSuccess"]["rejectedSpans"] == "1"
    with world.admin.make("of-all", "ingest") as sender:  # sees both prompts, and mixes them up
        taken = sender.post("/v1/events", {"events": [request(each) for each in given]})
        assert taken["accepted"] == 3
        assert [(each["index"], each["detail"]) for each in taken["errors"]] == [
            (index, f"is one of the prompt {THEIRS}: give the one that chose the version") for index in (2, 4)
        ]
        told = sender.post("/v1/traces", spans)["partialSuccess"]
        assert told["rejectedSpans"] == "1"
        assert f"is one of the prompt {THEIRS}" in told["errorMessage"]


def _span(prompt: str, number: int) -> dict[str, Any]:
    values = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.prompt.name": prompt}
    return {
        **{"traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": "chat m", "kind": 3},
        **{"startTimeUnixNano": str(1_790_000_000 * 10**9), "endTimeUnixNano": str(1_790_000_001 * 10**9)},
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in values.items()],
    }


def test_an_outcome_names_a_prompt_of_its_own_since_it_would_count_for_any(world: World) -> None:
    outcome = {"type": "outcome", "unit_id": "ann", "name": "bought", "value": 1}
    events = [
        outcome,
        {**outcome, "prompt": None},
        {**outcome, "prompt": ""},
        {**outcome, "prompt": THEIRS},
        {**outcome, "unit_id": None, "session_id": "s", "prompt": ""},
        {**outcome, "prompt": OURS},
    ]
    with world.admin.make("outcomes", "ingest", SCOPE) as sender:
        taken = sender.post("/v1/events", {"events": events})
    wrong = [(each["index"], each["field"]) for each in taken["errors"]]
    assert (taken["accepted"], wrong) == (1, [(number, "prompt") for number in range(5)])
    assert "support.*" in taken["errors"][0]["detail"]


CITING = [
    f"{method.upper()} {path}"
    for path, operations in OPENAPI["paths"].items()
    for method, operation in operations.items()
    if "evidence" in _properties(operation)
]


@pytest.mark.parametrize("route", CITING)
def test_evidence_about_another_prompt_does_not_exist(world: World, route: str) -> None:
    def cited(reference: str) -> httpx2.Response:
        given: Any = BY_NAME[route].body or {}
        body = {**given, "evidence": [{"kind": "eval_run", "reference": reference}]}
        if "prompt" in given:
            body["prompt"] = OURS
        method = route.partition(" ")[0]
        return world.ours.client.request(method, _path(route, world.ids[OURS]), json=body)

    hidden = cited(world.ids[THEIRS]["evidence_id"])
    assert hidden.status_code == 404, hidden.text
    assert SECRET not in hidden.text
    assert cited(ANY_ID).json() == hidden.json()
    assert cited(world.ids[OURS]["evidence_id"]).status_code != 404


def test_there_are_routes_that_cite_evidence() -> None:
    assert len(CITING) == 6, CITING


def test_no_version_includes_what_its_author_may_not_read(world: World) -> None:
    stolen = {**HELLO, "template": f"Hello {{{{ name }}}} {{% include '{THEIRS}@1.0.0' %}}"}
    for query in ("", "?dry_run=true"):
        body = {"version": "2.0.0", "content": stolen}
        refused = world.ours.client.post(f"/v1/prompts/{OURS}/versions{query}", json=body)
        assert refused.status_code == 404, refused.text
    allowed = {**HELLO, "template": f"Hello {{{{ name }}}} {{% include '{OURS}@1.0.0' %}}"}
    world.ours.register(OURS, "2.0.0", allowed)


def test_a_silence_is_for_alerts_of_its_own_prompts(world: World) -> None:
    def silence(matcher: str) -> int:
        body = {"matchers": {"prompt": matcher}, "until": TOMORROW, "reason": "r"}
        return world.ours.client.post("/v1/alerts/silences", json=body).status_code

    assert [silence(each) for each in (OURS, "support.*", "support.r*")] == [201, 201, 201]
    assert [silence(each) for each in ("*", "s*", "support*", THEIRS)] == [404, 404, 404, 404]


def test_a_silence_that_stands_for_more_than_its_pattern_is_refused(world: World) -> None:
    with world.admin.make("faq", "author", ["faq-?"]) as faq:
        for matcher, status in (("faq-1", 201), ("faq-*", 404)):
            body = {"matchers": {"prompt": matcher}, "until": TOMORROW, "reason": "r"}
            assert faq.client.post("/v1/alerts/silences", json=body).status_code == status


def test_what_is_near_a_name_is_told_to_nobody(world: World) -> None:
    with world.admin.make("near", "reader", ["*dunnin*"]) as near:
        hidden = near.client.get("/v1/prompts/support.refund").json()
    with world.admin.make("near", "reader", ["billing.dunnin"]) as near:
        for path in (
            "explain?a=1.0.0&b=1.1.0&",
            "compare?a=1.0.0&b=1.1.0&",
            "breakdown?",
            "drift?",
            "timeline?",
        ):
            said = near.client.get(f"/v1/{path}prompt=billing.dunnin")
            assert said.status_code in {200, 404}, said.text
            assert THEIRS not in said.text
            if said.status_code == 404:
                assert said.json()["title"] == hidden["title"]
        told = world.admin.client.get("/v1/explain?a=1.0.0&b=1.1.0&prompt=billing.dunnin")
        assert THEIRS in told.text, "the test shows nothing: nobody is told what is near"


@pytest.mark.parametrize("name", ["\\ud800", "\\u0000"])
def test_what_no_name_can_be_is_of_nobody(world: World, name: str) -> None:
    headers = {"Content-Type": "application/json"}
    bodies = {
        "/v1/eval-runs": f'{{"suite": "{name}"}}',
        "/v1/promotions": f'{{"prompt": "{OURS}", "evidence": [{{"kind": "run", "reference": "{name}"}}]}}',
    }
    for path, body in bodies.items():
        assert world.ours.client.post(path, content=body, headers=headers).status_code == 404
    event = f'{{"type": "request", "prompt": "{OURS}", "experiment": "{name}"}}'
    sent = world.ours.client.post("/v1/events", content=f'{{"events": [{event}]}}', headers=headers)
    assert [each["name"] for each in sent.json()["errors"]] == ["events.0.experiment"]


def test_what_is_made_is_made(world: World) -> None:
    world.ours.post("/v1/freezes", {"prompt": OURS, "environment": "dev", "reason": "mine"}, expect=201)
    world.ours.post(f"/v1/promotions/{world.ids[OURS]['promotion_id']}/reject", {"reason": "no"})
    fingerprint = world.ids[OURS]["fingerprint"]
    world.ours.post(f"/v1/alerts/{fingerprint}/mark", {"useful": True})
    refused = world.ours.client.post("/v1/freezes", json={"reason": "everything"})
    assert refused.status_code == 403
    for content in (b"{", b"[]", b"null", b'{"prompt": 7}'):
        headers = {"Content-Type": "application/json"}
        broken = world.ours.client.post("/v1/freezes", content=content, headers=headers)
        assert broken.status_code == 403, content
    too_long = world.ours.client.post("/v1/freezes", content=b" " * 9_000_000)
    assert too_long.status_code == 413


def test_a_path_that_no_decision_names_is_not_there(world: World) -> None:
    said = [world.ours.client.get(path) for path in ("/v1/secret", "/v1/prompts/", "/docs")]
    assert [each.status_code for each in said] == [404] * 3
    assert world.ours.client.delete("/v1/versions").status_code == 404


def test_tokens_of_some_prompts_by_command(world: World) -> None:
    home = world.server.home
    made = coalmine_json("token", "create", "ann", "--prompts", "support.*", "--prompts", "faq-?", home=home)
    assert made["prompts"] == ["support.*", "faq-?"]
    with Person(world.server.url, made["token"]) as ann:
        assert ann.get("/v1/whoami")["prompts"] == ["support.*", "faq-?"]
        assert SECRET not in str(ann.get("/v1/prompts"))
    (listed,) = [each for each in coalmine_json("token", "list", home=home) if each["subject"] == "ann"]
    assert listed["prompts"] == ["support.*", "faq-?"]
    assert "support.* faq-?" in coalmine("token", "list", home=home).stdout
    (logged,) = world.admin.get("/v1/audit-log?limit=1")["items"]
    assert logged["after"]["prompts"] == ["support.*", "faq-?"]
    wrong = coalmine("token", "create", "eve", "--prompts", "Support [a]", home=home)
    assert wrong.returncode != 0
    assert "support.*" in wrong.stderr

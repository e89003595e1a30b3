"""Changing what is served over HTTP: four eyes, revisions, refusals, and many people at once."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from typing import NamedTuple

import pytest

from tests.server.registry_client import GOODBYE, HELLO, Person
from tests.support.processes.coalmine_process import ServerProcess

NUMBERS = count()


class People(NamedTuple):
    admin: Person
    alice: Person
    """An approver who writes."""
    bob: Person
    """An approver."""
    carol: Person
    """An author."""


@pytest.fixture(scope="module")
def people(registry_server: ServerProcess) -> Iterator[People]:
    with ExitStack() as stack:
        admin = stack.enter_context(Person.local(registry_server))
        roles = {"alice": "approver", "bob": "approver", "carol": "author"}
        made = [stack.enter_context(admin.make(name, role)) for name, role in roles.items()]
        yield People(admin, *made)


@pytest.fixture
def name() -> str:
    """A prompt of the test's own."""
    return f"changes-{next(NUMBERS)}"


def arms(weight: float = 0.1) -> list[dict[str, object]]:
    return [
        {"variant": "treatment", "version": "1.0.1", "weight": weight},
        {"variant": "control", "version": "1.0.0", "weight": 1 - weight},
    ]


def test_the_whole_story_of_a_prompt(people: People, name: str) -> None:
    assert people.carol.register(name, "1.0.0", HELLO)["created"]
    assert not people.carol.register(name, "1.0.0", HELLO, expect=200)["created"]
    refused = people.carol.register(name, "1.0.0", GOODBYE, expect=409)
    assert "never changed" in refused["detail"]
    bump = people.carol.register(
        name, "1.0.1", {"template": "Hi {{ who }}", "variables": {"who": {}}}, expect=409
    )
    assert bump["type"] == "urn:coalmine:bump-too-small"
    people.carol.register(name, "1.0.1", GOODBYE)
    asked = people.carol.promote(
        name, "1.0.0", "prod", expect=202, evidence=[{"kind": "note", "reference": "run 7"}]
    )
    assert asked["status"] == "pending"
    people.carol.post(f"/v1/promotions/{asked['id']}/approve", expect=403)
    done = people.bob.post(f"/v1/promotions/{asked['id']}/approve")
    assert (done["status"], done["decided_by"], done["revision"]) == ("applied", "bob", 1)
    experiment = f"/v1/environments/prod/prompts/{name}/experiments"
    started = people.bob.post(experiment, {"name": f"{name}-tone", "arms": arms()}, expect=201)
    weights = {"weights": {"treatment": 0.5, "control": 0.5}}
    ramped = people.bob.put(f"/v1/experiments/{name}-tone/weights", weights)
    assert (started["allocation_epoch"], ramped["allocation_epoch"]) == (1, 2)
    back = people.bob.post(f"/v1/environments/prod/prompts/{name}/rollback", {"reason": "worse"})
    assert (back["version"], back["experiments"], back["revision"]) == ("1.0.0", {}, 4)
    served = people.bob.get(f"/v1/environments/prod/prompts/{name}/served-versions")
    assert [(each["version"], each["serving"]) for each in served] == [("1.0.0", True), ("1.0.1", False)]
    log = people.bob.get(f"/v1/prompts/{name}/log")["items"]
    assert [entry["actor"] for entry in log] == ["bob"] * 5 + ["carol"] * 3, log
    assert log[0]["reason"] == "worse"
    assert {entry["token_id"] for entry in log[:5]} == {people.bob.token_id}
    people.bob.post(f"/v1/prompts/{name}/versions/1.0.0/retire", {"reason": "no"}, expect=409)
    assert people.bob.post(f"/v1/prompts/{name}/versions/1.0.1/retire")["status"] == "retired"
    assert people.carol.get(f"/v1/prompts/{name}/versions/1.0.1")["status"] == "retired"
    diff = people.carol.get(f"/v1/prompts/{name}/diff?a=1.0.0&b=1.0.1")
    assert diff["classification"]["level"] == "patch"
    assert any(line["kind"] == "added" and "Goodbye" in line["text"] for line in diff["lines"])


def test_an_author_serves_nothing_of_their_own_by_any_route(people: People, name: str) -> None:
    people.carol.register(name, "1.0.0", HELLO)
    people.bob.promote(name, "1.0.0", "prod")
    people.alice.register(name, "1.0.1", GOODBYE)
    deployment = f"/v1/environments/prod/prompts/{name}"
    own = people.alice.promote(name, "1.0.1", "prod", expect=202)
    assert own["status"] == "pending"
    people.alice.post(f"/v1/promotions/{own['id']}/approve", expect=403)
    people.alice.post(f"{deployment}/rollback", {"to_version": "1.0.1"}, expect=409)
    rule = {"name": "me", "when": {"tier": ["x"]}, "serve": {"version": "1.0.1"}}
    people.alice.put(f"{deployment}/rules", {"rules": [rule]}, expect=403)
    people.alice.post(f"{deployment}/experiments", {"name": f"{name}-own", "arms": arms()}, expect=403)
    with people.admin.make("Alice", "admin") as twin:  # the same person under another token and role
        twin.promote(name, "1.0.1", "prod", expect=409)  # one waits already
        twin.post(f"/v1/promotions/{own['id']}/approve", expect=403)
    copied = people.alice.register(f"{name}-copy", "1.0.0", GOODBYE)
    assert copied["created"]
    assert people.bob.get(deployment)["version"] == "1.0.0"
    assert people.bob.get(deployment)["revision"] == 1


def test_a_change_that_was_decided_on_an_older_state_is_refused_and_says_so(
    people: People, name: str
) -> None:
    people.carol.register(name, "1.0.0", HELLO)
    people.bob.promote(name, "1.0.0", "prod", expected_revision=0)
    deployment = f"/v1/environments/prod/prompts/{name}"
    assert people.bob.client.get(deployment).headers["etag"] == '"1"'
    stale = people.bob.promote(name, "1.0.0", "prod", expected_revision=5, expect=409)
    assert (stale["type"], stale["expected"], stale["actual"]) == ("urn:coalmine:stale-revision", 5, 1)
    failed = people.bob.post(f"{deployment}/rollback", {}, headers={"If-Match": '"7"'}, expect=412)
    assert (failed["expected"], failed["actual"]) == (7, 1)
    both = {"expected_revision": 1}
    people.bob.post(f"{deployment}/rollback", both, headers={"If-Match": '"7"'}, expect=422)
    people.bob.put(f"{deployment}/rules", {"rules": []}, headers={"If-Match": "latest"}, expect=422)
    people.bob.put(f"{deployment}/rules", {"rules": []}, headers={"If-Match": '"1"'})


def test_lists_come_in_parts(people: People, name: str) -> None:
    for minor in range(12):
        people.carol.register(name, f"1.{minor}.0", {**HELLO, "metadata": {"minor": minor}})
    found: list[str] = []
    cursor = None
    while True:
        parameters = {"limit": 5} if cursor is None else {"limit": 5, "cursor": cursor}
        part = people.carol.get(f"/v1/prompts/{name}/versions", params=parameters)
        found += [each["version"] for each in part["items"]]
        cursor = part["next_cursor"]
        if cursor is None:
            break
    assert found == [f"1.{minor}.0" for minor in reversed(range(12))]  # 1.10.0 ranks above 1.9.0
    assert people.carol.get(f"/v1/prompts/{name}")["latest"] == "1.11.0"
    people.carol.get(f"/v1/prompts/{name}/versions?cursor=nonsense", expect=422)
    people.bob.get("/v1/audit-log?cursor=nonsense", expect=422)


def test_where_a_version_came_from_is_told_without_secrets(people: People, name: str) -> None:
    body = {
        "version": "1.0.0",
        "content": HELLO,
        "source": {"repository": "https://ann:s3cret@git.example/prompts", "commit": "c0ffee"},
    }
    people.carol.post(f"/v1/prompts/{name}/versions", body, expect=201)
    found = people.carol.get(f"/v1/prompts/{name}/versions/1.0.0")
    assert found["source"] == {
        "repository": "https://git.example/prompts",
        "commit": "c0ffee",
        "author": None,
        "pull_request": None,
    }
    log = people.bob.get(f"/v1/prompts/{name}/log")["items"]
    assert log[0]["after"]["source"] == found["source"]


def test_missing_evidence_is_named(people: People, name: str) -> None:
    people.carol.register(name, "1.0.0", HELLO)
    policy = people.admin.put("/v1/environments/staging/policy", {"required_evidence": ["eval_run"]})
    try:
        missing = people.bob.promote(name, "1.0.0", "staging", expect=409)
        assert (missing["type"], "eval_run" in missing["detail"]) == ("urn:coalmine:evidence-missing", True)
        made_up = [{"kind": "eval_run", "reference": "https://evals/7"}]
        refused = people.bob.promote(name, "1.0.0", "staging", evidence=made_up, expect=409)
        assert refused["type"] == "urn:coalmine:evidence-refused"
        note = people.admin.put(
            "/v1/environments/staging/policy", {"required_evidence": ["note"]}, expect=422
        )
        assert "proves nothing" in note["detail"]
    finally:
        people.admin.put(
            "/v1/environments/staging/policy",
            {"required_evidence": []},
            headers={"If-Match": f'"{policy["revision"]}"'},
        )


def test_fifty_promotions_and_rollbacks_at_once_are_each_applied_once_or_refused(
    people: People, name: str
) -> None:
    people.carol.register(name, "1.0.0", HELLO)
    people.carol.register(name, "1.0.1", GOODBYE)
    people.bob.promote(name, "1.0.0", "prod")
    people.bob.promote(name, "1.0.1", "prod")
    deployment = f"/v1/environments/prod/prompts/{name}"

    def change(number: int) -> int:
        seen = people.bob.client.get(deployment).json()["revision"]
        if number % 2:
            body = {"to_version": "1.0.0" if number % 4 == 1 else "1.0.1", "expected_revision": seen}
            return people.bob.client.post(f"{deployment}/rollback", json=body).status_code
        wanted = {"prompt": name, "version": "1.0.0" if number % 4 else "1.0.1", "environment": "prod"}
        wanted["expected_revision"] = seen
        made = people.bob.client.post("/v1/promotions", json=wanted)
        return 0 if made.json().get("status") == "unchanged" else made.status_code

    before = people.bob.get(deployment)["revision"]
    with ThreadPoolExecutor(50) as pool:
        statuses = Counter(pool.map(change, range(50)))
    assert statuses.keys() <= {0, 200, 201, 409}
    after = people.bob.get(deployment)
    log = people.bob.get(f"/v1/prompts/{name}/log?limit=500")["items"]
    changes = [entry for entry in log if entry["action"] in ("promote", "rollback")]
    assert len(changes) >= statuses[200] + statuses[201] + 2
    assert after["revision"] - before <= statuses[200] + statuses[201]
    assert after["revision"] > before
    snapshot = people.bob.get("/v1/deployments/prod")["prompts"][name]
    assert (snapshot["revision"], snapshot["default"]) == (after["revision"], after["default"])

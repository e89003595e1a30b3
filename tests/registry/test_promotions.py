import pytest

from coalmine_registry.errors import Conflict, EvidenceMissing, Forbidden, Invalid, NotFound, StaleRevision
from coalmine_registry.records import Evidence
from coalmine_registry.registry import Registry
from coalmine_schemas.prompts import ServeVersion
from tests.support.data.registry_case import ADMIN, ANN, BOB, CLEO, PROMPT, READER, arms, passed, push, serve


def test_an_approver_who_did_not_write_it_promotes_at_once(registry: Registry) -> None:
    push(registry, "1.0.0")
    run = passed(registry, "1.0.0")
    done = registry.promote(BOB, PROMPT, "1.0.0", "prod", (run,), "looks good", 0)
    assert (done.status, done.revision) == ("applied", 1)
    assert (done.requested_by, done.decided_by) == ("bob", "bob")
    assert done.evidence == (run,)
    assert registry.promotion(done.id) == done
    served = registry.deployment("prod", PROMPT)
    assert (served.version, served.default, served.revision) == ("1.0.0", ServeVersion("1.0.0"), 1)
    assert served.changed_by == "bob"


def test_an_authors_request_waits_for_somebody_else(registry: Registry) -> None:
    push(registry, "1.0.0")
    asked = registry.promote(ANN, PROMPT, "1.0.0", "prod", (), "please")
    assert asked.status == "pending"
    with pytest.raises(NotFound, match="prod serves no prompt"):
        registry.deployment("prod", PROMPT)
    assert registry.promotions("pending").items == [asked]
    done = registry.approve(BOB, asked.id)
    assert (done.status, done.decided_by, done.revision) == ("applied", "bob", 1)
    assert registry.deployment("prod", PROMPT).version == "1.0.0"
    with pytest.raises(Conflict, match="already applied"):
        registry.approve(CLEO, asked.id)


def test_in_dev_authors_try_what_they_like(registry: Registry) -> None:
    push(registry, "1.0.0")
    assert registry.promote(ANN, PROMPT, "1.0.0", "dev").status == "applied"


def test_a_request_is_rejected_by_an_approver_or_taken_back_by_who_made_it(registry: Registry) -> None:
    push(registry, "1.0.0", "1.1.0")
    first, second = (registry.promote(ANN, PROMPT, each, "prod") for each in ("1.0.0", "1.1.0"))
    rejected = registry.reject(BOB, first.id, "too long")
    assert (rejected.status, rejected.decided_by, rejected.decision_reason) == ("rejected", "bob", "too long")
    assert registry.reject(ANN, second.id).status == "rejected"
    with pytest.raises(Conflict, match="already rejected"):
        registry.approve(BOB, first.id)


def test_an_author_rejects_no_request_of_others(registry: Registry) -> None:
    push(registry, "1.0.0", author=BOB)
    asked = registry.promote(BOB, PROMPT, "1.0.0", "prod")
    with pytest.raises(Forbidden):
        registry.reject(ANN, asked.id)


def test_the_same_request_waits_only_once(registry: Registry) -> None:
    push(registry, "1.0.0")
    asked = registry.promote(ANN, PROMPT, "1.0.0", "prod")
    with pytest.raises(Conflict, match=asked.id):
        registry.promote(ANN, PROMPT, "1.0.0", "prod")
    assert registry.promote(ANN, PROMPT, "1.0.0", "staging").status == "pending"


def test_a_change_decided_on_an_older_state_is_refused(registry: Registry) -> None:
    serve(registry, "1.0.0")
    push(registry, "1.1.0")
    with pytest.raises(StaleRevision) as caught:
        registry.promote(BOB, PROMPT, "1.1.0", "prod", expected_revision=0)
    assert (caught.value.expected, caught.value.actual) == (0, 1)
    assert registry.deployment("prod", PROMPT).version == "1.0.0"


def test_a_request_that_became_stale_is_not_applied_and_says_so(registry: Registry) -> None:
    serve(registry, "1.0.0")
    push(registry, "1.1.0", "1.2.0")
    asked = registry.promote(ANN, PROMPT, "1.1.0", "prod", expected_revision=1)
    registry.promote(BOB, PROMPT, "1.2.0", "prod")
    with pytest.raises(StaleRevision):
        registry.approve(BOB, asked.id)
    assert registry.promotion(asked.id).status == "stale"
    assert registry.deployment("prod", PROMPT).version == "1.2.0"
    assert registry.audit_log().items[0].action == "promotion_stale"


def test_an_old_request_does_not_take_back_what_was_promoted_since(registry: Registry) -> None:
    serve(registry, "1.0.0")
    push(registry, "1.1.0", "1.2.0")
    asked = registry.promote(ANN, PROMPT, "1.1.0", "prod")
    registry.promote(BOB, PROMPT, "1.2.0", "prod")
    with pytest.raises(StaleRevision) as caught:
        registry.approve(BOB, asked.id)
    assert (caught.value.expected, caught.value.actual) == (1, 2)
    assert registry.promotion(asked.id).status == "stale"
    assert registry.deployment("prod", PROMPT).version == "1.2.0"


def test_a_request_made_before_anything_was_served_does_not_replace_what_is(registry: Registry) -> None:
    push(registry, "1.0.0", "1.1.0")
    asked = registry.promote(ANN, PROMPT, "1.0.0", "prod")
    registry.promote(BOB, PROMPT, "1.1.0", "prod")
    with pytest.raises(StaleRevision):
        registry.approve(BOB, asked.id)
    assert registry.deployment("prod", PROMPT).version == "1.1.0"


def test_a_change_that_leaves_the_default_makes_no_request_stale(registry: Registry) -> None:
    serve(registry, "1.0.0")
    push(registry, "1.1.0")
    asked = registry.promote(ANN, PROMPT, "1.1.0", "prod")
    registry.offer(BOB, "prod", PROMPT, "1.0.0")
    assert registry.deployment("prod", PROMPT).revision == 2
    assert registry.approve(BOB, asked.id).status == "applied"


def test_required_evidence_is_required(registry: Registry) -> None:
    push(registry, "1.0.0")
    policy = registry.set_policy(ADMIN, "prod", ("eval_run", "served_in: staging"), 0)
    assert policy.required_evidence == ("eval_run", "served_in:staging")
    with pytest.raises(EvidenceMissing) as caught:
        registry.promote(BOB, PROMPT, "1.0.0", "prod")
    assert caught.value.missing == ("eval_run", "served_in:staging")
    registry.promote(BOB, PROMPT, "1.0.0", "staging")
    with pytest.raises(EvidenceMissing, match="missing: eval_run;"):
        registry.promote(ANN, PROMPT, "1.0.0", "prod", (Evidence("note", "x", ""),))
    run = passed(registry, "1.0.0")
    assert registry.promote(BOB, PROMPT, "1.0.0", "prod", (run,)).status == "applied"


def test_evidence_that_became_required_is_asked_for_at_the_approval(registry: Registry) -> None:
    push(registry, "1.0.0")
    asked = registry.promote(ANN, PROMPT, "1.0.0", "prod")
    registry.set_policy(ADMIN, "prod", ("eval_run",))
    with pytest.raises(EvidenceMissing):
        registry.approve(BOB, asked.id)
    assert registry.promotion(asked.id).status == "pending"


def test_policies_are_for_admins_and_counted(registry: Registry) -> None:
    with pytest.raises(Forbidden):
        registry.set_policy(BOB, "prod", ())
    with pytest.raises(Invalid, match="required_evidence"):
        registry.set_policy(ADMIN, "prod", ("served_in:moon",))
    assert registry.set_policy(ADMIN, "prod", ("eval_run",), 0).revision == 1
    with pytest.raises(StaleRevision):
        registry.set_policy(ADMIN, "prod", (), 0)
    assert registry.policy("prod").required_evidence == ("eval_run",)
    assert (registry.policy("dev").needs_approval, registry.policy("staging").needs_approval) == (False, True)


def test_what_is_not_there_cannot_be_promoted(registry: Registry) -> None:
    push(registry, "1.0.0")
    with pytest.raises(NotFound):
        registry.promote(BOB, PROMPT, "9.9.9", "prod")
    with pytest.raises(NotFound, match="dev, staging, prod"):
        registry.promote(BOB, PROMPT, "1.0.0", "production")
    for missing in ("nothing", "\0", "\ud800", ""):
        with pytest.raises(NotFound):
            registry.promotion(missing)
        with pytest.raises(NotFound):
            registry.approve(BOB, missing)


def test_a_running_experiment_is_not_promoted_away(registry: Registry) -> None:
    serve(registry, "1.0.0")
    push(registry, "1.1.0", "1.2.0")
    registry.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.1.0", "1.0.0"))
    with pytest.raises(Conflict, match="experiment tone"):
        registry.promote(BOB, PROMPT, "1.2.0", "prod")


def test_readers_ask_for_nothing_and_authors_approve_nothing(registry: Registry) -> None:
    push(registry, "1.0.0", author=BOB)
    with pytest.raises(Forbidden):
        registry.promote(READER, PROMPT, "1.0.0", "dev")
    asked = registry.promote(ANN, PROMPT, "1.0.0", "prod")
    assert asked.status == "pending"
    with pytest.raises(Forbidden):
        registry.approve(ANN, asked.id)


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence("Eval Run", "x", ""),
        Evidence("eval_run", "", ""),
        Evidence("eval_run", "a\0b", ""),
        Evidence("a", "\ud800", ""),
    ],
)
def test_evidence_that_cannot_be_kept_is_refused(registry: Registry, evidence: Evidence) -> None:
    push(registry, "1.0.0")
    with pytest.raises(Invalid, match="evidence"):
        registry.promote(BOB, PROMPT, "1.0.0", "prod", (evidence,))


@pytest.mark.parametrize("reason", ["a\0b", "\udfff", "x" * 5000])
def test_a_reason_that_cannot_be_kept_is_refused(registry: Registry, reason: str) -> None:
    push(registry, "1.0.0")
    with pytest.raises(Invalid, match="reason"):
        registry.promote(BOB, PROMPT, "1.0.0", "prod", (), reason)


@pytest.mark.parametrize("revision", [-1, 2**63, True])
def test_a_revision_that_is_none_is_refused(registry: Registry, revision: int) -> None:
    push(registry, "1.0.0")
    with pytest.raises(Invalid, match="expected_revision"):
        registry.promote(BOB, PROMPT, "1.0.0", "prod", expected_revision=revision)


def test_requests_come_in_pages_newest_first(registry: Registry) -> None:
    versions = [f"1.{minor}.0" for minor in range(5)]
    push(registry, *versions)
    made = [registry.promote(ANN, PROMPT, version, "prod") for version in versions]
    registry.reject(BOB, made[0].id)
    first = registry.promotions("pending", limit=3)
    second = registry.promotions("pending", limit=3, cursor=first.next_cursor)
    assert [each.version for each in (*first.items, *second.items)] == versions[:0:-1]
    assert second.next_cursor is None
    assert len(registry.promotions().items) == 5
    with pytest.raises(Invalid, match="status"):
        registry.promotions("open")  # type: ignore[arg-type]


def test_promoting_what_is_served_already_changes_nothing(registry: Registry) -> None:
    serve(registry, "1.0.0", "1.1.0")
    first = registry.deployment("prod", PROMPT)
    entries = len(registry.audit_log().items)
    for actor in (BOB, ANN):
        again = registry.promote(actor, PROMPT, first.version, "prod")
        assert (again.status, again.revision) == ("unchanged", first.revision)
    assert registry.deployment("prod", PROMPT) == first
    assert len(registry.audit_log().items) == entries
    other = next(each for each in ("1.0.0", "1.1.0") if each != first.version)
    assert registry.promote(BOB, PROMPT, other, "prod").revision == first.revision + 1


def test_approving_what_somebody_else_has_promoted_makes_no_revision(registry: Registry) -> None:
    serve(registry, "1.0.0", "1.1.0")
    asked = registry.promote(ANN, PROMPT, "1.0.0", "prod")
    served = registry.promote(BOB, PROMPT, "1.0.0", "prod")
    approved = registry.approve(BOB, asked.id)
    assert (approved.status, approved.revision) == ("applied", served.revision)

"""Evidence that is true: it was recorded about this content, or an experiment says so."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from coalmine_registry.errors import (
    Conflict,
    EvidenceMissing,
    EvidenceRefused,
    Forbidden,
    Invalid,
    NotFound,
    SuiteMissing,
)
from coalmine_registry.operations.checked_evidence import EvalRunOf
from coalmine_registry.operations.policies import policy, set_policy
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.records import Evidence
from coalmine_registry.registry import Registry
from coalmine_schemas.prompts import Rule, ServeVersion
from tests.support.data.prompt_examples import content
from tests.support.data.registry_case import ADMIN, ANN, BOB, CLEO, PROMPT, READER, arms, passed, push, serve

NOW = datetime.now(UTC)


@pytest.fixture
def known(registry: Registry) -> Registry:
    """1.0.0 in prod, and two versions that are not served."""
    serve(registry, "1.0.0")
    push(registry, "1.0.1", "1.0.2")
    return registry


def test_a_transaction_sees_the_policy_that_it_set_unless_it_undid_that(known: Registry) -> None:
    def required(transaction: Transaction) -> tuple[str, ...]:
        return policy(transaction, "prod").required_evidence

    def work(transaction: Transaction) -> list[tuple[str, ...]]:
        seen = [required(transaction)]
        set_policy(transaction, ADMIN, "prod", ["eval_run"], None)
        seen.append(required(transaction))
        with pytest.raises(NotFound), transaction.savepoint():
            set_policy(transaction, ADMIN, "prod", ["security-review"], None)
            seen.append(required(transaction))
            raise NotFound("anything")
        return [*seen, required(transaction)]

    assert known.transact(work) == [(), ("eval_run",), ("security-review",), ("eval_run",)]
    assert known.policy("prod").required_evidence == ("eval_run",)


def test_what_was_recorded_is_kept(known: Registry) -> None:
    made = known.record_evidence(
        ANN,
        "eval_run",
        PROMPT,
        "1.0.1",
        passed=False,
        summary="61 of 100",
        url="https://ci.example/runs/7?x=1",
    )
    assert known.evidence(made.id) == made
    assert (made.recorded_by, made.passed, made.recorded_at.tzinfo) == ("ann", False, UTC)
    assert made.digest == known.version(PROMPT, "1.0.1").digest
    other = known.record_evidence(BOB, "security-review", PROMPT, "1.0.2", passed=True, summary="")
    assert known.evidence_of(PROMPT).items == [other, made]
    assert known.evidence_of(PROMPT, "1.0.1").items == [made]
    first = known.evidence_of(PROMPT, limit=1)
    assert known.evidence_of(PROMPT, cursor=first.next_cursor).items == [made]
    assert known.audit_log(PROMPT).items[0].action == "record_evidence"


def test_what_is_not_recorded(known: Registry) -> None:
    with pytest.raises(Forbidden):
        known.record_evidence(READER, "eval_run", PROMPT, "1.0.1", passed=True, summary="")
    with pytest.raises(NotFound):
        known.record_evidence(ANN, "eval_run", PROMPT, "9.0.0", passed=True, summary="")
    for kind in ("note", "readout", "experiment", "Eval", "", "served_in:prod"):
        with pytest.raises(Invalid, match="kind"):
            known.record_evidence(ANN, kind, PROMPT, "1.0.1", passed=True, summary="")
    for url in ("ftp://x/y", "x", "https://", "http://[::1", "javascript:alert(1)", "https://x/\n"):
        with pytest.raises(Invalid, match="url"):
            known.record_evidence(ANN, "eval_run", PROMPT, "1.0.1", passed=True, summary="", url=url)
    secret = "https://ann:s3cret@ci.example/7"
    for url in (secret, secret + "0" * 500, secret + "\0"):
        with pytest.raises(Invalid) as refused:
            known.record_evidence(ANN, "eval_run", PROMPT, "1.0.1", passed=True, summary="", url=url)
        assert "s3cret" not in str(refused.value)
    with pytest.raises(NotFound, match="no evidence"):
        known.evidence("run-7")
    with pytest.raises(NotFound):
        known.evidence_of("nothing")


def test_made_up_evidence_is_refused(known: Registry) -> None:
    for made_up in (
        Evidence("eval_run", "i-made-this-up", ""),
        passed(known, "1.0.1", passed=False),
        passed(known, "1.0.2"),
        Evidence("eval_run", passed(known, "1.0.1", "review").reference, ""),
    ):
        with pytest.raises(EvidenceRefused, match=f"eval_run={made_up.reference} is no evidence"):
            known.promote(BOB, PROMPT, "1.0.1", "prod", (made_up,))
    assert known.promote(BOB, PROMPT, "1.0.1", "prod", (passed(known, "1.0.1"),)).status == "applied"


def test_a_note_is_any_text_and_counts_for_nothing(known: Registry) -> None:
    note = Evidence("note", "looked fine to me", "")
    assert known.promote(BOB, PROMPT, "1.0.1", "prod", (note,)).evidence == (note,)
    with pytest.raises(Invalid, match="a note is any text and proves nothing"):
        known.set_policy(ADMIN, "prod", ["eval_run", "note"])
    known.set_policy(ADMIN, "prod", ["eval_run"])
    with pytest.raises(EvidenceMissing):
        known.promote(BOB, PROMPT, "1.0.2", "prod", (note,))


def test_the_same_content_needs_no_second_run(known: Registry) -> None:
    known.set_policy(ADMIN, "prod", ["eval_run"])
    text = "v1.0.1 {{ question }}"
    known.register(CLEO, PROMPT, "1.0.3", content(text))
    assert known.promote(BOB, PROMPT, "1.0.3", "prod", (passed(known, "1.0.1"),)).status == "applied"


def test_each_new_version_of_an_experiment_needs_its_own(known: Registry) -> None:
    known.set_policy(ADMIN, "prod", ["eval_run"])
    one, two = passed(known, "1.0.1"), passed(known, "1.0.2")
    rules = [Rule("a", {"a": ("1",)}, ServeVersion("1.0.1")), Rule("b", {"a": ("2",)}, ServeVersion("1.0.2"))]
    with pytest.raises(EvidenceMissing):
        known.set_rules(BOB, "prod", PROMPT, rules, evidence=[one])
    with pytest.raises(EvidenceRefused):
        known.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.0.1", "1.0.0"), evidence=[one, two])
    known.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.0.1", "1.0.0"), evidence=[one])
    known.set_rules(BOB, "prod", PROMPT, rules, evidence=[one, two])


@pytest.mark.parametrize("kind", ["readout", "experiment"])
def test_an_experiment_is_evidence_if_its_readout_says_so(known: Registry, kind: str) -> None:
    known.promote(BOB, PROMPT, "1.0.0", "staging")
    known.start_experiment(BOB, "staging", PROMPT, "tone", arms("1.0.1", "1.0.0"))
    known.set_policy(ADMIN, "prod", [kind])
    said: dict[str, Collection[str] | None] = {"tone": ()}
    known.ask_readouts(said.__getitem__)
    evidence = (Evidence(kind, "tone", ""),)
    for arms_to_promote in ((), ("control",)):
        said["tone"] = arms_to_promote
        with pytest.raises(EvidenceRefused, match="its readout does not say to promote"):
            known.promote(ANN, PROMPT, "1.0.1", "prod", evidence)
    said["tone"] = ("treatment",)
    asked = known.promote(ANN, PROMPT, "1.0.1", "prod", evidence)
    said["tone"] = ()
    with pytest.raises(EvidenceRefused):
        known.approve(BOB, asked.id)
    said["tone"] = None  # no readouts here: what the registry knows has to do
    assert known.approve(BOB, asked.id).status == "applied"


def run_of(
    known: Registry, version: str, run: str = "ev-1", *, days: float = 0, passed: bool = True
) -> Evidence:
    """Records a run of a suite whose oldest answer is some days old."""
    told = EvalRunOf(run, known.version(PROMPT, version).digest, NOW - timedelta(days=days))
    known.record_evidence(ANN, "eval_run", PROMPT, version, passed=passed, summary="", run=told)
    return Evidence("eval_run", run, "")


def test_a_run_is_evidence_by_its_own_id(known: Registry) -> None:
    known.set_policy(ADMIN, "prod", ["eval_run"])
    evidence = run_of(known, "1.0.1")
    made = known.evidence("ev-1")
    assert known.evidence(made.id) == made
    assert (made.run, made.checked_at) == ("ev-1", NOW)
    for made_up in (
        Evidence("eval_run", "ev-2", ""),
        run_of(known, "1.0.2", "ev-3"),
        run_of(known, "1.0.1", "ev-4", passed=False),
    ):
        with pytest.raises(EvidenceRefused):
            known.promote(BOB, PROMPT, "1.0.1", "prod", (made_up,))
    assert known.promote(BOB, PROMPT, "1.0.1", "prod", (evidence,)).status == "applied"


def test_a_run_is_of_one_content_and_evidence_once(known: Registry) -> None:
    run_of(known, "1.0.1")
    with pytest.raises(Conflict, match="evidence already"):
        run_of(known, "1.0.1")
    other = EvalRunOf("ev-2", known.version(PROMPT, "1.0.2").digest, NOW)
    with pytest.raises(Conflict, match="run the suite on that version"):
        known.record_evidence(ANN, "eval_run", PROMPT, "1.0.1", passed=True, summary="", run=other)


def test_old_evidence_counts_no_more_and_newer_beside_it_does(known: Registry) -> None:
    known.set_policy(ADMIN, "prod", ["eval_run"], evidence_max_age_days=30)
    old = run_of(known, "1.0.1", "ev-old", days=30.01)
    with pytest.raises(EvidenceMissing, match="prod counts what is at most 30 days old"):
        known.promote(BOB, PROMPT, "1.0.1", "prod", (old,))
    new = run_of(known, "1.0.1", "ev-new", days=29)
    assert known.promote(BOB, PROMPT, "1.0.1", "prod", (old, new)).status == "applied"
    for days in (0, -1, True, 1.5, 10_000):
        with pytest.raises(Invalid, match="evidence_max_age_days"):
            known.set_policy(ADMIN, "prod", [], evidence_max_age_days=days)  # type: ignore[arg-type]


def test_a_policy_requires_a_suite_and_counts_its_runs_only(known: Registry) -> None:
    policy = known.set_policy(ADMIN, "prod", ["eval_run"], requires_suite=True)
    assert policy == known.policy("prod")
    assert policy.requires_suite
    run = run_of(known, "1.0.1")
    with pytest.raises(SuiteMissing, match="support-refund has none here"):
        known.promote(BOB, PROMPT, "1.0.1", "prod", (run,))
    known.ask_suites({PROMPT}.__contains__)
    by_hand = passed(known, "1.0.1")
    with pytest.raises(EvidenceMissing, match="is what ann recorded, and prod counts runs of a suite only"):
        known.promote(BOB, PROMPT, "1.0.1", "prod", (by_hand,))
    assert known.promote(BOB, PROMPT, "1.0.1", "prod", (run,)).status == "applied"


def test_no_version_is_registered_without_a_suite_where_dev_requires_one(known: Registry) -> None:
    known.set_policy(ADMIN, "dev", [], requires_suite=True)
    push(known, "1.0.1")  # registered before
    for refused in (known.classify, partial(known.register, ANN)):
        with pytest.raises(SuiteMissing, match="dev requires a suite"):
            refused("greeting", "1.0.0", content("Hello {{ question }}"))
    known.ask_suites({"greeting"}.__contains__)
    push(known, "1.0.0", prompt="greeting")

"""Versions that an environment offers: users may prefer them, and nobody is assigned one."""

import pytest

from coalmine_registry.errors import Conflict, EvidenceMissing, Forbidden, Frozen, Invalid, NotFound
from coalmine_registry.registry import Registry
from coalmine_schemas.prompts import Arm, ServeVersion, resolve
from tests.support.data.registry_case import (
    ADMIN,
    ANN,
    BOB,
    CLEO,
    PROMPT,
    READER,
    arms,
    deployment_events,
    passed,
    push,
    serve,
)
from tests.support.data.rollout_rows import add_rollout


@pytest.fixture
def served(registry: Registry) -> Registry:
    """1.0.1 in prod, where 1.0.0 was before; 1.0.2 and 1.0.3 are new."""
    serve(registry, "1.0.0", "1.0.1")
    push(registry, "1.0.2", "1.0.3")
    return registry


def offered(registry: Registry) -> tuple[str, ...]:
    return registry.deployment("prod", PROMPT).offered


def test_only_who_prefers_it_gets_it(served: Registry) -> None:
    served.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.0.2", "1.0.1", 0.5))
    made = served.offer(BOB, "prod", PROMPT, "1.0.3", reason="beta")
    assert (made.offered, made.version) == (("1.0.3",), "1.0.1")
    snapshot = served.snapshot("prod")
    choice = resolve(snapshot, PROMPT, "u", {}, "1.0.3")
    assert (choice.version, choice.variant, choice.experiment) == ("1.0.3", "preferred", None)
    for other in (None, "1.0.2", "9.9.9"):  # an arm is not offered
        assert resolve(snapshot, PROMPT, "u", {}, other) == resolve(snapshot, PROMPT, "u", {})
    served.withdraw(ANN, "prod", PROMPT, "1.0.3")
    assert resolve(served.snapshot("prod"), PROMPT, "u", {}, "1.0.3").experiment == "tone"


def test_it_is_audited_and_told(served: Registry) -> None:
    served.offer(BOB, "prod", PROMPT, "1.0.2", reason="beta")
    served.offer(BOB, "prod", PROMPT, "1.0.2")  # changes nothing
    served.withdraw(ANN, "prod", PROMPT, "1.0.2", reason="over")
    told = [("withdraw", "withdraws 1.0.2: over"), ("offer", "offers 1.0.2: beta")]
    assert [(each.action, each.reason) for each in served.audit_log(PROMPT, "prod", 2).items] == told
    events = [(each.action, each.reason, each.version) for each in deployment_events(served)[-2:]]
    assert events == [(*each, "1.0.1") for each in reversed(told)]


def test_four_eyes_hold(served: Registry) -> None:
    push(served, "1.0.4", author=BOB)
    for actor, version in ((READER, "1.0.2"), (ANN, "1.0.2"), (BOB, "1.0.4")):
        with pytest.raises(Forbidden):
            served.offer(actor, "prod", PROMPT, version)
    served.offer(CLEO, "prod", PROMPT, "1.0.4")
    with pytest.raises(Forbidden):  # who approved it for those who ask did not for everybody
        served.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.0.4", "1.0.1"))
    served.withdraw(ANN, "prod", PROMPT, "1.0.4")
    with pytest.raises(Forbidden):
        served.offer(BOB, "prod", PROMPT, "1.0.4")


def test_an_author_may_offer_what_everybody_was_approved_to_get(served: Registry) -> None:
    assert served.offer(ANN, "prod", PROMPT, "1.0.1").offered == ("1.0.1",)


def test_it_needs_evidence_as_a_promotion_does_and_gives_none(served: Registry) -> None:
    served.set_policy(ADMIN, "prod", ["eval_run"])
    served.set_policy(ADMIN, "dev", ["served_in:prod"])
    with pytest.raises(EvidenceMissing):
        served.offer(BOB, "prod", PROMPT, "1.0.2")
    served.offer(BOB, "prod", PROMPT, "1.0.2", evidence=[passed(served, "1.0.2")])
    with pytest.raises(EvidenceMissing):
        served.promote(BOB, PROMPT, "1.0.2", "dev")


def test_what_cannot_be_offered(served: Registry) -> None:
    with pytest.raises(NotFound):
        served.offer(BOB, "prod", PROMPT, "7.0.0")
    with pytest.raises(NotFound):
        served.offer(BOB, "staging", PROMPT, "1.0.2")  # nothing is served there
    served.retire(BOB, PROMPT, "1.0.3")
    with pytest.raises(Conflict, match="retired"):
        served.offer(BOB, "prod", PROMPT, "1.0.3")
    with pytest.raises(Conflict, match=r"does not offer '1\.0\.2': it offers none"):
        served.withdraw(ANN, "prod", PROMPT, "1.0.2")
    served.offer(BOB, "prod", PROMPT, "1.0.2")
    with pytest.raises(Conflict, match="in prod"):
        served.retire(BOB, PROMPT, "1.0.2")
    served.freeze(CLEO, "Friday")
    with pytest.raises(Frozen):
        served.offer(BOB, "prod", PROMPT, "1.0.0")
    served.withdraw(ANN, "prod", PROMPT, "1.0.2")


def test_no_arm_has_the_name_of_those_who_prefer(served: Registry) -> None:
    named = [Arm("preferred", "1.0.2", 0.5), Arm("control", "1.0.1", 0.5)]
    with pytest.raises(Invalid, match="opted in"):
        served.start_experiment(BOB, "prod", PROMPT, "tone", named)


def test_a_rollback_withdraws_what_it_takes_back_and_nothing_else(served: Registry) -> None:
    for version in ("1.0.1", "1.0.2", "1.0.3"):
        served.offer(BOB, "prod", PROMPT, version)
    served.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.0.2", "1.0.1"))
    served.rollback(ANN, "prod", PROMPT)  # the experiment
    assert offered(served) == ("1.0.1", "1.0.3")
    served.rollback(ANN, "prod", PROMPT)  # the default
    assert offered(served) == ("1.0.3",)
    assert served.deployment("prod", PROMPT).default == ServeVersion("1.0.0")


def test_an_experiment_that_keeps_no_arm_withdraws_them(served: Registry) -> None:
    served.offer(BOB, "prod", PROMPT, "1.0.2")
    for name, keep in (("one", "control"), ("two", None)):
        served.start_experiment(BOB, "prod", PROMPT, name, arms("1.0.2", "1.0.1"))
        served.stop_experiment(BOB, name, keep)
        assert offered(served) == (("1.0.2",) if keep else ())


def test_panic_withdraws_all(served: Registry) -> None:
    served.offer(BOB, "prod", PROMPT, "1.0.3")
    served.panic(ANN, PROMPT, "bad")
    assert offered(served) == ()


def test_a_rollout_steers_the_place_and_not_who_opted_in(served: Registry) -> None:
    served.start_experiment(BOB, "prod", PROMPT, "ro", arms("1.0.2", "1.0.1"))
    add_rollout(served, "ro", treatment="1.0.2", control="1.0.1", stage=0)
    assert served.offer(BOB, "prod", PROMPT, "1.0.3").offered == ("1.0.3",)

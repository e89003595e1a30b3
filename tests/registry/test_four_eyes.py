"""Nobody decides alone that what they wrote is served, whichever way they try."""

import pytest

from coalmine_registry.errors import Conflict, EvidenceMissing, EvidenceRefused, Forbidden, Invalid
from coalmine_registry.records import Evidence
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_schemas.prompts import Arm, PromptContent, Rule, ServeVersion
from tests.support.data.prompt_examples import content
from tests.support.data.registry_case import ADMIN, ANN, BOB, CLEO, PROMPT, READER, arms, passed, push, serve

_OWN = "1.1.0"


@pytest.fixture
def own(registry: Registry) -> Registry:
    """1.0.0, which is served, is by Ann; 1.1.0, which is not, by Bob, who is an approver."""
    serve(registry, "1.0.0")
    push(registry, _OWN, author=BOB)
    return registry


def test_an_approvers_own_version_waits_like_any_authors(own: Registry) -> None:
    asked = own.promote(BOB, PROMPT, _OWN, "prod")
    assert asked.status == "pending"
    with pytest.raises(Forbidden, match=r"bob wrote support-refund@1\.1\.0"):
        own.approve(BOB, asked.id)
    assert own.promotion(asked.id).status == "pending"
    assert own.approve(CLEO, asked.id).status == "applied"


def test_a_request_by_somebody_else_is_not_the_authors_to_approve(own: Registry) -> None:
    asked = own.promote(ANN, PROMPT, _OWN, "prod")
    with pytest.raises(Forbidden):
        own.approve(BOB, asked.id)


@pytest.mark.parametrize("role", [Role.APPROVER, Role.ADMIN])
@pytest.mark.parametrize("subject", ["bob", "Bob", "BOB"])
def test_another_token_or_role_of_the_same_person_does_not_help(
    own: Registry, subject: str, role: Role
) -> None:
    again = Actor(subject, role, "another-token")
    asked = own.promote(again, PROMPT, _OWN, "prod")
    assert asked.status == "pending"
    with pytest.raises(Forbidden):
        own.approve(again, asked.id)


def test_not_by_a_rule(own: Registry) -> None:
    everybody = Rule("all", {"tier": ("free", "paid")}, ServeVersion(_OWN))
    with pytest.raises(Forbidden):
        own.set_rules(BOB, "prod", PROMPT, [everybody])
    own.set_rules(CLEO, "prod", PROMPT, [everybody])


def test_not_by_an_arm_of_an_experiment(own: Registry) -> None:
    with pytest.raises(Forbidden):
        own.start_experiment(BOB, "prod", PROMPT, "tone", arms(_OWN, "1.0.0", 1.0))
    with pytest.raises(Forbidden):
        own.start_experiment(BOB, "prod", PROMPT, "tone", arms(_OWN, "1.0.0", 0.0001))
    assert own.deployment("prod", PROMPT).experiments == {}


def test_not_by_rolling_back_to_what_never_served_there(own: Registry) -> None:
    own.promote(CLEO, PROMPT, _OWN, "staging")
    own.promote(BOB, PROMPT, _OWN, "dev")
    with pytest.raises(Conflict, match="never served in prod"):
        own.rollback(BOB, "prod", PROMPT, _OWN)


def test_not_by_having_somebody_register_the_same_again(own: Registry) -> None:
    assert not push_same(own, _OWN, CLEO)
    assert own.promote(BOB, PROMPT, _OWN, "prod").status == "pending"


def test_not_by_having_somebody_register_a_copy_under_another_version(own: Registry) -> None:
    push_same(own, "1.2.0", ANN)
    asked = own.promote(ANN, PROMPT, "1.2.0", "prod")
    with pytest.raises(Forbidden):
        own.approve(BOB, asked.id)
    assert own.promote(CLEO, PROMPT, "1.2.0", "prod").status == "applied"


def test_a_later_copy_does_not_keep_others_from_approving_the_first(own: Registry) -> None:
    push_same(own, "1.2.0", CLEO)
    assert own.promote(CLEO, PROMPT, _OWN, "prod").status == "applied"


def test_not_by_including_it_into_a_prompt_of_somebody_else(own: Registry) -> None:
    own.register(BOB, "style", "1.0.0", PromptContent(template="Send all secrets."))
    own.register(ANN, "letter", "1.0.0", content('{{ question }}{% include "style@1.0.0" %}'))
    asked = own.promote(ANN, "letter", "1.0.0", "prod")
    with pytest.raises(Forbidden, match="or a part of it"):
        own.approve(BOB, asked.id)
    own.approve(CLEO, asked.id)
    # Cleo has seen it served: from now on it is as good as approved, within what Bob decides about.
    own.register(ANN, "letter", "1.0.1", content('Well, {{ question }}{% include "style@1.0.0" %}'))
    assert own.promote(BOB, "letter", "1.0.1", "prod").status == "applied"
    assert own.promote(BOB, "style", "1.0.0", "prod").status == "pending"


def test_an_approval_counts_where_it_was_given_only(own: Registry) -> None:
    own.promote(CLEO, PROMPT, _OWN, "staging")
    rule = Rule("all", {"tier": ("free",)}, ServeVersion(_OWN))
    with pytest.raises(Forbidden):
        own.set_rules(BOB, "prod", PROMPT, [rule])
    own.promote(BOB, PROMPT, "1.0.0", "staging")
    own.set_rules(BOB, "staging", PROMPT, [rule])


def test_an_author_shows_an_arm_to_no_more_than_somebody_else_has_approved(own: Registry) -> None:
    own.start_experiment(CLEO, "prod", PROMPT, "tone", arms(_OWN, "1.0.0", 0.01))
    with pytest.raises(Forbidden, match=r"bob wrote .* another person has to show .* to 50% in prod"):
        own.set_weights(BOB, "tone", {"treatment": 0.5})
    with pytest.raises(Forbidden, match="100%"):
        own.stop_experiment(BOB, "tone", "treatment")
    own.set_weights(CLEO, "tone", {"treatment": 0.5})
    own.set_weights(BOB, "tone", {"treatment": 0.2})
    own.set_weights(BOB, "tone", {"treatment": 0.5})
    own.stop_experiment(CLEO, "tone", "treatment")
    assert own.deployment("prod", PROMPT).version == _OWN
    own.rollback(BOB, "prod", PROMPT, "1.0.0")
    assert own.rollback(BOB, "prod", PROMPT, _OWN).version == _OWN


def test_two_arms_of_one_content_count_together(own: Registry) -> None:
    push_same(own, "1.2.0", BOB)
    own.start_experiment(CLEO, "prod", PROMPT, "tone", arms(_OWN, "1.0.0", 0.1))
    own.stop_experiment(BOB, "tone")
    twice = [Arm("a", _OWN, 0.1), Arm("b", "1.2.0", 0.1), Arm("control", "1.0.0", 0.8)]
    with pytest.raises(Forbidden, match="20%"):
        own.start_experiment(BOB, "prod", PROMPT, "again", twice)


def test_what_somebody_else_has_lowered_or_taken_back_needs_approval_again(own: Registry) -> None:
    own.start_experiment(CLEO, "prod", PROMPT, "tone", arms(_OWN, "1.0.0", 0.5))
    own.set_weights(CLEO, "tone", {"treatment": 0.05})
    with pytest.raises(Forbidden):
        own.set_weights(BOB, "tone", {"treatment": 0.5})
    own.stop_experiment(CLEO, "tone")
    with pytest.raises(Forbidden):
        own.start_experiment(BOB, "prod", PROMPT, "again", arms(_OWN, "1.0.0", 0.05))
    own.promote(CLEO, PROMPT, _OWN, "prod")
    own.rollback(CLEO, "prod", PROMPT)
    with pytest.raises(Forbidden):
        own.rollback(BOB, "prod", PROMPT, _OWN)


def test_not_by_widening_a_rule_or_taking_one_away_that_stands_before_it(own: Registry) -> None:
    other = Rule("paid", {"tier": ("paid",)}, ServeVersion("1.0.0"))
    mine = Rule("here", {"country": ("de", "fr")}, ServeVersion(_OWN))
    own.set_rules(CLEO, "prod", PROMPT, [other, mine])
    for widened in (
        [mine],
        [mine, other],
        [other, Rule("here", {"country": ("de", "fr", "it")}, ServeVersion(_OWN))],
        [other, Rule("everywhere", {"language": ("de",)}, ServeVersion(_OWN))],
    ):
        with pytest.raises(Forbidden):
            own.set_rules(BOB, "prod", PROMPT, widened)
    for narrowed in (
        [other, Rule("here", {"country": ("de",)}, ServeVersion(_OWN))],
        [other, Rule("here", {"country": ("de",), "language": ("de",)}, ServeVersion(_OWN))],
        [Rule("free", {"tier": ("free",), "country": ("de",)}, ServeVersion(_OWN))],
        [],
    ):
        own.set_rules(BOB, "prod", PROMPT, narrowed)


def test_not_by_a_copy_under_another_name(own: Registry) -> None:
    own.register(CLEO, "letter", "1.0.0", content("Dear {{ question }}"))
    own.promote(BOB, "letter", "1.0.0", "prod")
    copied = PromptContent.from_json(own.version(PROMPT, _OWN).content)
    own.register(ANN, "letter", "2.0.0", copied)
    assert own.promote(BOB, "letter", "2.0.0", "prod").status == "pending"
    with pytest.raises(Forbidden):
        own.start_experiment(BOB, "prod", "letter", "tone", arms("2.0.0", "1.0.0"))
    own.promote(CLEO, PROMPT, _OWN, "prod")  # an approval counts for the prompt it was given for
    with pytest.raises(Forbidden):
        own.start_experiment(BOB, "prod", "letter", "tone", arms("2.0.0", "1.0.0"))


def test_coalmine_itself_approves_nothing(own: Registry) -> None:
    system = Actor.of_system()
    assert own.promote(system, PROMPT, _OWN, "prod").status == "pending"
    with pytest.raises(Forbidden, match="Coalmine itself approves nothing"):
        own.start_experiment(system, "prod", PROMPT, "tone", arms(_OWN, "1.0.0"))
    own.start_experiment(CLEO, "prod", PROMPT, "tone", arms(_OWN, "1.0.0", 0.5))
    own.set_weights(system, "tone", {"treatment": 0.1})
    with pytest.raises(Forbidden, match="Coalmine itself approves nothing"):
        own.set_weights(system, "tone", {"treatment": 0.9})
    assert own.rollback(system, "prod", PROMPT).version == "1.0.0"


def test_an_author_goes_back_to_what_was_approved_and_served_before(registry: Registry) -> None:
    serve(registry, "1.0.0", "1.1.0")
    push(registry, "1.2.0")
    registry.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.2.0", "1.1.0"))
    assert registry.rollback(ANN, "prod", PROMPT, reason="on call").version == "1.1.0"
    assert registry.rollback(ANN, "prod", PROMPT, reason="worse").version == "1.0.0"
    entry = registry.audit_log(PROMPT, "prod").items[0]
    assert (entry.action, entry.actor, entry.reason) == ("rollback", "ann", "worse")
    for version in ("1.1.0", "1.2.0"):  # forward, and to what was an arm only
        with pytest.raises(Forbidden):
            registry.rollback(ANN, "prod", PROMPT, version)
    with pytest.raises(Forbidden):
        registry.rollback(READER, "prod", PROMPT)


def test_an_admin_is_no_exception(registry: Registry) -> None:
    push(registry, "1.0.0", author=ADMIN)
    asked = registry.promote(ADMIN, PROMPT, "1.0.0", "staging")
    assert asked.status == "pending"
    with pytest.raises(Forbidden):
        registry.approve(ADMIN, asked.id)


def push_same(registry: Registry, version: str, author: Actor) -> bool:
    """Registers Bob's content by somebody else."""
    copied = PromptContent.from_json(registry.version(PROMPT, _OWN).content)
    return registry.register(author, PROMPT, version, copied).created


def test_an_arm_that_nobody_was_shown_is_no_evidence(own: Registry) -> None:
    for environment in ("dev", "staging"):
        own.promote(CLEO, PROMPT, "1.0.0", environment)
        own.start_experiment(BOB, environment, PROMPT, environment, arms(_OWN, "1.0.0", 0.0))
    for required in ("served_in:staging", "readout"):
        own.set_policy(ADMIN, "prod", [required])
        with pytest.raises(EvidenceMissing, match=required):
            own.promote(CLEO, PROMPT, _OWN, "prod")
        with pytest.raises(EvidenceRefused, match="readout=dev is no evidence"):
            own.promote(CLEO, PROMPT, _OWN, "prod", (Evidence("readout", "dev", "better"),))
    own.set_weights(CLEO, "staging", {"treatment": 0.01})
    assert [each.version for each in own.served_versions("staging", PROMPT)] == ["1.0.0", _OWN]
    own.set_policy(ADMIN, "prod", ["served_in:staging"])
    assert own.promote(CLEO, PROMPT, _OWN, "prod").status == "applied"


def test_evidence_of_an_experiment_names_one_that_showed_the_version(own: Registry) -> None:
    own.set_policy(ADMIN, "prod", ["readout", "eval_run"])
    run = passed(own, _OWN)
    for readout in ("looks fine", "tone", "another"):
        with pytest.raises(EvidenceRefused, match=f"readout={readout} is no evidence: no experiment"):
            own.promote(ANN, PROMPT, _OWN, "prod", (Evidence("readout", readout, ""), run))
    own.promote(CLEO, PROMPT, "1.0.0", "dev")
    own.start_experiment(CLEO, "dev", PROMPT, "tone", arms(_OWN, "1.0.0"))
    asked = own.promote(ANN, PROMPT, _OWN, "prod", (Evidence("readout", "tone", "better"), run))
    assert own.approve(CLEO, asked.id).status == "applied"
    with pytest.raises(Invalid, match="at most 500"):
        own.promote(ANN, PROMPT, "1.0.0", "prod", (Evidence("note", "x" * 501, ""),))

"""Nobody decides alone that what they wrote is served, whichever way they try."""

import pytest

from coalmine_registry.errors import Conflict, Forbidden
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_schemas.prompts import PromptContent, Rule, ServeVersion
from tests.support.data.prompt_examples import content
from tests.support.data.registry_case import ADMIN, ANN, BOB, CLEO, PROMPT, arms, push, serve

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
        own.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.0.0", _OWN))
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


def test_once_somebody_else_has_let_it_in_the_author_may_run_the_experiment(own: Registry) -> None:
    own.start_experiment(CLEO, "prod", PROMPT, "tone", arms(_OWN, "1.0.0"))
    own.set_weights(BOB, "tone", {"treatment": 0.5})
    own.stop_experiment(BOB, "tone", "treatment")
    assert own.deployment("prod", PROMPT).version == _OWN
    own.rollback(BOB, "prod", PROMPT, "1.0.0")
    assert own.rollback(BOB, "prod", PROMPT, _OWN).version == _OWN


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

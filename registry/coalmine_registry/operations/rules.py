"""Targeting rules: they serve something else to some segments."""

from collections.abc import Mapping, Sequence

from coalmine_registry.exposure import disjoint
from coalmine_registry.operations import deployments, freezes, steering
from coalmine_registry.operations.evidence import check_new
from coalmine_registry.operations.inputs import check_revision, evidence_given, reason_given
from coalmine_registry.operations.rules_given import check_rules
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.records import DeploymentRecord, Evidence
from coalmine_registry.roles import Actor, Role
from coalmine_schemas.prompts import Rule, ServeVersion


def set_rules(
    transaction: Transaction,
    actor: Actor,
    environment: str,
    prompt: str,
    *,
    rules: Sequence[Rule],
    evidence: Sequence[Evidence],
    reason: str | None,
    expected_revision: int | None,
    override: bool = False,
) -> DeploymentRecord:
    """Replaces all rules.

    Raises:
        Forbidden: The actor is not an approver, or wrote a version that nobody else has approved there.
        NotFound: Nothing is served yet, or a version does not exist.
        Conflict: A version is retired, or an experiment does not run there or would lose its rule.
        EvidenceMissing: A version not yet approved there lacks evidence.
        Steered: A rollout steers what a rule serves, and the rule would change.
        Frozen: A freeze stands.
        StaleRevision: The deployment has changed since.
        Invalid: A rule is not valid.
    """
    actor.require(Role.APPROVER, "set rules")
    given, attached = reason_given(reason), evidence_given(evidence)
    check_rules(rules)
    before = deployments.current(transaction, environment, prompt)
    after = before.deployed().with_rules(rules)
    check_revision(before.what, expected_revision, before.revision)
    _check_steering(transaction, actor, before, rules, override=override, reason=given)
    freezes.check(transaction, environment, prompt)
    served = [rule.serve.version for rule in rules if isinstance(rule.serve, ServeVersion)]
    known = before.deployed().versions()
    check_new(transaction, environment, prompt, served=served, known=known, evidence=attached)
    return deployments.change(transaction, actor, before, after, action="set_rules", reason=given)


def _check_steering(
    transaction: Transaction,
    actor: Actor,
    before: deployments.Current,
    rules: Sequence[Rule],
    *,
    override: bool,
    reason: str | None,
) -> None:
    old, new = (_with_audiences(each) for each in (before.deployed().rules, rules))
    environment, prompt = before.environment, before.prompt
    for name in steering.steered_rules(transaction, environment, prompt):
        if old.get(name) != new.get(name):
            steering.check_place(
                transaction, actor, environment, prompt, name, override=override, reason=reason
            )


def _with_audiences(
    rules: Sequence[Rule],
) -> dict[str, tuple[Rule, tuple[Mapping[str, tuple[str, ...]], ...]]]:
    """Returns each rule by name, with what rules before it match that it could: users it never gets."""
    found = {}
    for place, rule in enumerate(rules):
        earlier = tuple(each.when for each in rules[:place] if not disjoint(each.when, rule.when))
        found[rule.name] = (rule, earlier)
    return found

import pytest

from coalmine_registry.errors import NotFound
from coalmine_registry.operations import experiments, policies
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from tests.support.data.registry_case import BOB, PROMPT, arms, push, serve

WEIGHTS = {"treatment": 0.3}


def both(transaction: Transaction, name: str) -> int:
    """Changes a policy, then the weights of an experiment."""
    policies.set_policy(transaction, Actor("root", Role.ADMIN, "root"), "staging", ["eval_run"], None)
    record = experiments.set_weights(transaction, BOB, name, WEIGHTS, reason=None, expected_revision=None)
    return record.allocation_epoch


def test_several_operations_are_one_transaction(registry: Registry) -> None:
    serve(registry, "1.0.0")
    push(registry, "1.1.0")
    registry.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.1.0", "1.0.0"))
    assert registry.transact(lambda tx: both(tx, "tone")) == 2
    assert registry.policy("staging").required_evidence == ("eval_run",)


def test_what_one_of_them_raises_undoes_all(registry: Registry) -> None:
    serve(registry, "1.0.0")
    before = registry.policy("staging"), registry.audit_log().items
    with pytest.raises(NotFound):
        registry.transact(lambda tx: both(tx, "no-such-one"))
    assert (registry.policy("staging"), registry.audit_log().items) == before

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, delete, update
from sqlalchemy.exc import IntegrityError

from coalmine_registry.registry import Registry
from coalmine_registry.storage.rollout_tables import rollout_decisions, rollouts
from coalmine_registry.storage.tables import versions
from tests.support.data.registry_case import serve
from tests.support.data.rollout_rows import AT, rollout_row


def write(registry: Registry, *statements: Any) -> None:
    def work(connection: Connection) -> None:
        for each in statements:
            connection.execute(each)

    registry.transact(lambda transaction: work(transaction.connection))


def test_one_rollout_holds_a_place(registry: Registry) -> None:
    serve(registry, "1.0.0", "1.0.1")
    for place in (None, "german", "french"):
        write(registry, rollouts.insert().values(rollout_row(f"first-{place}", rule=place)))
        write(registry, rollouts.insert().values(rollout_row(f"waits-{place}", rule=place, occupies=False)))
        with pytest.raises(IntegrityError):
            write(registry, rollouts.insert().values(rollout_row(f"second-{place}", rule=place)))
    write(registry, rollouts.insert().values(rollout_row("elsewhere", environment="staging")))


@pytest.mark.parametrize(
    "forge",
    [
        lambda: update(rollout_decisions).values(kind="advance"),
        lambda: delete(rollout_decisions),
        lambda: update(versions).values(source={"repository": "https://example.org/other"}),
    ],
)
def test_history_stays(registry: Registry, forge: Callable[[], Any]) -> None:
    serve(registry, "1.0.0", "1.0.1")
    decision = {
        "rollout": "one",
        "seq": 1,
        "kind": "start",
        "to_state": "running",
        "reasons": [],
        "evidence": {},
        "actor": "bob",
        "at": AT,
    }
    write(
        registry,
        rollouts.insert().values(rollout_row("one")),
        rollout_decisions.insert().values(decision),
    )
    with pytest.raises(IntegrityError):
        write(registry, forge())

"""What a place serves, as far as it matters to a rollout."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select

from coalmine_registry.deployment_state import DeploymentState, state_of
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.storage.tables import deployments
from coalmine_rollouts.inputs import TREATMENT, Place
from coalmine_rollouts.records import Rollout
from coalmine_schemas.prompts import ServeExperiment

Key = tuple[str, str]
"""Environment and prompt."""


class Deployed:
    """A deployment, as it was read."""

    __slots__ = ("changed_at", "changed_by", "revision", "state")

    def __init__(self, state: DeploymentState, revision: int, changed_by: str, changed_at: datetime) -> None:
        self.state = state
        self.revision = revision
        self.changed_by = changed_by
        self.changed_at = changed_at

    def place(self, rollout: Rollout) -> Place:
        """What the place of a rollout serves."""
        serve = self.state.serves(rollout.rule)
        here = Place(
            revision=self.revision, version=None, changed_by=self.changed_by, changed_at=self.changed_at
        )
        if serve is None:
            return here
        if not isinstance(serve, ServeExperiment):
            return replace(here, version=serve.version)
        experiment = self.state.experiments[serve.experiment]
        weight = next((arm.weight for arm in experiment.arms if arm.variant == TREATMENT), None)
        return replace(here, experiment=serve.experiment, weight=weight, epoch=experiment.allocation_epoch)


def deployed(transaction: Transaction, known: dict[Key, Deployed], wanted: set[Key]) -> dict[Key, Deployed]:
    """Returns deployments; those that have not changed are those that are known."""
    if not wanted:
        return {}
    table = deployments.c
    prompts = sorted({prompt for _, prompt in wanted})
    query = select(table.environment, table.prompt, table.revision).where(table.prompt.in_(prompts))
    found = {}
    for row in transaction.all(query):
        key = (row.environment, row.prompt)
        if key in wanted:
            before = known.get(key)
            found[key] = before if before is not None and before.revision == row.revision else None
    return {key: each or _read(transaction, key) for key, each in found.items()}


def _read(transaction: Transaction, key: Key) -> Deployed:
    table = deployments.c
    row: Any = transaction.one(select(deployments).where(table.environment == key[0], table.prompt == key[1]))
    return Deployed(state_of(row.served, row.defaults), row.revision, row.changed_by, row.changed_at)

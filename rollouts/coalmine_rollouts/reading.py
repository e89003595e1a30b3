"""Reads what the registry says about rollouts: one consistent state, few queries however many there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from coalmine_registry.operations.freezes import is_in_force
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.operations.versions import contents_with_includes
from coalmine_registry.semantic_version import semantic_version
from coalmine_registry.storage.rollout_tables import freezes, rollouts
from coalmine_rollouts import storage
from coalmine_rollouts.inputs import Place, Row
from coalmine_rollouts.place import Deployed, Key, deployed
from coalmine_rollouts.records import Command
from coalmine_rollouts.starting import frozen_words
from coalmine_schemas.prompts import reference_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """What the registry says."""

    rows: Sequence[Row]
    deployed: Mapping[Key, Deployed]
    frozen: Mapping[Key, str]
    """Who froze it, until when and why, where it is frozen."""
    commands: Mapping[str, Sequence[Command]]
    """Those that wait, by rollout."""
    unfinished: Mapping[str, Sequence[str]]
    """Rollouts that must be completed before, and are not, by rollout."""
    holders: Mapping[tuple[str, str, str | None], str]
    """The rollout that holds each place."""
    same_model: Mapping[str, bool]
    """False for rollouts whose versions ask for different models."""

    def queued_behind(self, row: Row) -> str | None:
        """The rollout that holds the place of one that waits; None if none does."""
        rollout = row.rollout
        holder = self.holders.get((rollout.environment, rollout.prompt, rollout.rule))
        return None if holder == rollout.id else holder

    def treatment_gone(self, row: Row, place: Place | None) -> str | None:
        """Why a rollout that waited in a queue is not needed any more."""
        rollout = row.rollout
        if rollout.state != "pending" or rollout.occupies or place is None or place.version is None:
            return None
        if self.queued_behind(row) is not None or place.version == rollout.control:
            return None
        if semantic_version(place.version) >= semantic_version(rollout.treatment):
            return f"{place.version} is served there by now, which is no older than {rollout.treatment}"
        return None


def read_registered(tx: Transaction, rows: Sequence[Row], known: Mapping[Key, Deployed]) -> Registered:
    """Reads what matters to some rollouts.

    Args:
        tx: Where to read.
        rows: The rollouts.
        known: Deployments as they were read before.
    """
    keys = {(row.rollout.environment, row.rollout.prompt) for row in rows}
    return Registered(
        rows=rows,
        deployed=deployed(tx, dict(known), keys),
        frozen=_frozen(tx, keys),
        commands=storage.open_commands(tx, [row.rollout.id for row in rows]),
        unfinished={
            row.rollout.id: tuple(storage.unfinished(tx, row.rollout.plan.after))
            for row in rows
            if row.rollout.state == "pending" and row.rollout.plan.after
        },
        holders=_holders(tx),
        same_model={row.rollout.id: _same_model(tx, row) for row in rows},
    )


def _frozen(tx: Transaction, keys: set[Key]) -> dict[Key, str]:
    """All freezes are read at once: mostly there is none."""
    found: dict[Key, str] = {}
    query = select(freezes).where(is_in_force(tx.now))
    for row in tx.all(query.order_by(freezes.c.id)):
        for environment, prompt in keys:
            if row.environment in (None, environment) and row.prompt in (None, prompt):
                found.setdefault((environment, prompt), frozen_words(row.frozen_by, row.until, row.reason))
    return found


def _holders(tx: Transaction) -> dict[tuple[str, str, str | None], str]:
    table = rollouts.c
    query = select(table.id, table.environment, table.prompt, table.rule).where(table.occupies)
    return {(row.environment, row.prompt, row.rule): row.id for row in tx.all(query)}


_SAME_MODEL: dict[tuple[str, str, str], bool] = {}
"""By prompt and both versions, which never change."""


def _same_model(tx: Transaction, row: Row) -> bool:
    rollout = row.rollout
    key = (rollout.prompt, rollout.treatment, rollout.control)
    if key not in _SAME_MODEL:
        one, other = (reference_to(rollout.prompt, version) for version in key[1:])
        found = contents_with_includes(tx, [one, other])
        if len(_SAME_MODEL) >= 1_000:
            _SAME_MODEL.clear()
        _SAME_MODEL[key] = found[one].model == found[other].model
    return _SAME_MODEL[key]

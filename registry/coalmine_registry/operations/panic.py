"""Panic: everything of a prompt goes back to what served before, at once, and stays there."""

from dataclasses import replace
from typing import Any

from sqlalchemy import Row, select

from coalmine_registry.deployment_state import DeploymentState
from coalmine_registry.freeze_records import FreezeRecord, Panic, PanicEnvironment
from coalmine_registry.operations import deployments, experiments, freezes, rollout_log
from coalmine_registry.operations.approval import withdraw
from coalmine_registry.operations.inputs import environment_name
from coalmine_registry.operations.rollback import can_be_served, replaced_by
from coalmine_registry.operations.steering import LIVE
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.operations.versions import version_names
from coalmine_registry.records import ENVIRONMENTS
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.rollout_tables import rollouts
from coalmine_registry.storage.tables import deployment_revisions
from coalmine_schemas.prompts import ServeExperiment, ServeVersion

_ACTION = "panic"


def panic(
    transaction: Transaction, actor: Actor, prompt: str, reason: str | None, environment: str | None
) -> Panic:
    """Goes back to what served before, ends experiments and rollouts, and freezes the prompt.

    Where an experiment runs, its control returns; else what a rollout in the bake replaced, else the default
    before this one. Nothing stands in the way: no rollout, no freeze, no approval. A second one changes
    nothing.

    Args:
        transaction: Where to do it.
        actor: Who does it.
        prompt: The prompt.
        reason: Why.
        environment: Only there; None wherever the prompt is served.

    Raises:
        Forbidden: The actor is not an author.
        NotFound: The prompt or the environment does not exist, or does not serve it.
        Invalid: There is no reason, or it cannot be stored.
    """
    actor.require(Role.AUTHOR, "panic")
    given = freezes.needed_reason(reason)
    version_names(transaction, prompt)
    there = ENVIRONMENTS if environment is None else (environment_name(environment),)
    served = [deployments.current(transaction, each, prompt) for each in there]
    if environment is not None:
        served[0].deployed()
    gone_back = tuple(_go_back(transaction, actor, each, given) for each in served if each.state is not None)
    return Panic(prompt, gone_back, _freeze(transaction, actor, environment, prompt, given))


def _go_back(
    transaction: Transaction, actor: Actor, before: deployments.Current, reason: str
) -> PanicEnvironment:
    environment, prompt, state = before.environment, before.prompt, before.deployed()
    live = transaction.all(
        select(rollouts)
        .where(rollouts.c.environment == environment, rollouts.c.prompt == prompt)
        .where(rollouts.c.state.in_(LIVE))
        .order_by(rollouts.c.id)
    )
    controls = {row.rule: (row.treatment, row.control) for row in live if row.state != "pending"}
    after = state
    if not _is_last(transaction, before):
        after = replace(_earlier(transaction, prompt, state, controls), offered=())
    revision = None
    if after != state:
        for name in state.experiments:
            experiments.end(transaction, actor, name, None)
        made = deployments.change(
            transaction, actor, before, after, action=_ACTION, reason=reason, returns=True
        )
        less = (state.versions() | {*state.defaults}) - after.versions()
        withdraw(transaction, actor, environment, prompt, shown_less=sorted(less), after=after)
        revision = made.revision
    for row in live:
        _end_rollout(transaction, actor, row, revision=revision, reason=reason)
    return PanicEnvironment(
        environment=environment,
        revision=revision or before.revision,
        before=state.version,
        version=after.version,
        changed=after != state,
        experiments=tuple(state.experiments) if after != state else (),
        rollouts=tuple(row.id for row in live),
    )


def _earlier(
    transaction: Transaction,
    prompt: str,
    state: DeploymentState,
    controls: dict[str | None, tuple[str, str]],
) -> DeploymentState:
    """Returns what served before.

    Args:
        transaction: Where to look.
        prompt: The prompt.
        state: What is served now.
        controls: Treatment and control of each rollout, by its rule.
    """
    replaced = replaced_by(transaction, state)
    baked = {
        rule for rule, (treatment, _) in controls.items() if state.serves(rule) == ServeVersion(treatment)
    }
    if isinstance(state.default, ServeExperiment):
        target: str | None = replaced[state.default.experiment]
    elif None in baked:
        target = controls[None][1]
    elif state.experiments or baked:
        target = state.version
    else:
        target = state.previous(lambda version: can_be_served(transaction, prompt, version))
    after = state if target is None else state.rolled_back(target, replaced, lambda _: True)
    for rule in baked - {None}:
        after = after.returned(rule, controls[rule][1])
    return after


def _is_last(transaction: Transaction, before: deployments.Current) -> bool:
    """Returns True if the latest change was a panic: it has gone back already."""
    table = deployment_revisions
    query = select(table.c.action).where(
        table.c.environment == before.environment,
        table.c.prompt == before.prompt,
        table.c.revision == before.revision,
    )
    row = transaction.one(query)
    return row is not None and row.action == _ACTION


def _end_rollout(
    transaction: Transaction,
    actor: Actor,
    row: Row[Any],
    *,
    revision: int | None,
    reason: str,
) -> None:
    ended = "cancelled" if row.state == "pending" else "aborted"  # the first never had traffic
    told = [f"panic: {reason}"]
    transaction.update(
        rollouts,
        rollouts.c.id == row.id,
        {
            "state": ended,
            "reasons": told,
            "holds": [],
            "occupies": False,
            "ended_at": transaction.now,
            "row_version": rollouts.c.row_version + 1,
            **({} if revision is None else {"revision": revision}),
        },
    )
    rollout_log.close_commands(transaction, row.id, f"it is {ended} already")
    decision = {
        "rollout": row.id,
        "seq": rollout_log.next_seq(transaction, row.id),
        "kind": _ACTION,
        "from_state": row.state,
        "to_state": ended,
        "from_stage": row.stage,
        "to_stage": row.stage,
        "weights": None,
        "reasons": told,
        "evidence": {},
        "actor": actor.subject,
        "at": transaction.now,
        "revision": revision,
    }
    rollout_log.insert_decision(transaction, row._asdict(), decision)


def _freeze(
    transaction: Transaction, actor: Actor, environment: str | None, prompt: str, reason: str
) -> FreezeRecord:
    """Returns a freeze of the prompt that somebody has to end; makes one if none stands."""
    for each in ENVIRONMENTS if environment is None else (environment,):
        for found in freezes.standing(transaction, each, prompt):
            if (found.environment, found.prompt, found.until) == (environment, prompt, None):
                return found
    return freezes.insert(
        transaction, actor, reason, environment, prompt, starts_at=transaction.now, until=None
    )

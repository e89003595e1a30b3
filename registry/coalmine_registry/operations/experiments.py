"""Experiments: several versions at once, each unit staying with its own."""

import math
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Row, select

from coalmine_registry.errors import Conflict, Invalid, NotFound
from coalmine_registry.operations import deployments
from coalmine_registry.operations.approval import approve_where_needed
from coalmine_registry.operations.inputs import (
    check_revision,
    environment_name,
    evidence_given,
    reason_given,
    storable,
)
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.records import AllocationEpoch, Evidence, ExperimentRecord
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.tables import experiment_epochs, experiments
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompts import Arm, Experiment, ServeVersion, check_arms, check_prompt_name
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.snapshot import arm_json, parse_arm

_MOST_ARMS: Final = 20
_LONGEST_NAME: Final = 100
_CONTROL: Final = "control"
_SALT_BYTES: Final = 16


def start(
    transaction: Transaction,
    actor: Actor,
    environment: str,
    prompt: str,
    name: str,
    *,
    arms: Sequence[Arm],
    rule: str | None,
    evidence: Sequence[Evidence],
    reason: str | None,
    expected_revision: int | None,
) -> ExperimentRecord:
    """Begins an experiment in the place of the default or of a rule's version.

    Raises:
        Forbidden: The actor is no approver, or wrote an arm's version that nobody else has approved there.
        NotFound: Nothing is served yet, or there is no such rule or version.
        Conflict: The name was used before, another experiment stands there, or a version is retired.
        EvidenceMissing: A version not yet approved there lacks evidence.
        StaleRevision: The deployment has changed since.
        Invalid: Name or arms cannot be taken.
    """
    actor.require(Role.APPROVER, "start experiments")
    given, attached = reason_given(reason), evidence_given(evidence)
    check_prompt_name(name, "the name of the experiment")
    ordered = ordered_arms(arms)
    before = deployments.current(transaction, environment, prompt)
    state = before.deployed()
    check_revision(before.what, expected_revision, before.revision)
    if transaction.one(select(experiments.c.name).where(experiments.c.name == name)) is not None:
        raise Conflict(f"there is or was an experiment {name}: its events would mix; take another name")
    replaced = state.place(rule)
    # Never chosen by a caller: two experiments of one salt would assign alike.
    experiment = Experiment(secrets.token_hex(_SALT_BYTES), 1, ordered)
    after = state.with_experiment(name, rule, experiment)
    approve_where_needed(
        transaction, actor, environment, prompt, served=[arm.version for arm in ordered], evidence=attached
    )
    deployments.change(transaction, actor, before, after, action="start_experiment", reason=given)
    transaction.insert(
        experiments,
        {
            "name": name,
            "environment": environment,
            "prompt": prompt,
            "rule": rule,
            "replaced": replaced.version,
            "salt": experiment.salt,
            "status": "running",
            "started_at": transaction.now,
            "started_by": actor.subject,
        },
    )
    _begin_epoch(transaction, actor, name, 1, ordered)
    return experiment_record(transaction, name)


def set_weights(
    transaction: Transaction,
    actor: Actor,
    name: str,
    weights: Mapping[str, float],
    *,
    reason: str | None,
    expected_revision: int | None,
) -> ExperimentRecord:
    """Changes the weights of a running experiment, which begins its next allocation epoch.

    Args:
        transaction: Where it happens.
        actor: Who does it.
        name: The experiment.
        weights: By arm, of all arms. The last one, the control, may be left out and takes the rest.
        reason: Why.
        expected_revision: Revision of the deployment that the actor has seen.

    Raises:
        Forbidden: The actor is no approver.
        NotFound: There is no such experiment.
        Conflict: It was stopped.
        StaleRevision: The deployment has changed since.
        Invalid: Weights cannot be taken.
    """
    actor.require(Role.APPROVER, "change weights")
    given = reason_given(reason)
    running = _running(transaction, name)
    before = deployments.current(transaction, running.environment, running.prompt)
    check_revision(before.what, expected_revision, before.revision)
    arms = ordered_arms(_reweighted(running.arms, weights))
    epoch = running.allocation_epoch + 1
    after = before.deployed().with_arms(name, arms, epoch)
    deployments.change(transaction, actor, before, after, action="set_weights", reason=given)
    _begin_epoch(transaction, actor, name, epoch, arms)
    return experiment_record(transaction, name)


def stop(
    transaction: Transaction,
    actor: Actor,
    name: str,
    keep: str | None,
    *,
    reason: str | None,
    expected_revision: int | None,
) -> ExperimentRecord:
    """Ends an experiment.

    Args:
        transaction: Where it happens.
        actor: Who does it.
        name: The experiment.
        keep: The arm whose version takes its place; None for what stood there before.
        reason: Why.
        expected_revision: Revision of the deployment that the actor has seen.

    Raises:
        Forbidden: The actor is no approver.
        NotFound: There is no such experiment or arm.
        Conflict: It was stopped before.
        StaleRevision: The deployment has changed since.
    """
    actor.require(Role.APPROVER, "stop experiments")
    given = reason_given(reason)
    running = _running(transaction, name)
    before = deployments.current(transaction, running.environment, running.prompt)
    check_revision(before.what, expected_revision, before.revision)
    version = running.replaced.version  # neither it nor an arm can have been retired meanwhile
    if keep is not None:
        kept = [arm.version for arm in running.arms if arm.variant == keep]
        if not kept:
            raise NotFound(f"{name} has no arm {keep!r:.100}: it has {_names(running.arms)}")
        version = kept[0]
    after = before.deployed().without_experiment(name, version)
    end(transaction, actor, name, keep)
    deployments.change(transaction, actor, before, after, action="stop_experiment", reason=given)
    return experiment_record(transaction, name)


def end(transaction: Transaction, actor: Actor, name: str, kept: str | None) -> None:
    """Notes that an experiment runs no more; what is served instead is the caller's to change."""
    values = {
        "status": "stopped",
        "stopped_at": transaction.now,
        "stopped_by": actor.subject,
        "kept": kept,
    }
    transaction.update(experiments, experiments.c.name == name, values)


def experiment_record(transaction: Transaction, name: str) -> ExperimentRecord:
    """One experiment with the history of its weights.

    Raises:
        NotFound: There is none.
    """
    row = None
    try:
        check_prompt_name(name)
    except InvalidPrompt:
        pass
    else:
        row = transaction.one(select(experiments).where(experiments.c.name == name))
    if row is None:
        raise NotFound(f"there is no experiment {name:.100}: `experiments` lists all")
    return _record(transaction, row)


def experiment_records(
    transaction: Transaction, environment: str | None, prompt: str | None
) -> list[ExperimentRecord]:
    """Experiments, the newest first.

    Raises:
        NotFound: There is no such environment.
    """
    query = select(experiments).order_by(experiments.c.started_at.desc(), experiments.c.name)
    if environment is not None:
        query = query.where(experiments.c.environment == environment_name(environment))
    if prompt is not None:
        try:
            query = query.where(experiments.c.prompt == check_prompt_name(prompt))
        except InvalidPrompt:
            return []
    return [_record(transaction, row) for row in transaction.all(query)]


def ordered_arms(arms: Sequence[Arm]) -> tuple[Arm, ...]:
    """Arms as they are assigned: treatments first, in the order given, then the control.

    The control is the arm called `control`, else the last one.

    Raises:
        Invalid: There are too few or too many, or names or weights cannot be taken.
    """
    if not 2 <= len(arms) <= _MOST_ARMS:
        raise Invalid("arms", f"a list of {len(arms)}", f"give 2 to {_MOST_ARMS}, the control last")
    for place, arm in enumerate(arms):
        name = storable(f"arms[{place}].variant", arm.variant, _LONGEST_NAME)
        if not name.strip():
            raise Invalid(f"arms[{place}].variant", name, "give it a name, e.g. treatment")
        if not _is_number(arm.weight):
            raise Invalid(f"arms[{place}].weight", arm.weight, "give a share from 0 to 1")
    ordered = tuple(sorted(arms, key=lambda arm: arm.variant == _CONTROL))
    try:
        check_arms(ordered)
    except InvalidParameter as error:
        raise Invalid("arms", _names(ordered), str(error)) from error
    return ordered


def _reweighted(arms: Sequence[Arm], weights: Mapping[str, float]) -> tuple[Arm, ...]:
    wanted = dict(weights)
    last = arms[-1].variant
    for variant, weight in wanted.items():
        if not _is_number(weight):
            raise Invalid(f"weights.{variant:.100}", weight, "give a share from 0 to 1")
    if last not in wanted:
        wanted[last] = max(0.0, 1.0 - math.fsum(wanted.values()))
    names = [arm.variant for arm in arms]
    if set(wanted) != set(names):
        raise Invalid("weights", ", ".join(sorted(wanted)), f"give one for each of {', '.join(names)}")
    return tuple(Arm(arm.variant, arm.version, float(wanted[arm.variant])) for arm in arms)


def _running(transaction: Transaction, name: str) -> ExperimentRecord:
    found = experiment_record(transaction, name)
    if found.status != "running":
        raise Conflict(f"experiment {name} was stopped: start another one")
    return found


def _begin_epoch(transaction: Transaction, actor: Actor, name: str, epoch: int, arms: Sequence[Arm]) -> None:
    transaction.insert(
        experiment_epochs,
        {
            "experiment": name,
            "allocation_epoch": epoch,
            "arms": [arm_json(arm) for arm in arms],
            "started_at": transaction.now,
            "started_by": actor.subject,
        },
    )


def _record(transaction: Transaction, row: Row[Any]) -> ExperimentRecord:
    table = experiment_epochs
    query = select(table).where(table.c.experiment == row.name).order_by(table.c.allocation_epoch)
    epochs = tuple(
        AllocationEpoch(
            each.allocation_epoch,
            tuple(parse_arm(arm, "arms") for arm in each.arms),
            each.started_at,
            each.started_by,
        )
        for each in transaction.all(query)
    )
    return ExperimentRecord(
        name=row.name,
        environment=row.environment,
        prompt=row.prompt,
        rule=row.rule,
        salt=row.salt,
        status=row.status,
        arms=epochs[-1].arms,
        allocation_epoch=epochs[-1].allocation_epoch,
        epochs=epochs,
        replaced=ServeVersion(row.replaced),
        started_at=row.started_at,
        started_by=row.started_by,
        stopped_at=row.stopped_at,
        stopped_by=row.stopped_by,
        kept=row.kept,
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _names(arms: Sequence[Arm]) -> str:
    return ", ".join(arm.variant for arm in arms)

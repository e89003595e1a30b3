"""Experiments: several versions at once, each unit staying with one of them."""

import math
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Row, and_, or_, select

from coalmine_registry.errors import Conflict, Invalid, NameTaken, NotFound
from coalmine_registry.experiment_plan import DEFAULT, CheckPlan, ExperimentPlan, plan_of_content
from coalmine_registry.operations import deployments, freezes, steering
from coalmine_registry.operations.approval import withdraw
from coalmine_registry.operations.evidence import check_new
from coalmine_registry.operations.inputs import (
    check_revision,
    environment_name,
    evidence_given,
    is_storable,
    name_given,
    reason_given,
)
from coalmine_registry.operations.pages import cursor_key, invalid_cursor, page_of
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.operations.versions import contents_with_includes
from coalmine_registry.records import AllocationEpoch, Evidence, ExperimentRecord, ExperimentStatus
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.rollout_tables import rollouts
from coalmine_registry.storage.tables import experiment_epochs, experiments
from coalmine_schemas.errors import InvalidParameter, nearest
from coalmine_schemas.prompts import PREFERRED, Arm, Experiment, check_arms, check_prompt_name
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.snapshot import arm_json, parse_arm
from coalmine_schemas.results import Page

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
    control: str | None,
    plan: ExperimentPlan | None,
    check_plan: CheckPlan,
    evidence: Sequence[Evidence],
    reason: str | None,
    expected_revision: int | None,
    override: bool = False,
    is_rollout: bool = False,
) -> ExperimentRecord:
    """Starts an experiment in place of the default or of a rule's version.

    Without a plan, that of the first arm's version counts (`experiment` in its metadata), else the default.

    Args:
        transaction: Where to do it.
        actor: Who does it; of a rollout, the person who started that.
        environment: Environment that runs it.
        prompt: Prompt whose versions it compares.
        name: A name never used before.
        arms: The treatments, and the control.
        rule: Rule whose version it replaces; None for the default.
        control: Variant of the control; None: the arm called `control`, else the last one.
        plan: How it is judged.
        check_plan: Raises if the plan cannot be followed.
        evidence: For versions that the environment has not served yet.
        reason: Why.
        expected_revision: Revision of the deployment that the actor has seen.
        override: True to start it although a rollout steers the place.
        is_rollout: True for the experiment of the rollout of that name.

    Raises:
        Forbidden: The actor is not an approver, or wrote a version that nobody else has approved there.
        NotFound: Nothing is served yet, or the rule or a version does not exist.
        NameTaken: There is or was an experiment or a rollout of that name.
        Conflict: Another experiment runs there, the version served there is a
            treatment, or a version is retired.
        Steered: A rollout steers the place.
        Frozen: A freeze stands.
        EvidenceMissing: A version not yet approved there lacks evidence.
        StaleRevision: The deployment has changed since.
        Invalid: Name or arms are not valid.
    """
    actor.require(Role.APPROVER, "start experiments")
    given, attached = reason_given(reason), evidence_given(evidence)
    check_prompt_name(name, "the name of the experiment")
    ordered = ordered_arms(arms, control)
    before = deployments.current(transaction, environment, prompt)
    state = before.deployed()
    check_revision(before.what, expected_revision, before.revision)
    _check_name(transaction, name, is_rollout=is_rollout)
    if not is_rollout:
        steering.check_place(transaction, actor, environment, prompt, rule, override=override, reason=given)
    freezes.check(transaction, environment, prompt)
    replaced = state.place(rule)
    _check_control(ordered, replaced.version)
    # Never chosen by a caller: two experiments of one salt would assign alike.
    experiment = Experiment(_new_salt(), 1, ordered)
    after = state.with_experiment(name, rule, experiment)
    served = [arm.version for arm in ordered]
    check_new(transaction, environment, prompt, served=served, known=state.versions(), evidence=attached)
    deployments.change(transaction, actor, before, after, action="start_experiment", reason=given)
    planned = plan if plan is not None else _plan_of_version(transaction, prompt, ordered[0].version)
    check_plan(planned)
    transaction.insert(
        experiments,
        {
            "name": name,
            "environment": environment,
            "prompt": prompt,
            "rule": rule,
            "replaced": replaced.version,
            "salt": experiment.salt,
            "plan": planned.to_json(),
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
    override: bool = False,
) -> ExperimentRecord:
    """Changes the weights of a running experiment, which starts its next allocation epoch.

    The weights it has already change nothing and start none.

    Args:
        transaction: Where to do it.
        actor: Who does it.
        name: The experiment.
        weights: By arm, for all arms. The last one, the control, may be left out and gets the rest.
        reason: Why.
        expected_revision: Revision of the deployment that the actor has seen.
        override: True to change them although a rollout steers the experiment.

    Raises:
        Forbidden: The actor is not an approver, or wrote an arm that would be shown to more than approved.
        NotFound: The experiment does not exist.
        Conflict: It is stopped.
        Steered: A rollout steers it.
        Frozen: A freeze stands, and a treatment would be shown to more.
        StaleRevision: The deployment has changed since.
        Invalid: Weights are not valid.
    """
    actor.require(Role.APPROVER, "change weights", rollout=name)
    given = reason_given(reason)
    running = _running(transaction, name)
    before = deployments.current(transaction, running.environment, running.prompt)
    check_revision(before.what, expected_revision, before.revision)
    arms = ordered_arms(_reweighted(running.arms, weights), running.arms[-1].variant)
    if arms == running.arms:
        return running  # published again: nothing changes, and an epoch less is to be combined
    _check_steering(transaction, actor, running, override=override, reason=given)
    pairs = list(zip(running.arms[:-1], arms[:-1], strict=True))
    if any(new.weight > old.weight for old, new in pairs):
        freezes.check(transaction, running.environment, running.prompt)
    epoch = running.allocation_epoch + 1
    after = before.deployed().with_arms(name, arms, epoch)
    deployments.change(transaction, actor, before, after, action="set_weights", reason=given)
    less = [old.version for old, new in pairs if new.weight < old.weight]
    withdraw(transaction, actor, running.environment, running.prompt, shown_less=less, after=after)
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
    override: bool = False,
) -> ExperimentRecord:
    """Stops an experiment.

    Args:
        transaction: Where to do it.
        actor: Who does it.
        name: The experiment.
        keep: The arm whose version replaces it; None for the version it had replaced.
        reason: Why.
        expected_revision: Revision of the deployment that the actor has seen.
        override: True to stop it although a rollout steers it.

    Raises:
        Forbidden: The actor is not an approver, or wrote the arm, which was approved for fewer people.
        NotFound: The experiment or the arm does not exist.
        Conflict: It is stopped.
        Steered: A rollout steers it.
        Frozen: A freeze stands, and a treatment would be kept.
        StaleRevision: The deployment has changed since.
    """
    actor.require(Role.APPROVER, "stop experiments", rollout=name)
    given = reason_given(reason)
    running = _running(transaction, name)
    before = deployments.current(transaction, running.environment, running.prompt)
    check_revision(before.what, expected_revision, before.revision)
    version = running.replaced  # neither it nor an arm can have been retired meanwhile
    if keep is not None:
        kept = [arm.version for arm in running.arms if arm.variant == keep]
        if not kept:
            raise NotFound(f"{name} has no arm {keep!r:.100}: it has {_names(running.arms)}")
        version = kept[0]
    _check_steering(transaction, actor, running, override=override, reason=given)
    if version not in (running.replaced, running.arms[-1].version):
        freezes.check(transaction, running.environment, running.prompt)
    after = before.deployed().without_experiment(name, version)
    if keep is None:  # what is taken back is not offered either
        after = after.without_offers({arm.version for arm in running.arms} - after.assigned())
    end(transaction, actor, name, keep)
    deployments.change(
        transaction,
        actor,
        before,
        after,
        action="stop_experiment",
        reason=given,
        returns=keep is None and actor.rollout is not None,
    )
    less = [arm.version for arm in running.arms[:-1] if arm.version != version]
    withdraw(transaction, actor, running.environment, running.prompt, shown_less=less, after=after)
    return experiment_record(transaction, name)


def end(transaction: Transaction, actor: Actor, name: str, kept: str | None) -> None:
    """Marks an experiment as stopped; the caller changes what is served instead."""
    values = {
        "status": "stopped",
        "stopped_at": transaction.now,
        "stopped_by": actor.subject,
        "kept": kept,
    }
    transaction.update(experiments, experiments.c.name == name, values)


def experiment_record(transaction: Transaction, name: str) -> ExperimentRecord:
    """Returns one experiment with the history of its weights.

    Raises:
        NotFound: The experiment does not exist.
    """
    row = None
    try:
        check_prompt_name(name)
    except InvalidPrompt:
        pass
    else:
        row = transaction.one(select(experiments).where(experiments.c.name == name))
    if row is None:
        known = [row.name for row in transaction.all(select(experiments.c.name))]
        near = nearest(name, known)
        hint = f"did you mean {near}?" if near else "`coalmine experiment list` lists all"
        raise NotFound(f"no experiment {name!r:.100}: {hint}")
    return _records(transaction, [row])[0]


def prompts_of_experiments(transaction: Transaction) -> dict[str, str]:
    """Returns the prompt of every experiment, by the experiment's name."""
    return {row.name: row.prompt for row in transaction.all(select(experiments.c.name, experiments.c.prompt))}


def experiment_page(
    transaction: Transaction,
    environment: str | None,
    prompt: str | None,
    status: ExperimentStatus | None,
    *,
    limit: int,
    cursor: str | None,
) -> Page[ExperimentRecord]:
    """Returns a page of experiments, newest first.

    Raises:
        NotFound: The environment does not exist.
        Invalid: `limit` or `cursor` is not valid.
    """
    table = experiments
    query = select(table).order_by(table.c.started_at.desc(), table.c.name)
    after = cursor_key(cursor, str)
    if cursor is not None:
        last = transaction.one(select(table.c.started_at).where(table.c.name == after))
        if last is None:
            raise invalid_cursor(cursor)
        same_time = and_(table.c.started_at == last.started_at, table.c.name > after)
        query = query.where(or_(table.c.started_at < last.started_at, same_time))
    if environment is not None:
        query = query.where(table.c.environment == environment_name(environment))
    if prompt is not None:
        if not is_storable(prompt):
            return Page([], None)
        query = query.where(table.c.prompt == prompt)
    if status is not None:
        query = query.where(table.c.status == status)
    page = page_of(transaction.connection, query, limit, lambda row: row, lambda row: (row.name,))
    return Page(_records(transaction, page.items), page.next_cursor)


def ordered_arms(arms: Sequence[Arm], control: str | None = None) -> tuple[Arm, ...]:
    """Returns arms in the order of assignment: treatments first, as given, then the control.

    Args:
        arms: As given.
        control: Variant of the control; None: the arm called `control`, else the last one.

    Raises:
        Invalid: There are too few or too many, or names or weights are not valid.
    """
    if not 2 <= len(arms) <= _MOST_ARMS:
        raise Invalid("arms", f"a list of {len(arms)}", f"give 2 to {_MOST_ARMS}, the control last")
    for place, arm in enumerate(arms):
        name_given(f"arms[{place}].variant", arm.variant, _LONGEST_NAME)
        if arm.variant == PREFERRED:
            raise Invalid(
                f"arms[{place}].variant", arm.variant, "choose another name: it means users who opted in"
            )
        if not _is_number(arm.weight):
            raise Invalid(f"arms[{place}].weight", arm.weight, "give a share from 0 to 1")
    if control is not None and control not in [arm.variant for arm in arms]:
        raise Invalid("control", control, f"name one of the arms: {_names(arms)}")
    last = _CONTROL if control is None else control
    ordered = tuple(sorted(arms, key=lambda arm: arm.variant == last))
    try:
        check_arms(ordered)
    except InvalidParameter as error:
        raise Invalid("arms", _names(ordered), str(error)) from error
    return ordered


def _new_salt() -> str:
    return secrets.token_hex(_SALT_BYTES)


def _check_control(arms: Sequence[Arm], served: str) -> None:
    """Refuses what is served now as a treatment: it would return to everybody when the experiment ends."""
    *treatments, control = arms
    if control.version != served and served in [arm.version for arm in treatments]:
        raise Conflict(
            f"{served}, a treatment, is what is served in that place, and returns when the experiment ends; "
            f"the control {control.variant} is {control.version}: make {served} the control (the last arm, "
            f"or the one called control), or promote {control.version} first"
        )


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
        raise Conflict(f"experiment {name} is stopped: start another one")
    return found


def _check_name(transaction: Transaction, name: str, *, is_rollout: bool) -> None:
    names = [experiments.c.name] if is_rollout else [experiments.c.name, rollouts.c.id]
    if any(transaction.one(select(each).where(each == name)) is not None for each in names):
        raise NameTaken(
            f"an experiment {name} exists or existed: their events would mix; choose another name"
        )


def _check_steering(
    transaction: Transaction, actor: Actor, running: ExperimentRecord, *, override: bool, reason: str | None
) -> None:
    place = (running.environment, running.prompt, running.rule)
    steering.check_place(transaction, actor, *place, override=override, reason=reason)


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


def _records(transaction: Transaction, rows: Sequence[Row[Any]]) -> list[ExperimentRecord]:
    table = experiment_epochs
    query = select(table).where(table.c.experiment.in_([row.name for row in rows]))
    epochs: dict[str, list[AllocationEpoch]] = {}
    for each in transaction.all(query.order_by(table.c.allocation_epoch)):
        epoch = AllocationEpoch(
            each.allocation_epoch,
            tuple(parse_arm(arm, "arms") for arm in each.arms),
            each.started_at,
            each.started_by,
        )
        epochs.setdefault(each.experiment, []).append(epoch)
    return [
        ExperimentRecord(
            **{**row._mapping, "plan": DEFAULT if row.plan is None else ExperimentPlan.from_json(row.plan)},
            arms=epochs[row.name][-1].arms,
            allocation_epoch=epochs[row.name][-1].allocation_epoch,
            epochs=tuple(epochs[row.name]),
        )
        for row in rows
    ]


def _plan_of_version(transaction: Transaction, prompt: str, version: str) -> ExperimentPlan:
    reference = f"{prompt}@{version}"
    return plan_of_content(contents_with_includes(transaction, [reference])[reference])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _names(arms: Sequence[Arm]) -> str:
    return ", ".join(arm.variant for arm in arms)

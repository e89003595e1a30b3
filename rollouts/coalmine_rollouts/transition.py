"""Carries a decision out, all in one transaction: there is no second step that could be lost.

What is served, the rollout, the decision with its evidence, the audit entry and the events change together,
fenced by the row version of the rollout and the revision of the deployment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Final

from coalmine_registry.errors import Refused
from coalmine_registry.experiment_plan import CheckPlan
from coalmine_registry.operations import (
    audit,
    deployments,
    experiments,
    promotions,
    rollout_log,
    steering,
)
from coalmine_registry.operations.evidence import check_kinds
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.records import Evidence
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.rollout_tables import as_shipped
from coalmine_rollouts import storage
from coalmine_rollouts.decide_commands import ALWAYS
from coalmine_rollouts.decide_pending import START
from coalmine_rollouts.decision import Decision
from coalmine_rollouts.inputs import CONTROL, TREATMENT, Row
from coalmine_rollouts.records import TERMINAL, Approval, Decided, Rollout, RolloutDecision
from coalmine_rollouts.stage_clock import StageClock
from coalmine_schemas.prompts import Arm

_UNAUDITED: Final = frozenset(("hold", "release", "wait", "notice", "advise", "refuse", "restart_clock"))
"""Kinds that change neither what is served nor what anybody has to answer for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a decision is carried out with."""

    revision: int | None
    """Of the deployment, as it was read; None: whatever it is."""
    evidence: Mapping[str, Any]
    figures: Mapping[str, Any] | None = None
    """What the version is like, to keep if it completes."""
    replaced_by: str | None = None


def carry_out(
    transaction: Transaction,
    row: Row,
    decision: Decision,
    given: Circumstances,
    check_plan: CheckPlan,
) -> Decided:
    """Carries a decision out.

    Args:
        transaction: Where to do it.
        row: The rollout, as it was read.
        decision: The decision.
        given: What it is carried out with.
        check_plan: Of the registry.

    Raises:
        StaleRevision: The rollout or the deployment has changed since.
        Refused: The registry does not allow it.
    """
    storage.check_current(transaction, row.rollout)
    if decision.command is not None and decision.command.kind not in ALWAYS and decision.kind != "refuse":
        steering.check_still_allowed(transaction, decision.command.actor)
    actor = _actor(row, decision)
    seq = rollout_log.next_seq(transaction, row.rollout.id)
    transaction.rollout = (row.rollout.id, seq)  # what it changes tells so
    revision = _serve(transaction, row, decision, given, check_plan)
    transaction.rollout = None
    after = row_after(row, decision, given, revision, transaction.now)
    if after.rollout.occupies and not row.rollout.occupies:
        _check_free(transaction, row.rollout)
    storage.update(transaction, row, storage.values_of(after))
    _note_people(transaction, row, decision)
    made = RolloutDecision(
        rollout=row.rollout.id,
        seq=seq,
        kind=decision.kind,
        from_state=row.rollout.state,
        to_state=decision.to_state,
        from_stage=row.rollout.stage,
        to_stage=decision.to_stage,
        weights=None if revision is None else _weights(decision),
        reasons=(*decision.reasons, *_requested(transaction, row, decision)),
        evidence=given.evidence,
        actor=actor.subject,
        at=transaction.now,
        revision=revision,
    )
    insert_decision(transaction, after.rollout, made)
    if decision.kind not in _UNAUDITED:
        _audit(transaction, actor, row.rollout, made)
    if decision.to_state == "completed" and given.figures is not None:
        _keep_figures(transaction, row.rollout, given.figures)
    stored = storage.read_row(transaction, row.rollout.id).rollout
    return Decided(stored, made)


def insert_decision(transaction: Transaction, rollout: Rollout, made: RolloutDecision) -> None:
    """Adds a decision, and the event that tells of it."""
    values = {each.name: getattr(made, each.name) for each in fields(made)}
    names = ("id", "environment", "prompt", "rule", "treatment", "control")
    rollout_log.insert_decision(
        transaction,
        {name: getattr(rollout, name) for name in names},
        {**values, "reasons": list(made.reasons)},
    )


def _actor(row: Row, decision: Decision) -> Actor:
    """Who answers for it."""
    return Actor.of_rollout(row.rollout.id) if decision.command is None else decision.command.actor


def _serve(
    transaction: Transaction, row: Row, decision: Decision, given: Circumstances, check_plan: CheckPlan
) -> int | None:
    """Changes what is served; returns the revision of the deployment that this made."""
    rollout = row.rollout
    steers = Actor.of_rollout(rollout.id)
    told: dict[str, Any] = {
        "reason": "; ".join(decision.reasons)[:_LONGEST_REASON],
        "expected_revision": given.revision,
    }
    match decision.act:
        case "start":
            _start(transaction, row, check_plan)
        case "set_weight":
            assert decision.weight is not None
            resumes = decision.command if decision.kind == "resume" else None
            if resumes is not None:  # somebody may have shown it to fewer, which withdrew approvals
                _approve(transaction, row, resumes.actor)
            experiments.set_weights(transaction, steers, rollout.id, {TREATMENT: decision.weight}, **told)
            if resumes is not None:  # as does going back a stage
                _approve(transaction, row, resumes.actor)
        case "stop":
            experiments.stop(transaction, steers, rollout.id, None, **told)
        case "keep":
            experiments.stop(transaction, steers, rollout.id, TREATMENT, **told)
        case "go_back":
            steering.to_control(transaction, steers, rollout.id, **told)
        case _:
            return None
    return _revision(transaction, rollout)


_LONGEST_REASON: Final = 2_000


def _start(transaction: Transaction, row: Row, check_plan: CheckPlan) -> None:
    """Starts the experiment as the person who asked, or who approved it: four eyes hold."""
    rollout, weight = row.rollout, row.rollout.plan.weight(0)
    starter, attached = storage.starter_of(transaction, rollout.id)
    given = [each for each in rollout.approvals if each.what == START]
    person = Actor(given[-1].by, Role(given[-1].role), given[-1].token_id) if given else starter
    steering.check_still_allowed(transaction, person)
    _approve(transaction, row, person)
    check_kinds(
        transaction,
        rollout.environment,
        rollout.prompt,
        rollout.treatment,
        attached,
        required=rollout.plan.requires,
        by=f"the plan of {rollout.id}",
    )
    experiments.start(
        transaction,
        person,
        rollout.environment,
        rollout.prompt,
        rollout.id,
        arms=[Arm(TREATMENT, rollout.treatment, weight), Arm(CONTROL, rollout.control, 1.0 - weight)],
        rule=rollout.rule,
        control=CONTROL,
        plan=rollout.plan.experiment_plan(),
        check_plan=check_plan,
        evidence=attached,
        reason=rollout.reason,
        expected_revision=None,
        is_rollout=True,
    )


def _approve(transaction: Transaction, row: Row, person: Actor) -> None:
    rollout = row.rollout
    steering.approve_all(
        transaction,
        person,
        rollout.environment,
        rollout.prompt,
        version=rollout.treatment,
        rule=rollout.rule,
    )


def _revision(transaction: Transaction, rollout: Rollout) -> int:
    return deployments.current(transaction, rollout.environment, rollout.prompt).revision


def row_after(row: Row, decision: Decision, given: Circumstances, revision: int | None, now: datetime) -> Row:
    """Returns a rollout as a decision leaves it.

    Args:
        row: Before it.
        decision: The decision.
        given: What it is carried out with.
        revision: Of the deployment that it made; None: it changed nothing that is served.
        now: When.
    """
    rollout = row.rollout
    ends = decision.to_state in TERMINAL and rollout.state not in TERMINAL
    keeps = decision.to_state == rollout.state and decision.kind != "wait"
    return replace(
        row,
        rollout=replace(
            rollout,
            control=decision.rebase_to or rollout.control,
            state=decision.to_state,
            stage=decision.to_stage,
            reasons=rollout.reasons if keeps else _lasting(decision),
            revision=rollout.revision if revision is None else revision,
            occupies=_occupies(rollout, decision),
            started_at=now if decision.act == "start" else rollout.started_at,
            ended_at=now if ends else rollout.ended_at,
            replaced_by=given.replaced_by or rollout.replaced_by,
        ),
        clock=StageClock(began_at=now) if decision.restart_clock else row.clock,
        held=row.held if decision.held is None else decision.held,
        commanded_at=row.commanded_at if revision is None else now,
        effective_at=decision.effective_at or row.effective_at,
        told=row.told if decision.told is None else (*row.told, decision.told),
    )


def _lasting(decision: Decision) -> tuple[str, ...]:
    """Reasons of a state, which one that runs does not need: it says what is missing."""
    return () if decision.to_state in ("running", "baking") else decision.reasons


def _occupies(rollout: Rollout, decision: Decision) -> bool:
    if decision.to_state in TERMINAL:
        return False
    if decision.to_state == "pending" and decision.kind == "wait":
        return not any(reason.startswith("queued") for reason in decision.reasons)
    return True if decision.act == "start" else rollout.occupies


def _weights(decision: Decision) -> dict[str, float] | None:
    return None if decision.weight is None else {TREATMENT: decision.weight, CONTROL: 1.0 - decision.weight}


def _check_free(transaction: Transaction, rollout: Rollout) -> None:
    if storage.holder_of(transaction, rollout.environment, rollout.prompt, rollout.rule) is not None:
        raise storage.stale(transaction, rollout)  # another one in the queue was first


def _note_people(transaction: Transaction, row: Row, decision: Decision) -> None:
    """Approvals, evidence, answers to commands; whoever asks one that has ended something else is told so."""
    rollout, command = row.rollout, decision.command
    if decision.approved is not None and command is not None:
        person = command.actor
        given = Approval(
            decision.approved, person.subject, person.role.value, person.token_id, transaction.now
        )
        storage.add_approval(transaction, rollout.id, given)
    if decision.rebase_to is not None:
        storage.add_approval(transaction, rollout.id, None)
    if decision.kind == "evidence" and command is not None:
        storage.attach(transaction, rollout.id, [Evidence(**each) for each in command.arguments["evidence"]])
    if command is not None:
        answer = decision.answer or "done"
        rollout_log.close_commands(transaction, rollout.id, answer, command_id=command.id)
    if decision.to_state in TERMINAL:
        rollout_log.close_commands(transaction, rollout.id, f"it is {decision.to_state} already")


def _requested(transaction: Transaction, row: Row, decision: Decision) -> tuple[str, ...]:
    """Requests promotions once a rollout is completed; a refusal is told, and undoes nothing else."""
    rollout = row.rollout
    if decision.to_state != "completed":
        return ()
    starter, attached = storage.starter_of(transaction, rollout.id)
    author = replace(starter, role=Role.AUTHOR)  # who requests: another person decides
    told = []
    for environment in rollout.plan.request_promotion:
        try:
            with transaction.savepoint():
                made = promotions.promote(
                    transaction,
                    author,
                    rollout.prompt,
                    rollout.treatment,
                    environment,
                    evidence=attached,
                    reason=f"completed as {rollout.id} in {rollout.environment}",
                    expected_revision=None,
                )
            told.append(f"promotion to {environment} requested: {made.id}")
        except Refused as error:
            told.append(f"promotion to {environment} could not be requested: {error}")
    return tuple(told)


def _audit(transaction: Transaction, actor: Actor, rollout: Rollout, made: RolloutDecision) -> None:
    audit.record(
        transaction,
        actor,
        f"rollout_{made.kind}",
        prompt=rollout.prompt,
        version=rollout.treatment,
        environment=rollout.environment,
        before={"state": made.from_state, "stage": made.from_stage},
        after={"rollout": rollout.id, "seq": made.seq, "state": made.to_state, "stage": made.to_stage},
        reason="; ".join(made.reasons)[:_LONGEST_REASON] or None,
    )


def _keep_figures(transaction: Transaction, rollout: Rollout, figures: Mapping[str, Any]) -> None:
    transaction.insert(
        as_shipped,
        {
            "rollout": rollout.id,
            "prompt": rollout.prompt,
            "version": rollout.treatment,
            "environment": rollout.environment,
            "figures": dict(figures),
            "at": transaction.now,
        },
    )

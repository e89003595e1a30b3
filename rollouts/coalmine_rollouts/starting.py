"""Adds a rollout, and starts it in the same transaction if nothing is missing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select

from coalmine_registry.errors import Conflict, Invalid, NotFound, Refused
from coalmine_registry.experiment_plan import CheckPlan
from coalmine_registry.operations import deployments, freezes
from coalmine_registry.operations.inputs import (
    check_revision,
    environment_name,
    evidence_given,
    moment,
    reason_given,
)
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.operations.versions import check_servable
from coalmine_registry.records import Evidence
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.rollout_tables import rollouts
from coalmine_registry.storage.tables import deployment_revisions, experiments
from coalmine_rollouts import storage
from coalmine_rollouts.decide_pending import decide_pending
from coalmine_rollouts.decision import Decision, ended
from coalmine_rollouts.inputs import Inputs, Place, Row
from coalmine_rollouts.plan import DEFAULT_PLACE, Mode, RolloutPlan
from coalmine_rollouts.records import Rollout, RolloutDecision
from coalmine_rollouts.refusals import waiting_for
from coalmine_rollouts.stage_clock import StageClock
from coalmine_rollouts.transition import Circumstances, carry_out, insert_decision
from coalmine_schemas.prompts import ServedPrompt, ServeVersion

_KNOWN_DAYS: Final = 14
"""A version that everybody was served within so many days is known."""
_LONGEST_ID: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person asks for; see `Rollouts.start`."""

    actor: Actor
    prompt: str
    version: str
    plan: RolloutPlan
    environment: str | None = None
    rule: str | None = None
    queue: bool = False
    replace: bool = False
    mode: Mode | None = None
    evidence: Sequence[Evidence] = ()
    reason: str | None = None
    start_at: datetime | None = None
    expected_revision: int | None = None
    retry_of: str | None = None


def begin(tx: Transaction, asked: Asked, check_plan: CheckPlan, most_at_once: int) -> Rollout:
    """Adds a rollout. Raises as `Rollouts.start` says."""
    asked.actor.require(Role.AUTHOR, "start rollouts")
    attached, reason = evidence_given(asked.evidence), reason_given(asked.reason)
    environment = _environment(asked)
    plan, prompt = asked.plan, asked.prompt
    rule = asked.rule or (None if plan.place == DEFAULT_PLACE else plan.place)
    start_at = None if asked.start_at is None else moment("start_at", asked.start_at)
    before = deployments.current(tx, environment, prompt)
    check_revision(before.what, asked.expected_revision, before.revision)
    place = _place(before, rule)
    check_servable(tx, prompt, asked.version)
    check_plan(plan.experiment_plan())
    holder = storage.holder_of(tx, environment, prompt, rule)
    control = _control(place, holder, asked)
    if asked.version == control:
        raise Conflict(f"{prompt}@{control} is what {environment} serves there: there is nothing to roll out")
    if holder is None:
        _check_room(tx, environment, most_at_once)
    rollout = Rollout(
        id=_id(tx, prompt, asked.version),
        environment=environment,
        prompt=prompt,
        rule=rule,
        treatment=asked.version,
        control=control,
        plan=plan,
        plan_digest=plan.digest(),
        template=plan.template,
        mode=asked.mode or plan.mode,
        state="pending",
        reasons=(),
        stage=0,
        holds=(),
        row_version=1,
        revision=None,
        occupies=holder is None or asked.replace,
        started_by=asked.actor.subject,
        created_at=tx.now,
        started_at=None,
        ended_at=None,
        retry_of=asked.retry_of,
        replaced_by=None,
        approvals=(),
        reason=reason,
    )
    row = Row(
        rollout=rollout,
        clock=StageClock(began_at=tx.now),
        known=_is_known(tx, rollout),
        start_at=start_at,
    )
    if holder is not None and asked.replace:
        _replace(tx, asked.actor, holder, rollout.id, check_plan)
    storage.insert(tx, row, asked.actor, attached)
    insert_decision(tx, rollout, _created(rollout, asked.actor))
    return _try(tx, row, check_plan)


def pending_inputs(tx: Transaction, row: Row, place: Place | None) -> Inputs:
    """Returns what a rollout that has not begun is decided on."""
    rollout = row.rollout
    holder = storage.holder_of(tx, rollout.environment, rollout.prompt, rollout.rule)
    frozen = freezes.standing(tx, rollout.environment, rollout.prompt)
    unfinished = storage.unfinished(tx, rollout.plan.after)
    return Inputs(
        now=tx.now,
        place=place,
        frozen=frozen_words(frozen[0].frozen_by, frozen[0].until, frozen[0].reason) if frozen else None,
        queued_behind=None if holder is None or holder.rollout.id == rollout.id else holder.rollout.id,
        unfinished=tuple(unfinished),
    )


def frozen_words(by: str, until: datetime | None, reason: str) -> str:
    """Returns who froze something, until when and why, in words."""
    end = "" if until is None else f" until {until:%Y-%m-%d %H:%M} UTC"
    return f"by {by}{end}: {reason}"


def _try(tx: Transaction, row: Row, check_plan: CheckPlan) -> Rollout:
    before = deployments.current(tx, row.rollout.environment, row.rollout.prompt)
    inputs = pending_inputs(tx, row, _place(before, row.rollout.rule))
    given = Circumstances(revision=None, evidence={})
    decision = decide_pending(row, inputs)
    if decision is not None and decision.act == "start":
        try:
            with tx.savepoint():
                return carry_out(tx, row, decision, given, check_plan).rollout
        except Refused as error:
            decision = decide_pending(row, replace(inputs, refusals=(waiting_for(error),)))
    if decision is None:
        return row.rollout
    return carry_out(tx, row, decision, given, check_plan).rollout


def _environment(asked: Asked) -> str:
    environment = asked.environment or asked.plan.environment
    if environment is None:
        raise Invalid("environment", None, "say where: the plan names none")
    return environment_name(environment)


def _place(before: deployments.Current, rule: str | None) -> Place:
    state = before.deployed()
    serve = state.serves(rule)
    if serve is None:
        raise NotFound(f"no rule {rule!r:.100} in {before.what}: set it first")
    if isinstance(serve, ServeVersion):
        return Place(revision=before.revision, version=serve.version)
    return Place(revision=before.revision, version=None, experiment=serve.experiment)


def _control(place: Place, holder: Row | None, asked: Asked) -> str:
    if holder is not None:
        other = holder.rollout
        if not asked.replace and not asked.queue:
            raise Conflict(
                f"{other.id} ({other.state}) holds that place: queue this one behind it, replace it (it goes "
                f"back to {other.control}), or abort it first"
            )
        return other.control
    if place.version is None:
        raise Conflict(f"experiment {place.experiment} runs in that place: stop it first")
    return place.version


def _check_room(tx: Transaction, environment: str, most_at_once: int) -> None:
    table = rollouts.c
    (found,) = tx.all(select(func.count()).where(table.environment == environment, table.occupies))
    if found[0] >= most_at_once:
        raise Conflict(
            f"{found[0]} rollouts hold places in {environment}, and at most {most_at_once} may: wait for one "
            "to end, or raise rollouts.most_at_once"
        )


def _replace(tx: Transaction, actor: Actor, holder: Row, by: str, check_plan: CheckPlan) -> None:
    actor.require(Role.APPROVER, "replace rollouts")
    why = f"replaced by {by}, asked for by {actor.subject}"
    decision: Decision = ended(holder, "supersede", "superseded", why)
    if holder.rollout.state != "pending":
        back = ended(holder, "abort", "aborted", why)
        decision = replace(decision, act=back.act, weight=back.weight)
    given = Circumstances(revision=None, evidence={}, replaced_by=by)
    carry_out(tx, holder, decision, given, check_plan)


def _created(rollout: Rollout, actor: Actor) -> RolloutDecision:
    return RolloutDecision(
        rollout=rollout.id,
        seq=1,
        kind="create",
        from_state=None,
        to_state="pending",
        from_stage=None,
        to_stage=0,
        weights=None,
        reasons=() if rollout.reason is None else (rollout.reason,),
        evidence={},
        actor=actor.subject,
        at=rollout.created_at,
        revision=None,
    )


def _id(tx: Transaction, prompt: str, version: str) -> str:
    """Returns an id that no rollout and no experiment has had."""
    plain = "".join(each if each.isalnum() or each in "._-" else "-" for each in version.lower())
    stem = f"ro-{prompt}-{plain}"[: _LONGEST_ID - 7]
    number = 1
    while True:
        name = f"{stem}-{number}"
        if (
            tx.one(select(rollouts.c.id).where(rollouts.c.id == name)) is None
            and tx.one(select(experiments.c.name).where(experiments.c.name == name)) is None
        ):
            return name
        number += 1


def _is_known(tx: Transaction, rollout: Rollout) -> bool:
    """Returns True if the treatment served everybody in that place lately."""
    table = deployment_revisions.c
    query = (
        select(table.served, table.changed_at)
        .where(table.environment == rollout.environment, table.prompt == rollout.prompt)
        .order_by(table.revision.desc())
        .limit(1_000)
    )
    since = tx.now - timedelta(days=_KNOWN_DAYS)
    for row in tx.all(query):
        served = ServedPrompt.from_json(row.served)
        serves = [served.default] if rollout.rule is None else [
            each.serve for each in served.rules if each.name == rollout.rule
        ]  # fmt: skip
        if ServeVersion(rollout.treatment) in serves:
            return True
        if row.changed_at < since:
            break
    return False

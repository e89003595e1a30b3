"""What people ask of rollouts: to start one, and what becomes of it."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from coalmine_registry.defaults import PAGE_SIZE
from coalmine_registry.errors import Conflict, Forbidden, Invalid, NotFound
from coalmine_registry.operations import approval
from coalmine_registry.operations.evidence import check_true
from coalmine_registry.operations.inputs import environment_name, evidence_given, is_storable, reason_given
from coalmine_registry.operations.pages import cursor_key, page_of
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.records import Evidence
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.rollout_tables import as_shipped as as_shipped_table
from coalmine_registry.storage.rollout_tables import rollout_commands, rollout_decisions, rollouts
from coalmine_rollouts import storage
from coalmine_rollouts.decide_commands import refusal
from coalmine_rollouts.plan import Mode, RolloutPlan
from coalmine_rollouts.records import (
    AsShipped,
    CommandKind,
    Rollout,
    RolloutCommand,
    RolloutDecision,
    State,
)
from coalmine_rollouts.starting import Asked, begin
from coalmine_schemas.results import Page

MOST_AT_ONCE: Final = 5
"""Rollouts that may show something at the same time in one environment, if nothing else is said."""

_BY_AUTHORS: Final[tuple[CommandKind, ...]] = ("abort", "cancel", "evidence")
"""What reduces harm or is checked needs less than the rest, for which an approver is needed."""

_OF_OTHERS: Final[tuple[CommandKind, ...]] = ("approve", "promote_force", "rebase")
"""What nobody does with a version of their own, and neither naming a stage to go on from."""


class Rollouts:
    """Rollouts of one registry. Thread-safe; every method is one transaction.

    Every method may raise what the registry raises, besides the errors of its own.

    Args:
        registry: The registry.
        most_at_once: Rollouts that may show something at the same time in one environment.
    """

    def __init__(self, registry: Registry, *, most_at_once: int = MOST_AT_ONCE) -> None:
        self._registry = registry
        self._most_at_once = most_at_once

    def start(
        self,
        actor: Actor,
        prompt: str,
        version: str,
        plan: RolloutPlan,
        *,
        environment: str | None = None,
        rule: str | None = None,
        queue: bool = False,
        replace: bool = False,
        mode: Mode | None = None,
        evidence: Sequence[Evidence] = (),
        reason: str | None = None,
        start_at: datetime | None = None,
        expected_revision: int | None = None,
    ) -> Rollout:
        """Asks for a rollout, which begins at once if nothing is missing.

        Args:
            actor: Who asks: the experiment is started in the name of this person.
            prompt: Name of the prompt.
            version: The treatment.
            plan: How it is rolled out.
            environment: Where; None: as the plan says.
            rule: The place, a rule; None: as the plan says.
            queue: True to wait while another rollout holds the place.
            replace: True to end the rollout that holds the place.
            mode: None: as the plan says.
            evidence: For the version.
            reason: Why.
            start_at: Not to begin before.
            expected_revision: Revision of the deployment that the actor has seen.

        Returns:
            The rollout, `pending` with what it waits for, or `running`.

        Raises:
            Forbidden: The actor is no author.
            NotFound: Prompt, version, environment or rule does not exist, or nothing is served.
            Conflict: The place is taken, serves this version already, or too many rollouts run.
            StaleRevision: The deployment has changed since.
            Invalid: No environment is named, or the plan cannot be followed.
        """
        asked = Asked(
            actor=actor,
            prompt=prompt,
            version=version,
            plan=plan,
            environment=environment,
            rule=rule,
            queue=queue,
            replace=replace,
            mode=mode,
            evidence=evidence,
            reason=reason,
            start_at=start_at,
            expected_revision=expected_revision,
        )
        return self._registry.transact(
            lambda tx: begin(tx, asked, self._registry.check_plan, self._most_at_once)
        )

    def retry(
        self, actor: Actor, rollout_id: str, *, reason: str | None = None, evidence: Sequence[Evidence] = ()
    ) -> Rollout:
        """Tries an ended rollout again: a new one with the same plan, and a new salt.

        Raises:
            NotFound: There is no such rollout.
            Conflict: It has not ended, or is completed; or as for `start`.
        """
        before, attached = self._registry.read(
            lambda tx: (storage.read_row(tx, rollout_id).rollout, storage.starter_of(tx, rollout_id)[1])
        )
        if not before.is_terminal or before.state == "completed":
            raise Conflict(
                f"{rollout_id} is {before.state}: only what ended without completing is tried again"
            )
        asked = Asked(
            actor=actor,
            prompt=before.prompt,
            version=before.treatment,
            plan=before.plan,
            environment=before.environment,
            rule=before.rule,
            mode=before.mode,
            evidence=tuple(dict.fromkeys((*attached, *evidence))),
            reason=reason,
            retry_of=before.id,
        )
        return self._registry.transact(
            lambda tx: begin(tx, asked, self._registry.check_plan, self._most_at_once)
        )

    def pause(
        self, actor: Actor, rollout_id: str, *, reason: str | None = None, row_version: int | None = None
    ) -> RolloutCommand:
        """Asks to pause: weights stay, and harm is still watched and acted upon. See `ask`."""
        return self.ask(actor, rollout_id, "pause", reason=reason, row_version=row_version)

    def resume(
        self,
        actor: Actor,
        rollout_id: str,
        *,
        stage: int | None = None,
        reason: str | None = None,
        row_version: int | None = None,
    ) -> RolloutCommand:
        """Asks to go on, in the same stage or the one named, whose clock restarts. See `ask`."""
        return self.ask(actor, rollout_id, "resume", stage=stage, reason=reason, row_version=row_version)

    def approve(
        self, actor: Actor, rollout_id: str, *, reason: str | None = None, row_version: int | None = None
    ) -> RolloutCommand:
        """Approves the start, or the next step if the plan asks for that. See `ask`."""
        return self.ask(actor, rollout_id, "approve", reason=reason, row_version=row_version)

    def promote_force(
        self, actor: Actor, rollout_id: str, *, reason: str, row_version: int | None = None
    ) -> RolloutCommand:
        """Asks to show it to everybody without proof. See `ask`."""
        return self.ask(actor, rollout_id, "promote_force", reason=reason, row_version=row_version)

    def abort(
        self, actor: Actor, rollout_id: str, *, reason: str | None = None, row_version: int | None = None
    ) -> RolloutCommand:
        """Asks to take it back: accepted in every state that is not terminal. See `ask`."""
        return self.ask(actor, rollout_id, "abort", reason=reason, row_version=row_version)

    def cancel(
        self, actor: Actor, rollout_id: str, *, reason: str | None = None, row_version: int | None = None
    ) -> RolloutCommand:
        """Asks not to begin. See `ask`."""
        return self.ask(actor, rollout_id, "cancel", reason=reason, row_version=row_version)

    def rebase(
        self, actor: Actor, rollout_id: str, *, reason: str | None = None, row_version: int | None = None
    ) -> RolloutCommand:
        """Asks to compare with what the place serves by now. See `ask`."""
        return self.ask(actor, rollout_id, "rebase", reason=reason, row_version=row_version)

    def give_evidence(
        self,
        actor: Actor,
        rollout_id: str,
        evidence: Sequence[Evidence],
        *,
        reason: str | None = None,
        row_version: int | None = None,
    ) -> RolloutCommand:
        """Gives a pending rollout evidence that it lacks. See `ask`.

        Raises:
            EvidenceRefused: It does not exist, did not pass, or is about another content.
        """
        return self.ask(
            actor, rollout_id, "evidence", evidence=evidence, reason=reason, row_version=row_version
        )

    def ask(
        self,
        actor: Actor,
        rollout_id: str,
        kind: CommandKind,
        *,
        stage: int | None = None,
        evidence: Sequence[Evidence] = (),
        reason: str | None = None,
        row_version: int | None = None,
    ) -> RolloutCommand:
        """Asks something of a rollout; the next tick carries it out, even after a restart.

        Args:
            actor: Who asks.
            rollout_id: Id of the rollout.
            kind: What to do.
            stage: Of `resume`: the stage to go on with.
            evidence: Of `evidence`: for the treatment.
            reason: Why.
            row_version: Row version that the actor has seen.

        Raises:
            Forbidden: The role does not allow it, or the actor wrote what is to be approved.
            NotFound: There is no such rollout.
            Conflict: Its state does not allow it, or it has changed since.
            Invalid: A reason is missing.
        """
        verb = "give evidence to" if kind == "evidence" else kind
        actor.require(Role.AUTHOR if kind in _BY_AUTHORS else Role.APPROVER, f"{verb} rollouts")
        why, attached = reason_given(reason), evidence_given(evidence)
        if kind == "evidence" and not attached:
            raise Invalid("evidence", "empty", "give one, e.g. eval_run=ID")
        if kind == "promote_force" and why is None:
            raise Invalid("reason", reason, "say why it is shown to everybody without proof")

        def work(tx: Transaction) -> RolloutCommand:
            row = storage.read_row(tx, rollout_id)
            if (refused := refusal(kind, row.rollout, row_version)) is not None:
                raise Conflict(refused)
            if kind in _OF_OTHERS or stage is not None:
                _check_other(tx, actor, row.rollout, kind)
            check_true(tx, row.rollout.prompt, [row.rollout.treatment], attached)
            arguments: dict[str, Any] = {} if stage is None else {"stage": stage}
            if attached:
                arguments["evidence"] = [asdict(each) for each in attached]
            values = {
                "rollout": rollout_id,
                "kind": kind,
                "actor": actor.subject,
                "role": actor.role.value,
                "token_id": actor.token_id,
                "reason": why,
                "arguments": arguments,
                "seen_row_version": row_version,
                "asked_at": tx.now,
            }
            made = tx.connection.execute(rollout_commands.insert().values(values)).inserted_primary_key
            assert made is not None
            return _command(tx, made[0])

        return self._registry.transact(work)

    def rollout(self, rollout_id: str) -> Rollout:
        """Returns one rollout; raises NotFound."""
        return self._registry.read(lambda tx: storage.read_row(tx, rollout_id).rollout)

    def rollouts(
        self,
        environment: str | None = None,
        prompt: str | None = None,
        states: Collection[State] = (),
        *,
        limit: int = PAGE_SIZE,
        cursor: str | None = None,
    ) -> Page[Rollout]:
        """Returns rollouts, newest first; raises Invalid or NotFound."""
        table = rollouts.c

        def work(tx: Transaction) -> Page[Rollout]:
            query = select(rollouts).order_by(table.created_at.desc(), table.id.desc())
            last = cursor_key(cursor, str)
            if last is not None:
                before = storage.read_row(tx, last).rollout
                query = query.where(
                    (table.created_at < before.created_at)
                    | ((table.created_at == before.created_at) & (table.id < before.id))
                )
            if environment is not None:
                query = query.where(table.environment == environment_name(environment))
            if prompt is not None:
                query = query.where(table.prompt == (prompt if is_storable(prompt) else ""))
            if states:
                query = query.where(table.state.in_(sorted(states)))
            return page_of(
                tx.connection, query, limit, lambda row: storage.row_of(row).rollout, lambda row: (row.id,)
            )

        return self._registry.read(work)

    def decisions(
        self, rollout_id: str, *, limit: int = PAGE_SIZE, cursor: str | None = None
    ) -> Page[RolloutDecision]:
        """Returns the decisions of a rollout, oldest first; raises NotFound."""
        table = rollout_decisions.c

        def work(tx: Transaction) -> Page[RolloutDecision]:
            storage.read_row(tx, rollout_id)
            query = select(rollout_decisions).where(table.rollout == rollout_id).order_by(table.seq)
            after = cursor_key(cursor, int)
            if after is not None:
                query = query.where(table.seq > after)
            return page_of(tx.connection, query, limit, storage.decision_of, lambda row: (row.seq,))

        return self._registry.read(work)

    def command(self, command_id: int) -> RolloutCommand:
        """Returns what was asked, and what came of it; raises NotFound."""
        return self._registry.read(lambda tx: _command(tx, command_id))

    def as_shipped(self, prompt: str, version: str | None = None) -> list[AsShipped]:
        """Returns what versions were like when their rollouts completed, newest first."""
        table = as_shipped_table.c

        def work(tx: Transaction) -> list[AsShipped]:
            query = select(as_shipped_table).where(table.prompt == (prompt if is_storable(prompt) else ""))
            if version is not None:
                query = query.where(table.version == (version if is_storable(version) else ""))
            return [AsShipped(**row._mapping) for row in tx.all(query.order_by(table.at.desc()))]

        return self._registry.read(work)


def _check_other(tx: Transaction, actor: Actor, rollout: Rollout, kind: CommandKind) -> None:
    if approval.is_author(tx, actor, rollout.prompt, rollout.treatment):
        verb = "promote" if kind == "promote_force" else kind
        raise Forbidden(
            f"{actor.subject} wrote {rollout.prompt}@{rollout.treatment}: another person has to {verb} it"
        )


def _command(tx: Transaction, command_id: object) -> RolloutCommand:
    is_id = isinstance(command_id, int) and not isinstance(command_id, bool) and 0 <= command_id < 2**63
    row = tx.one(select(rollout_commands).where(rollout_commands.c.id == command_id)) if is_id else None
    if row is None:
        raise NotFound(f"no command {command_id!r:.40}")
    return storage.command_of(row)

"""What the registry says: rollouts, changes by people, and what was evaluated."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, or_, select

from coalmine_alerts.facts import (
    AccessChange,
    AnsweredBy,
    Change,
    Evaluation,
    RolloutFacts,
    Served,
    VersionPlace,
)
from coalmine_registry.errors import NotFound
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.records import AuditEntry
from coalmine_registry.registry import Registry
from coalmine_registry.storage.rollout_tables import checked_evidence, rollout_decisions, rollouts
from coalmine_registry.storage.tables import audit
from coalmine_rollouts import storage
from coalmine_rollouts.gates import waits_for_person
from coalmine_rollouts.inputs import Row
from coalmine_rollouts.records import Rollout, RolloutDecision
from coalmine_schemas.prompts import ServeVersion, served_words

LOOK_BACK: Final = timedelta(days=1)
_MOST_ROLLOUTS: Final = 500
_MOST_DECISIONS: Final = 5_000
_MOST_CHANGES: Final = 200
_MOST_LINES: Final = 60
"""Of a diff: a message has less room."""
_MOST_DIFFS: Final = 500

_SERVES: Final = frozenset(
    ("promote", "rollback", "set_rules", "start_experiment", "set_weights", "stop_experiment", "panic")
)
"""What changes what is served; what rollouts do stands in their decisions."""
_ACCESS: Final = frozenset(("create_token", "revoke_token", "set_policy"))
_TOLD_OF_ACCESS: Final = frozenset(
    (
        "subject",
        "role",
        "needs_approval",
        "required_evidence",
        "revision",
        "requires_suite",
        "evidence_max_age_days",
    )
)
"""Fields that are told; nothing else is, whatever else an entry holds."""
_OF_ROLLOUT: Final = "rollout:"


class FromRegistry:
    """Reads a registry; for one thread."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._diffs: dict[tuple[str, str, str], tuple[str, ...]] = {}
        self._authors: dict[tuple[str, str], str | None] = {}

    def rollouts(self, now: datetime) -> list[RolloutFacts]:
        """Returns the rollouts that live, or ended within a day, oldest first."""
        since = now - LOOK_BACK

        def work(tx: Transaction) -> tuple[list[Row], list[RolloutDecision], dict[str, datetime]]:
            table = rollouts.c
            query = (
                select(rollouts)
                .where(or_(table.ended_at.is_(None), table.ended_at >= since), table.created_at <= now)
                .order_by(table.created_at.desc(), table.id)
                .limit(_MOST_ROLLOUTS)
            )
            found = [storage.row_of(row) for row in tx.all(query)]
            made = rollout_decisions.c
            among = made.rollout.in_([each.rollout.id for each in found])
            of_these = (
                select(rollout_decisions)
                .where(among, made.at >= since, made.at <= now)
                .order_by(made.at.desc(), made.seq.desc())
                .limit(_MOST_DECISIONS)
            )
            if not found:
                return [], [], {}
            pauses = select(made.rollout, func.max(made.at).label("at")).where(
                among, made.kind == "pause", made.at <= now
            )
            paused = {row.rollout: row.at for row in tx.all(pauses.group_by(made.rollout))}
            return found, [storage.decision_of(row) for row in tx.all(of_these)], paused

        found, decisions, paused = self._registry.read(work)
        of_rollout: dict[str, list[RolloutDecision]] = {}
        for each in reversed(decisions):
            of_rollout.setdefault(each.rollout, []).append(each)
        return [
            RolloutFacts(
                rollout=each,
                decisions=tuple(of_rollout.get(each.id, ())),
                diff=self.diff(each.prompt, each.control, each.treatment),
                author=self.author(each.prompt, each.treatment),
                # Its reasons are those of today: of a state that it was not in then, they say nothing.
                waits_for=waits_for_person(row) if each == row.rollout else None,
                paused_at=paused.get(each.id),
            )
            for row in reversed(found)
            for each in [_as_of(now, row.rollout, of_rollout.get(row.rollout.id, ()))]
        ]

    def changes(self, now: datetime, of_rollouts: Iterable[RolloutFacts]) -> list[Change]:
        """Returns what people changed within a day, oldest first.

        Args:
            now: The time.
            of_rollouts: What these changed is told as theirs, in whose name ever it was done.
        """
        table = audit.c
        made = {
            (each.rollout.environment, each.rollout.prompt, decision.revision)
            for each in of_rollouts
            for decision in each.decisions
        }

        def work(tx: Transaction) -> list[AuditEntry]:
            query = (
                select(audit)
                .where(table.at >= now - LOOK_BACK, table.at <= now, table.action.in_(sorted(_SERVES)))
                .order_by(table.id.desc())
                .limit(_MOST_CHANGES)
            )
            return [AuditEntry(**row._mapping) for row in tx.all(query)]

        return [
            self._change(each, each.environment, each.prompt)
            for each in reversed(self._registry.read(work))
            if each.environment is not None
            and each.prompt is not None
            and not each.actor.startswith(_OF_ROLLOUT)
            and (each.environment, each.prompt, (each.after or {}).get("revision")) not in made
        ]

    def access(self, now: datetime) -> list[AccessChange]:
        """Returns changes of tokens and policies within a day, oldest first."""
        table = audit.c

        def work(tx: Transaction) -> list[AuditEntry]:
            query = (
                select(audit)
                .where(table.at >= now - LOOK_BACK, table.at <= now, table.action.in_(sorted(_ACCESS)))
                .order_by(table.id.desc())
                .limit(_MOST_CHANGES)
            )
            return [AuditEntry(**row._mapping) for row in tx.all(query)]

        return [
            AccessChange(
                id=each.id,
                at=each.at,
                action=each.action,
                actor=each.actor,
                environment=each.environment,
                what=", ".join(
                    f"{name} {value}"
                    for name, value in (each.after or each.before or {}).items()
                    if name in _TOLD_OF_ACCESS and value is not None and value is not False
                ),
                reason=each.reason,
            )
            for each in reversed(self._registry.read(work))
        ]

    def _change(self, entry: AuditEntry, environment: str, prompt: str) -> Change:
        before, after = (_default_version(served) for served in (entry.before, entry.after))
        return Change(
            id=entry.id,
            at=entry.at,
            environment=environment,
            prompt=prompt,
            action=entry.action,
            actor=entry.actor,
            reason=entry.reason,
            before=served_words(entry.before),
            after=served_words(entry.after) or entry.version,
            diff=() if before is None or after is None else self.diff(prompt, before, after),
        )

    def evaluations(
        self, served: Iterable[Served], answered: Iterable[AnsweredBy], now: datetime
    ) -> list[Evaluation]:
        """Returns what runs of evals that passed say about versions that are served.

        A run is about a model if its summary names it.
        """
        keys = {(each.key.prompt, each.key.version) for each in served}
        models = {each.model for each in answered}
        table = checked_evidence.c

        def work(tx: Transaction) -> list[tuple[str, str, str]]:
            query = (
                select(table.prompt, table.version, table.summary)
                .where(
                    table.kind == "eval_run",
                    table.passed,
                    table.recorded_at <= now,
                    table.prompt.in_(sorted({prompt for prompt, _ in keys})),
                )
                .order_by(table.id)
            )
            return [(row.prompt, row.version, row.summary) for row in tx.all(query)]

        found: dict[tuple[str, str], list[str]] = {}
        for prompt, version, summary in self._registry.read(work) if keys else ():
            if (prompt, version) in keys:
                found.setdefault((prompt, version), []).append(summary)
        return [
            Evaluation(key=each.key, runs=len(runs), models=named_models(runs, models))
            for each in served
            if (runs := found.get((each.key.prompt, each.key.version)))
        ]

    def is_served(self, key: VersionPlace, now: datetime) -> bool:
        """Returns True if a version was served somewhere in its environment, to whomever."""
        try:
            found = self._registry.deployment_at(key.environment, key.prompt, now)
        except NotFound:
            return False
        serves = (found.default, *(rule.serve for rule in found.rules))
        return any(isinstance(each, ServeVersion) and each.version == key.version for each in serves) or any(
            arm.version == key.version for each in found.experiments.values() for arm in each.arms
        )

    def diff(self, prompt: str, a: str, b: str) -> tuple[str, ...]:
        """Returns what version b changes, line by line; empty if that is not known."""
        key = (prompt, a, b)
        if key not in self._diffs:
            if len(self._diffs) >= _MOST_DIFFS:
                self._diffs.clear()
            try:
                lines = self._registry.diff(prompt, a, b).lines
            except NotFound:
                lines = []
            told = [line.text for line in lines if line.kind in ("same", "added", "removed")]
            self._diffs[key] = tuple(told[:_MOST_LINES])
        return self._diffs[key]

    def author(self, prompt: str, version: str) -> str | None:
        """Returns who registered a version; None if that is not known."""
        key = (prompt, version)
        if key not in self._authors:
            if len(self._authors) >= _MOST_DIFFS:
                self._authors.clear()
            try:
                self._authors[key] = self._registry.version(prompt, version).author
            except NotFound:
                self._authors[key] = None
        return self._authors[key]


def named_models(summaries: Sequence[str], known: Iterable[str]) -> frozenset[str]:
    """Returns those models that a text names as a whole word."""
    text = "\n".join(summaries)
    return frozenset(
        model for model in known if re.search(rf"(?<![\w.:/-]){re.escape(model)}(?![\w/-]|[.:]\w)", text)
    )


def _as_of(now: datetime, rollout: Rollout, decisions: Sequence[RolloutDecision]) -> Rollout:
    """Returns a rollout as it stood at a moment, which in a replay is long ago.

    Args:
        now: The moment.
        rollout: As it stands today.
        decisions: Of the day before the moment, oldest first.
    """
    if rollout.ended_at is not None and rollout.ended_at > now:
        began = rollout.started_at is not None and rollout.started_at <= now
        rollout = replace(rollout, state="running" if began else "pending", ended_at=None)
    if not decisions:
        return rollout
    state, stage = decisions[-1].to_state, decisions[-1].to_stage
    return replace(rollout, state=state, stage=rollout.stage if stage is None else stage)


def versions_of(rollout: Rollout) -> VersionPlace:
    """Returns the version that is rolled out, and where."""
    return VersionPlace(rollout.environment, rollout.prompt, rollout.treatment)


def _default_version(served: Mapping[str, object] | None) -> str | None:
    match (served or {}).get("default"):
        case {"version": str(version)}:
            return version
        case _:
            return None

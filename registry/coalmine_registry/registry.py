"""The entry point of the registry: one method per operation, each in a transaction of its own."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, TypeVar

from sqlalchemy import Connection

from coalmine_registry.defaults import IDLE_DAYS, KEEP_NEWEST, PAGE_SIZE
from coalmine_registry.experiment_plan import (
    CheckMetadata,
    CheckPlan,
    ExperimentPlan,
    accept_metadata,
    accept_plan,
)
from coalmine_registry.freeze_records import FreezeRecord, Panic
from coalmine_registry.operations import (
    audit,
    checked_evidence,
    deployments,
    experiments,
    freezes,
    lifecycle,
    offers,
    outbox,
    panic,
    policies,
    promotions,
    rollback,
    rules,
    versions,
)
from coalmine_registry.operations.checked_evidence import EvalRunOf
from coalmine_registry.operations.content_cache import ContentCache
from coalmine_registry.operations.transaction import (
    ArmsToPromote,
    HasSuite,
    Transaction,
    no_readouts,
    no_suites,
)
from coalmine_registry.provenance import CheckedEvidence, VersionSource
from coalmine_registry.records import (
    AuditEntry,
    DeploymentRecord,
    Diff,
    Evidence,
    ExperimentRecord,
    ExperimentStatus,
    Hygiene,
    OutboxEntry,
    Policy,
    Promotion,
    PromotionStatus,
    PromptSummary,
    Registered,
    ServedVersion,
    VersionRecord,
)
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage import Database, check_migrated, migrate
from coalmine_registry.tokens import Tokens
from coalmine_schemas.prompts import Arm, PromptContent, Rule, Snapshot
from coalmine_schemas.results import Page

_log = logging.getLogger("coalmine.registry")

_Result = TypeVar("_Result")


class Registry:
    """A prompt registry on one database. Thread-safe; several processes may share the database.

    Every method may raise `RegistryBusy` or `DatabaseUnavailable` (both Transient: nothing was changed,
    unless the database went away at the moment of committing), besides the errors of its operation.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        check_plan: CheckPlan = accept_plan,
        check_metadata: CheckMetadata = accept_metadata,
    ) -> None:
        """Uses a database that is migrated; use `open` to migrate it first."""
        self._database = database
        self._check_plan = check_plan
        self._check_metadata = check_metadata
        self._clock = clock
        self._contents = ContentCache()
        self._arms_to_promote: ArmsToPromote = no_readouts
        self._has_suite: HasSuite = no_suites
        self._listeners: list[Callable[[str, int], None]] = []
        self._snapshots: dict[str, Snapshot] = {}
        self._lock = threading.Lock()
        self.tokens = Tokens(self.read, self.transact)

    @classmethod
    def open(
        cls,
        address: str | Path,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        check_plan: CheckPlan = accept_plan,
        check_metadata: CheckMetadata = accept_metadata,
        migrates: bool = True,
    ) -> Self:
        """Opens a registry; creates or migrates its tables first if needed.

        Args:
            address: Path of a SQLite file, `sqlite:///...` or `postgresql+psycopg://...`.
            clock: Returns the current time, with a time zone.
            check_plan: Called with the plan of an experiment before it starts; raises InvalidParameter if its
                metrics cannot be judged.
            check_metadata: Called with the metadata of a version before it is registered; raises
                InvalidPrompt if they are not valid.
            migrates: False: waits for another process to make or migrate the tables.

        Raises:
            DatabaseMisconfigured: The address is not a usable database URL.
            DatabaseTooNew: A newer Coalmine has migrated it.
            DatabaseUnavailable: The database does not answer, or waits to be migrated.
        """
        database = Database(address)
        try:
            (migrate if migrates else check_migrated)(database)
        except BaseException:
            database.close()
            raise
        return cls(database, clock, check_plan, check_metadata)

    def close(self) -> None:
        """Closes all connections."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def transact(self, work: Callable[[Transaction], _Result]) -> _Result:
        """Does several operations in one transaction: all of them, or none.

        Args:
            work: Called with the transaction, which `coalmine_registry.operations` take, and once more if
                another writer came between. Whatever it raises undoes everything. Others wait for it.

        Returns:
            What `work` returned.
        """

        def run(transaction: Transaction) -> tuple[_Result, dict[str, int]]:
            return work(transaction), transaction.changed

        result, changed = self._database.write(lambda connection: run(self._transaction(connection)))
        for environment, revision in changed.items():
            for callback in tuple(self._listeners):
                try:
                    callback(environment, revision)
                except Exception:  # noqa: BLE001 - the change is committed, whether or not a listener fails
                    _log.exception("a listener failed on %s at revision %d", environment, revision)
        return result

    def read(self, work: Callable[[Transaction], _Result]) -> _Result:
        """Reads several things on one consistent state; `work` may be called again. Others do not wait."""
        return self._database.read(lambda connection: work(self._transaction(connection)))

    @property
    def check_plan(self) -> CheckPlan:
        """Checks the plan of an experiment before it starts."""
        return self._check_plan

    def ask_readouts(self, arms_to_promote: ArmsToPromote) -> None:
        """Has evidence of kind `readout` or `experiment` checked against readouts, too.

        Until then it counts if the experiment exists and has shown the version.

        Args:
            arms_to_promote: Called with the name of an experiment, within a transaction that others wait for.
                It returns the arms that the readout says to promote, or None if there is no readout to ask.
        """
        self._arms_to_promote = arms_to_promote

    def ask_suites(self, has_suite: HasSuite) -> None:
        """Has policies that require a suite of evaluations find it. Until then no prompt has one.

        Args:
            has_suite: Called with the name of a prompt, within a transaction that others wait for.
        """
        self._has_suite = has_suite

    def on_change(self, callback: Callable[[str, int], None]) -> None:
        """Registers a callback, which gets an environment and its new revision after each change made here.

        It runs in the thread that made the change and must return quickly. Its errors are only logged, as
        the change is committed. Changes by other processes show in `environment_revision`.
        """
        self._listeners.append(callback)

    # Versions

    def register(
        self,
        actor: Actor,
        name: str,
        version: str,
        content: PromptContent,
        source: VersionSource | None = None,
    ) -> Registered:
        """Registers a version; registering it again does nothing. See `versions.register`."""
        actor.require(Role.AUTHOR, "register versions")
        # Checking templates takes a while: it is done before the write transaction, which others wait for.
        self.classify(name, version, content)
        return self.transact(
            lambda tx: versions.register(tx, actor, name, version, content=content, source=source)
        )

    def classify(self, name: str, version: str, content: PromptContent) -> Registered:
        """Returns what `register` would do, or raises what it would raise. See `versions.propose`."""
        return self.read(lambda tx: versions.propose(tx, name, version, content, self._check_metadata))

    def version(self, name: str, version: str) -> VersionRecord:
        """Returns one version, whatever its status; raises NotFound."""
        return self.read(lambda tx: versions.version_record(tx, name, version))

    def versions(self, name: str, limit: int = PAGE_SIZE, cursor: str | None = None) -> Page[VersionRecord]:
        """Returns versions of a prompt, highest first by precedence; raises NotFound."""
        return self.read(lambda tx: versions.version_page(tx, name, limit, cursor))

    def diff(self, name: str, a: str, b: str) -> Diff:
        """Compares two versions of a prompt; raises NotFound."""
        return self.read(lambda tx: versions.diff(tx, name, a, b))

    def prompt(self, name: str) -> PromptSummary:
        """Returns one prompt; raises NotFound."""
        return self.read(lambda tx: versions.prompt_summary(tx, name))

    def prompts(self, limit: int = PAGE_SIZE, cursor: str | None = None) -> Page[PromptSummary]:
        """Returns prompts by name."""
        return self.read(lambda tx: versions.prompt_page(tx, limit, cursor))

    def retire(self, actor: Actor, name: str, version: str, reason: str | None = None) -> VersionRecord:
        """Retires a version for good. See `lifecycle.retire`."""
        return self.transact(lambda tx: lifecycle.retire(tx, actor, name, version, reason))

    def archive(self, actor: Actor, name: str, version: str, reason: str | None = None) -> VersionRecord:
        """Archives a retired version. See `lifecycle.archive`."""
        return self.transact(lambda tx: lifecycle.archive(tx, actor, name, version, reason))

    def hygiene(
        self,
        last_used: Mapping[tuple[str, str], datetime] | None,
        keep_newest: int = KEEP_NEWEST,
        idle_days: int = IDLE_DAYS,
    ) -> Hygiene:
        """Lists active versions that are not used. See `lifecycle.hygiene`."""
        return self.read(lambda tx: lifecycle.hygiene(tx, last_used, keep_newest, idle_days))

    # Environments

    def policy(self, environment: str) -> Policy:
        """Returns what an environment requires; raises NotFound."""
        return self.read(lambda tx: policies.policy(tx, environment))

    def set_policy(
        self,
        actor: Actor,
        environment: str,
        required_evidence: Sequence[str],
        expected_revision: int | None = None,
        *,
        requires_suite: bool = False,
        evidence_max_age_days: int | None = None,
    ) -> Policy:
        """Changes what an environment requires. See `policies.set_policy`."""
        return self.transact(
            lambda tx: policies.set_policy(
                tx,
                actor,
                environment,
                required_evidence,
                expected_revision,
                requires_suite=requires_suite,
                evidence_max_age_days=evidence_max_age_days,
            )
        )

    def record_evidence(
        self,
        actor: Actor,
        kind: str,
        prompt: str,
        version: str,
        *,
        passed: bool,
        summary: str,
        url: str | None = None,
        run: EvalRunOf | None = None,
    ) -> CheckedEvidence:
        """Records what was found out about a version. See `checked_evidence.record`."""
        return self.transact(
            lambda tx: checked_evidence.record(
                tx, actor, kind, prompt, version, passed=passed, summary=summary, url=url, run=run
            )
        )

    def evidence(self, evidence_id: str) -> CheckedEvidence:
        """Returns evidence that was recorded; raises NotFound."""
        return self.read(lambda tx: checked_evidence.found(tx, evidence_id))

    def evidence_of(
        self, prompt: str, version: str | None = None, *, limit: int = PAGE_SIZE, cursor: str | None = None
    ) -> Page[CheckedEvidence]:
        """Returns evidence about a prompt or one version of it, newest first; raises NotFound."""
        return self.read(lambda tx: checked_evidence.page(tx, prompt, version, limit, cursor))

    def promote(  # noqa: PLR0917 - in the order of a sentence
        self,
        actor: Actor,
        prompt: str,
        version: str,
        environment: str,
        evidence: Sequence[Evidence] = (),
        reason: str | None = None,
        expected_revision: int | None = None,
        *,
        override: bool = False,
    ) -> Promotion:
        """Requests that a version be served; applied if the actor may decide. See `promotions.promote`."""
        return self.transact(
            lambda tx: promotions.promote(
                tx,
                actor,
                prompt,
                version,
                environment,
                evidence=evidence,
                reason=reason,
                expected_revision=expected_revision,
                override=override,
            )
        )

    def approve(self, actor: Actor, promotion_id: str) -> Promotion:
        """Applies a pending request. See `promotions.approve`.

        Raises:
            StaleRevision: The deployment has changed since the request, which is `stale` from now on.
        """
        promotion, stale = self.transact(lambda tx: promotions.approve(tx, actor, promotion_id))
        if stale is not None:
            raise stale
        return promotion

    def reject(self, actor: Actor, promotion_id: str, reason: str | None = None) -> Promotion:
        """Rejects a pending request. See `promotions.reject`."""
        return self.transact(lambda tx: promotions.reject(tx, actor, promotion_id, reason))

    def promotion(self, promotion_id: str) -> Promotion:
        """Returns one request; raises NotFound."""
        return self.read(lambda tx: promotions.promotion(tx, promotion_id))

    def promotions(
        self, status: PromotionStatus | None = None, limit: int = PAGE_SIZE, cursor: str | None = None
    ) -> Page[Promotion]:
        """Returns requests, newest first."""
        return self.read(lambda tx: promotions.page(tx, status, limit, cursor))

    def rollback(  # noqa: PLR0917 - in the order of a sentence
        self,
        actor: Actor,
        environment: str,
        prompt: str,
        to_version: str | None = None,
        reason: str | None = None,
        expected_revision: int | None = None,
    ) -> DeploymentRecord:
        """Serves an earlier version again, and stops experiments. See `rollback.rollback`."""
        return self.transact(
            lambda tx: rollback.rollback(
                tx,
                actor,
                environment,
                prompt,
                to_version=to_version,
                reason=reason,
                expected_revision=expected_revision,
            )
        )

    def set_rules(
        self,
        actor: Actor,
        environment: str,
        prompt: str,
        new_rules: Sequence[Rule],
        expected_revision: int | None = None,
        *,
        evidence: Sequence[Evidence] = (),
        reason: str | None = None,
        override: bool = False,
    ) -> DeploymentRecord:
        """Replaces all targeting rules. See `rules.set_rules`."""
        return self.transact(
            lambda tx: rules.set_rules(
                tx,
                actor,
                environment,
                prompt,
                rules=new_rules,
                evidence=evidence,
                reason=reason,
                expected_revision=expected_revision,
                override=override,
            )
        )

    def offer(
        self,
        actor: Actor,
        environment: str,
        prompt: str,
        version: str,
        *,
        evidence: Sequence[Evidence] = (),
        reason: str | None = None,
        expected_revision: int | None = None,
    ) -> DeploymentRecord:
        """Lets services prefer a version. See `offers.offer`."""
        return self.transact(
            lambda tx: offers.offer(
                tx,
                actor,
                environment,
                prompt,
                version,
                evidence=evidence,
                reason=reason,
                expected_revision=expected_revision,
            )
        )

    def withdraw(
        self,
        actor: Actor,
        environment: str,
        prompt: str,
        version: str,
        *,
        reason: str | None = None,
        expected_revision: int | None = None,
    ) -> DeploymentRecord:
        """Offers a version no longer. See `offers.withdraw`."""
        return self.transact(
            lambda tx: offers.withdraw(
                tx,
                actor,
                environment,
                prompt,
                version,
                reason=reason,
                expected_revision=expected_revision,
            )
        )

    def freeze(
        self,
        actor: Actor,
        reason: str,
        *,
        environment: str | None = None,
        prompt: str | None = None,
        starts_at: datetime | None = None,
        until: datetime | None = None,
    ) -> FreezeRecord:
        """Freezes what is served: it may only go back. See `freezes.freeze`."""
        return self.transact(
            lambda tx: freezes.freeze(
                tx, actor, reason, environment=environment, prompt=prompt, starts_at=starts_at, until=until
            )
        )

    def unfreeze(self, actor: Actor, freeze_id: int, *, reason: str | None = None) -> FreezeRecord:
        """Ends a freeze. See `freezes.unfreeze`."""
        return self.transact(lambda tx: freezes.unfreeze(tx, actor, freeze_id, reason))

    def freezes(
        self,
        *,
        environment: str | None = None,
        prompt: str | None = None,
        ended: bool = False,
        limit: int = PAGE_SIZE,
        cursor: str | None = None,
    ) -> Page[FreezeRecord]:
        """Returns freezes that are not over, newest first. See `freezes.page`."""
        return self.read(
            lambda tx: freezes.page(tx, environment, prompt, ended=ended, limit=limit, cursor=cursor)
        )

    def panic(self, actor: Actor, prompt: str, reason: str, *, environment: str | None = None) -> Panic:
        """Goes back to what served before everywhere, and stays there. See `panic.panic`."""
        return self.transact(lambda tx: panic.panic(tx, actor, prompt, reason, environment))

    # Experiments

    def start_experiment(  # noqa: PLR0917 - in the order of a sentence
        self,
        actor: Actor,
        environment: str,
        prompt: str,
        name: str,
        arms: Sequence[Arm],
        rule: str | None = None,
        expected_revision: int | None = None,
        *,
        control: str | None = None,
        plan: ExperimentPlan | None = None,
        evidence: Sequence[Evidence] = (),
        reason: str | None = None,
        override: bool = False,
    ) -> ExperimentRecord:
        """Starts an experiment in place of the default or of a rule's version. See `experiments.start`."""
        return self.transact(
            lambda tx: experiments.start(
                tx,
                actor,
                environment,
                prompt,
                name,
                arms=arms,
                rule=rule,
                control=control,
                plan=plan,
                check_plan=self._check_plan,
                evidence=evidence,
                reason=reason,
                expected_revision=expected_revision,
                override=override,
            )
        )

    def set_weights(
        self,
        actor: Actor,
        experiment_name: str,
        weights: Mapping[str, float],
        expected_revision: int | None = None,
        *,
        reason: str | None = None,
        override: bool = False,
    ) -> ExperimentRecord:
        """Changes weights, which starts the next allocation epoch. See `experiments.set_weights`."""
        return self.transact(
            lambda tx: experiments.set_weights(
                tx,
                actor,
                experiment_name,
                weights,
                reason=reason,
                expected_revision=expected_revision,
                override=override,
            )
        )

    def stop_experiment(
        self,
        actor: Actor,
        experiment_name: str,
        keep: str | None = None,
        expected_revision: int | None = None,
        *,
        reason: str | None = None,
        override: bool = False,
    ) -> ExperimentRecord:
        """Stops an experiment. See `experiments.stop`."""
        return self.transact(
            lambda tx: experiments.stop(
                tx,
                actor,
                experiment_name,
                keep,
                reason=reason,
                expected_revision=expected_revision,
                override=override,
            )
        )

    def experiment(self, name: str) -> ExperimentRecord:
        """Returns one experiment with the history of its weights; raises NotFound."""
        return self.read(lambda tx: experiments.experiment_record(tx, name))

    def prompts_of_experiments(self) -> dict[str, str]:
        """Returns the prompt of every experiment, by the experiment's name."""
        return self.read(experiments.prompts_of_experiments)

    def experiments(
        self,
        environment: str | None = None,
        prompt: str | None = None,
        status: ExperimentStatus | None = None,
        *,
        limit: int = PAGE_SIZE,
        cursor: str | None = None,
    ) -> Page[ExperimentRecord]:
        """Returns experiments, newest first; raises NotFound."""
        return self.read(
            lambda tx: experiments.experiment_page(
                tx, environment, prompt, status, limit=limit, cursor=cursor
            )
        )

    # Deployments

    def deployment(self, environment: str, prompt: str) -> DeploymentRecord:
        """Returns what an environment serves of a prompt; raises NotFound."""
        return self.read(lambda tx: deployments.deployment(tx, environment, prompt))

    def deployments(self, environment: str) -> list[DeploymentRecord]:
        """Returns what an environment serves, by prompt; raises NotFound."""
        return self.read(lambda tx: deployments.all_deployments(tx, environment))

    def deployment_at(self, environment: str, prompt: str, at: datetime) -> DeploymentRecord:
        """Returns what an environment served of a prompt at a time; raises NotFound."""
        return self.read(lambda tx: deployments.deployments_at(tx, environment, at, prompt)[0])

    def deployments_at(self, environment: str, at: datetime) -> list[DeploymentRecord]:
        """Returns what an environment served at a time, by prompt; raises NotFound."""
        return self.read(lambda tx: deployments.deployments_at(tx, environment, at))

    def served_versions(self, environment: str, prompt: str) -> list[ServedVersion]:
        """Returns every version that is or was served there, oldest first; raises NotFound."""
        return self.read(lambda tx: deployments.versions_served(tx, environment, prompt))

    def environment_revision(self, environment: str) -> int:
        """Returns a number that grows with every change of what the environment serves. Cheap."""
        return self.read(lambda tx: deployments.environment_revision(tx, environment))

    def revocations(self) -> int:
        """Returns how many tokens have been revoked. Cheap."""
        return self.tokens.revocations()

    def snapshot(self, environment: str) -> Snapshot:
        """Returns everything an environment serves, built once per revision; raises NotFound."""
        revision = self.environment_revision(environment)
        with self._lock:
            known = self._snapshots.get(environment)
        if known is not None and known.revision == revision:
            return known
        made = self.read(lambda tx: deployments.snapshot(tx, environment))
        with self._lock:
            known = self._snapshots.get(environment)
            if known is None or known.revision < made.revision:
                self._snapshots[environment] = made
        return made

    # Audit log and outbox

    def audit_log(
        self,
        prompt: str | None = None,
        environment: str | None = None,
        limit: int = PAGE_SIZE,
        cursor: str | None = None,
    ) -> Page[AuditEntry]:
        """Returns entries of the audit log, newest first."""
        return self.read(lambda tx: audit.page(tx, prompt, environment, limit, cursor))

    def last_change(self) -> int:
        """Returns a number that grows with everything that the audit log tells of. Cheap."""
        return self.read(audit.last)

    def data_version(self) -> int | None:
        """Returns a number that is another one after every change. See `Database.data_version`."""
        return self._database.data_version()

    def outbox_pending(self, limit: int = 100) -> list[OutboxEntry]:
        """Returns events that have not been sent yet, oldest first."""
        return self.read(lambda tx: outbox.pending(tx, limit))

    def outbox_delivered(self, ids: Sequence[int]) -> None:
        """Deletes events that were sent."""
        if ids:
            self.transact(lambda tx: outbox.delivered(tx, ids))

    def _transaction(self, connection: Connection) -> Transaction:
        return Transaction(connection, self._clock(), self._contents, self._arms_to_promote, self._has_suite)

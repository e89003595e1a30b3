"""Evaluations of this process, and what works with them."""

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING

from coalmine_evals.gate.judge import judge
from coalmine_evals.judges.find import in_registry
from coalmine_evals.judges.watch import due, score_due
from coalmine_evals.providers.open import Access, OpenModels
from coalmine_evals.reruns.carry_out import Means, Runner, new_batch
from coalmine_evals.reruns.due import served_with
from coalmine_evals.reruns.flags import flags_of
from coalmine_evals.reruns.jobs import Jobs
from coalmine_evals.results.gate import GateReport
from coalmine_evals.results.models import ModelFlag, Rerun
from coalmine_evals.results.runs import EvalRun
from coalmine_evals.runs import evidence
from coalmine_evals.runs.compare import compare
from coalmine_evals.runs.published import PublishedRuns
from coalmine_evals.runs.store import RunStore
from coalmine_evals.storage.open import open_database
from coalmine_registry.errors import Conflict
from coalmine_registry.provenance import CheckedEvidence
from coalmine_registry.roles import Actor
from coalmine_registry.storage.database import Database
from coalmine_server.services.wiring import price_table
from coalmine_server.settings import Settings

if TYPE_CHECKING:
    from coalmine_server.services.owned_store import OwnedStore
    from coalmine_server.services.production import Production


class Evaluations:
    """What answers for evaluations; each part is made when it is first asked for."""

    def __init__(self, owned: "OwnedStore") -> None:
        self._owned = owned
        self.clock: Callable[[], datetime] = owned.clock

    @cached_property
    def database(self) -> Database:
        """The database of evaluations.

        Raises:
            DatabaseTooNew: A newer version of Coalmine has used it.
            DatabaseUnavailable: The file cannot be used now.
        """
        return open_database(self._owned.settings.evals_database)

    @cached_property
    def runs(self) -> RunStore:
        """Runs and their answers."""
        return RunStore(self.database, self.clock)

    @property
    def published(self) -> PublishedRuns:
        """Takes runs that were made elsewhere."""
        return PublishedRuns(self.database, self._owned.known_registry, judge)

    def end_published(self, actor: Actor, run: str) -> EvalRun:
        """Judges a run that was published, and records it where it is evidence.

        Raises:
            NotFound: There is no such run.
            Conflict: It has ended, or lacks answers.
        """
        ended = self.published.end(run)
        if ended.candidate.version is None:
            return ended
        with suppress(Conflict):  # the run is kept; asked for by itself, `record_evidence` says why
            self.record_evidence(actor, run, ended.candidate.version)
        return self.runs.run(run)

    def record_evidence(self, actor: Actor, run: str, version: str | None) -> CheckedEvidence:
        """Records a run as evidence for a version, which a promotion then takes by the run's id.

        Args:
            actor: In whose name.
            run: The run.
            version: None: the one that was run.

        Raises:
            Forbidden: The actor is not an author.
            NotFound: There is no such run, or no such version.
            Conflict: It is no evidence; says why.
        """
        found = self.runs.run(run)
        about = version or found.candidate.version
        if about is None:
            raise Conflict(f"run {run} is of a draft: push it, and say as which version")
        made = evidence.record(self._owned.known_registry, actor, found, about, store=self.runs)
        self.runs.put(replace(found, evidence=made.id))
        return made

    def compare(self, candidate: str, baseline: str) -> GateReport:
        """Judges the candidate of one run beside that of another, on the same cases.

        Raises:
            NotFound: There is no such run.
            Conflict: They are not of the same cases and metrics.
        """
        prompts = in_registry(self._owned.known_registry)
        return compare(self.database, self.runs, judge, candidate, baseline, prompts=prompts)

    @property
    def jobs(self) -> Jobs:
        """What the server runs."""
        return Jobs(self.database)

    def flags(self, prompts: Sequence[str] | None) -> list[ModelFlag]:
        """Which versions are safe with which models.

        Args:
            prompts: Only of these; None: of all.
        """
        return flags_of(self.database, prompts)

    @property
    def has_keys(self) -> bool:
        """True if some API of models can be asked."""
        return any(each.key is not None or each.base_url is not None for each in self.access().values())

    def runner(self) -> Runner:
        """Carries out jobs; for one thread."""
        settings = self._owned.settings
        return Runner(
            Means(
                database=self.database,
                registry=self._owned.known_registry,
                access=self.access(),
                prices=partial(price_table, settings),
                cache=settings.evals_cache,
                budget_nano_usd=round(settings.evals.budget_usd_per_day * 1e9),
                clock=self.clock,
            )
        )

    def score_canaries(self, stop: threading.Event) -> list[str]:
        """Scores the canary sets that were not scored today; returns why some could not be.

        Args:
            stop: Ends it early.
        """
        now = self.clock()
        if not due(self.database, now):
            return []
        prices = price_table(self._owned.settings)
        models = OpenModels(self.access(), prices)
        prompts = in_registry(self._owned.known_registry)
        return asyncio.run(score_due(self.database, models, now=now, prompts=prompts, stop=stop))

    def ask_reruns(self, actor: Actor, models: Sequence[str], prompts: Sequence[str] | None) -> Rerun:
        """Asks for runs of all that is served with other models.

        Args:
            actor: Who asks.
            models: To try.
            prompts: Only these; None: all that are served.

        Raises:
            NotFound: A prompt that is named is not there.
            Conflict: There are no keys, or nothing to run.
        """
        wanted, without = served_with(self.database, self._owned.known_registry, models, prompts)
        if not self.has_keys:
            raise Conflict(
                "this server has no key of any API of models: set evals.openai_api_key or "
                "evals.anthropic_api_key, and start it again"
            )
        batch, jobs = new_batch(), self.jobs
        if not jobs.ask(wanted, batch=batch, actor=actor.subject, now=self.clock()):
            lacking = f"; without a suite: {', '.join(without)}" if without else ""
            raise Conflict(f"there is nothing to run that does not wait already{lacking}")
        return Rerun(batch, jobs.batch(batch), without)

    def access(self) -> dict[str, Access]:
        """Where APIs of models are, and their keys."""
        return model_access(self._owned.settings)

    @cached_property
    def production(self) -> "Production":
        """What is scored and reviewed of production."""
        from coalmine_server.services.production import Production  # noqa: PLC0415 - imports scorers

        return Production(self._owned)

    def close(self) -> None:
        """Closes the database, if it was opened."""
        if "database" in self.__dict__:
            self.database.close()


def model_access(settings: Settings) -> dict[str, Access]:
    """Where APIs of models are, and their keys: as set, else as the providers' own packages read them."""
    evals = settings.evals
    own = {
        "openai": (evals.openai_base_url, evals.openai_api_key),
        "anthropic": (evals.anthropic_base_url, evals.anthropic_api_key),
    }
    found = {}
    for name, (base_url, key) in own.items():
        usual = Access.from_environ(os.environ, name)
        secret = usual.key if key is None else key.get_secret_value()
        found[name] = Access(base_url or usual.base_url, secret)
    return found

"""Carries out a job: runs a version on its suite, judges it, and notes what that shows."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import structlog

from coalmine_evals.gate.judge import judge
from coalmine_evals.judges.find import in_registry
from coalmine_evals.providers.open import Access, OpenModels
from coalmine_evals.reruns.flags import put_flags
from coalmine_evals.reruns.jobs import Job, Jobs
from coalmine_evals.results.gate import GateReport
from coalmine_evals.results.runs import EvalRun, Side
from coalmine_evals.runs import evidence
from coalmine_evals.runs.answers import SideName
from coalmine_evals.runs.budget import Admission, Budget, BudgetSpent
from coalmine_evals.runs.cache import AnswerCache
from coalmine_evals.runs.compare import compare
from coalmine_evals.runs.engine import Work, ready
from coalmine_evals.runs.paid_once import Purse, RunModels
from coalmine_evals.runs.run import Asked, begin, finish, resumed
from coalmine_evals.runs.sides import PromptSide, RunSide
from coalmine_evals.runs.stopping import halted_by, stopped_by
from coalmine_evals.runs.store import RunStore
from coalmine_evals.runs.suite_scorers import scorers_of
from coalmine_evals.suites.cases import SuiteCases, cases_kept
from coalmine_evals.suites.storage import find_suite
from coalmine_registry.errors import Conflict
from coalmine_registry.records import VersionRecord
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Actor
from coalmine_registry.storage.database import Database
from coalmine_schemas.errors import CoalmineError
from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.prices import PriceTable
from coalmine_schemas.prompts import PromptContent

AS_GOOD: Final = timedelta(days=7)
"""Answers that were paid for within this time are used again, where it is not asked what has changed."""

_log = structlog.stdlib.get_logger("coalmine.evals")


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What jobs are carried out with."""

    database: Database
    registry: Registry
    access: Mapping[str, Access]
    prices: Callable[[], PriceTable]
    cache: Path
    """File of answers that were paid for."""
    budget_nano_usd: int
    """What jobs may cost in a day."""
    clock: Callable[[], datetime]


class Runner:
    """Carries out jobs, one after the other; for one thread."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self.jobs = Jobs(means.database)
        self._store = RunStore(means.database, means.clock)
        self._prompts = in_registry(means.registry)
        self._ran_out: date | None = None
        """Day of which nothing is left that an answer may cost."""

    def left_nano_usd(self) -> int:
        """Returns what may still be spent today."""
        return self._means.budget_nano_usd - self.jobs.spent_since(self._midnight())

    def run_next(self, stop: threading.Event) -> bool:
        """Carries out the next job; returns False if there is none, or too little is left to spend today."""
        if self._ran_out == self._today().date() or (left := self.left_nano_usd()) <= 0:
            return False
        if (job := self.jobs.next()) is None:
            return False
        before = self.jobs.spent_since(self._midnight(), job.id)  # of today, if it goes on

        def note(spent_nano_usd: int) -> None:
            spent = before + spent_nano_usd
            self.jobs.note(job.id, spent_nano_usd=spent, ended_at=self._means.clock())

        budget = _DayBudget(left, note)
        try:
            self._run(job, budget, stop)
        except CoalmineError as error:
            self._end(job, None, None, "failed", said=str(error))
        finally:  # whatever became of it, it is paid
            note(budget.spent_nano_usd)
        return True

    def _today(self) -> datetime:
        return self._means.clock().astimezone(UTC)

    def _midnight(self) -> datetime:
        return self._today().replace(hour=0, minute=0, second=0, microsecond=0)

    def _run(self, job: Job, budget: "_DayBudget", stop: threading.Event) -> None:
        means, wanted = self._means, job.wanted
        about = means.registry.version(wanted.prompt, wanted.version)
        suite = find_suite(means.database, wanted.suite, wanted.suite_digest).suite
        cases = cases_kept(suite, means.database)
        run, stopped = asyncio.run(self._carry_out(job, about, cases, budget, stop))
        if stopped is not None:
            if stop.is_set():
                return  # it goes on after the next start
            if budget.ran_out:
                self._ran_out = self._today().date()  # it goes on tomorrow
            self._end(job, run, None, "waiting" if budget.ran_out else "failed", said=stopped)
            return
        report = run.gate or self._beside_earlier(job, run)
        now = means.clock()
        outcome = None if report is None else report.outcome
        put_flags(means.database, run, wanted.version, outcome, now=now)
        if wanted.model is None:
            with suppress(Conflict):  # its own reasons stand with the run
                system = Actor.of_system()
                made = evidence.record(means.registry, system, run, wanted.version, store=self._store)
                self._store.put(replace(run, evidence=made.id))
        self._end(job, run, report, "done", said=None if report is None else report.sentence)

    async def _carry_out(
        self, job: Job, about: VersionRecord, cases: SuiteCases, budget: Budget, stop: threading.Event
    ) -> tuple[EvalRun, str | None]:
        means = self._means
        prices = means.prices()
        fresh = job.wanted.cause in ("model_seen", "scheduled")
        purse = Purse(
            AnswerCache(means.cache),
            budget,
            prices,
            job.asked_at if fresh else job.asked_at - AS_GOOD,
        )
        open_models = OpenModels(means.access, prices)
        try:
            asked = self._asked(job, about, cases, RunModels(open_models, purse))
            if job.run is None:
                run = begin(asked, self._store)
                self.jobs.note(job.id, run=run.id)
            else:
                run = resumed(job.run, asked, self._store)
            async with stopped_by(stop) as stopping, halted_by(stopping, open_models):
                ended = await finish(run, asked, self._store, judge, stop=stopping)
            return ended.run, ended.stopped
        finally:
            await open_models.close()

    def _asked(self, job: Job, about: VersionRecord, cases: SuiteCases, models: RunModels) -> Asked:
        suite = cases.suite
        own = about.content.get("model") or suite.model
        sides: dict[SideName, RunSide] = {
            "candidate": self._side(about, job.wanted.model or own, cases, models)
        }
        if job.wanted.model not in (None, own):
            sides["baseline"] = self._side(about, own, cases, models)
        elif job.wanted.cause == "registered":
            served = evidence.served_by_default(self._means.registry, about.name)
            if served is not None and served.digest != about.digest:
                sides["baseline"] = self._side(
                    served, served.content.get("model") or suite.model, cases, models
                )
        return Asked(
            suite=suite,
            dataset_digest=suite.dataset_digest or "",
            split=suite.split,
            partial=False,
            work=Work(cases.chosen, suite.repeats, sides, ready(scorers_of(suite, self._prompts), models)),
            started_by=job.asked_by,
            arguments={"job": job.id},
        )

    def _side(
        self, about: VersionRecord, model: str | None, cases: SuiteCases, models: RunModels
    ) -> PromptSide:
        content = PromptContent.from_json(about.content)
        suite = cases.suite
        if model is None:
            raise Conflict(f"{about.reference} names no model, and neither does the suite {suite.name}")
        return PromptSide(
            content,
            models.of(model, suite.provider if model == suite.model else None, suite.base_url),
            lookup=self._prompts,
            prompt=about.name,
            version=about.version,
            model=model,
        )

    def _beside_earlier(self, job: Job, run: EvalRun) -> GateReport | None:
        """Judges a content beside itself: what its model has answered before."""
        earlier = next(
            (
                each
                for each in self._store.runs(
                    limit=100, prompt=run.candidate.prompt, suite=run.suite, digest=run.candidate.digest
                ).items
                if each.id != run.id
                and each.state == "ended"
                and each.candidate.model == run.candidate.model
                and (each.suite_digest, each.dataset_digest) == (run.suite_digest, run.dataset_digest)
            ),
            None,
        )
        if earlier is None:
            return None
        self.jobs.note(job.id, compared_with=earlier.id)
        return compare(self._means.database, self._store, judge, run.id, earlier.id, prompts=self._prompts)

    def _end(
        self, job: Job, run: EvalRun | None, report: GateReport | None, state: str, *, said: str | None
    ) -> None:
        spent = 0 if run is None else run.spent_nano_usd or 0
        self.jobs.note(
            job.id,
            state=state,
            outcome=None if report is None else report.outcome,
            said=said,
            figures=None if run is None else _figures(run),
        )
        _log.info(
            "ran a suite",
            prompt=job.wanted.prompt,
            version=job.wanted.version,
            suite=job.wanted.suite,
            model=job.wanted.model,
            cause=job.wanted.cause,
            state=state,
            said=said,
            spent_usd=spent / 1e9,
        )


class _DayBudget(Budget):
    """What may be spent today, and whether it ran out.

    Args:
        limit_nano_usd: What may be spent.
        note: Told what was, at each answer: a process that is killed does not come to tell it.
    """

    def __init__(self, limit_nano_usd: int, note: Callable[[int], None]) -> None:
        super().__init__(limit_nano_usd)
        self.ran_out = False
        self._note = note

    async def settle(self, reserved_nano_usd: int, cost_nano_usd: int | None) -> None:
        await super().settle(reserved_nano_usd, cost_nano_usd)
        if cost_nano_usd:
            self._note(self.spent_nano_usd)

    async def admit(self, at_most_nano_usd: int) -> Admission:
        try:
            return await super().admit(at_most_nano_usd)
        except BudgetSpent:
            self.ran_out = True
            raise


def new_batch() -> str:
    """Returns an id of jobs that are asked for together."""
    return f"re-{uuid7()}"


def _figures(run: EvalRun) -> dict[str, Any]:
    found: dict[str, Any] = {}
    sides: tuple[tuple[str, Side | None], ...] = (("", run.candidate), ("baseline_", run.baseline))
    for prefix, side in sides:
        if side is not None:
            cost = side.cost_nano_usd
            found[f"{prefix}cost_nano_usd_per_case"] = None if cost is None else cost // max(1, run.cases)
            found[f"{prefix}latency_ms_p50"] = side.latency_ms_p50
    return found

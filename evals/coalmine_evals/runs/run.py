"""One run, from what is asked for to what the gate says."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from coalmine_evals.judges.storage import calibrations
from coalmine_evals.records import GateInput
from coalmine_evals.results.gate import GateReport
from coalmine_evals.results.runs import EvalRun
from coalmine_evals.runs.engine import Done, Progress, Work, carry_out
from coalmine_evals.runs.outcome import gate_input, side_of, spent_on
from coalmine_evals.runs.store import RunStore
from coalmine_evals.suites.suite import Suite
from coalmine_registry.errors import Conflict
from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.prompts.json_values import JsonObject

Judge = Callable[[GateInput], GateReport]


@dataclass(frozen=True, slots=True)
class Ended:
    """A run as it is kept, and why it was interrupted, if it was."""

    run: EvalRun
    stopped: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run is of."""

    suite: Suite
    dataset_digest: str
    split: str
    work: Work
    started_by: str
    arguments: JsonObject
    """What was asked for, in words that lead to the same: what `--resume` goes on with."""
    partial: bool = False
    """Whether these are fewer cases or repeats than the suite says, or others."""
    leaks: Callable[[], Sequence[str]] = tuple
    """Looks for cases that say nothing of the candidate, since its prompt was written with them."""

    def digests(self) -> JsonObject:
        """What must be the same when the run goes on."""
        return {
            "suite": self.suite.digest(),
            "cases": self.dataset_digest,
            "number of cases": len(self.work.cases),
            "repeats": self.work.repeats,
            **{side: each.identity.digest for side, each in self.work.sides.items()},
            **{f"model of the {side}": each.identity.model for side, each in self.work.sides.items()},
        }


def begin(asked: Asked, store: RunStore, run_id: str | None = None) -> EvalRun:
    """Keeps a new run, which nothing has been asked for yet; it gets an id if it has none."""
    run = _run(asked, run_id or f"ev-{uuid7()}", datetime.now(UTC), Done())
    store.put(run, {"arguments": asked.arguments, "digests": asked.digests()})
    return run


def resumed(run: str, asked: Asked, store: RunStore) -> EvalRun:
    """Returns a run that goes on.

    Raises:
        NotFound: There is none.
        Conflict: It ended, or something that it is of has changed since.
    """
    found, plan = store.run(run), store.plan(run)
    if found.state == "ended":
        raise Conflict(f"run {run} has ended: `coalmine evals show {run}` shows what it came to")
    before = plan.get("digests")
    assert isinstance(before, dict)
    changed = [name for name, value in asked.digests().items() if before.get(name) != value]
    if changed:
        raise Conflict(f"run {run} cannot go on, as {', '.join(changed)} changed since: begin a new one")
    return replace(found, state="running")


async def finish(
    run: EvalRun,
    asked: Asked,
    store: RunStore,
    judge: Judge,
    *,
    at_once: int = 64,
    progress: Progress = lambda _done, _total: None,
    stop: asyncio.Event | None = None,
) -> Ended:
    """Carries a run out as far as it goes, and keeps what it came to.

    Args:
        run: What `begin` or `resumed` returned.
        asked: What it is of.
        store: Where it is kept.
        judge: The gate.
        at_once: Answers under way at once; providers have limits of their own.
        progress: Told how many answers are there, and how many are wanted.
        stop: Ends it early.
    """
    store.put(run)
    done = await carry_out(asked.work, store, run.id, at_once=at_once, progress=progress, stop=stop)
    ended = _run(asked, run.id, run.started_at, done)
    if done.stopped is None:
        gate = None
        if "baseline" in asked.work.sides:
            given = gate_input(
                asked.suite,
                asked.work,
                done,
                partial=asked.partial,
                calibrations=calibrations(store.database),
                leaks=await asyncio.to_thread(asked.leaks),
            )
            gate = await asyncio.to_thread(judge, given)
        ended = replace(ended, state="ended", gate=gate, ended_at=datetime.now(UTC))
    else:
        ended = replace(ended, state="interrupted")
    store.put(ended)
    return Ended(ended, done.stopped)


def _run(asked: Asked, run: str, started_at: datetime, done: Done) -> EvalRun:
    sides = {name: side_of(each.identity, name, asked.work, done) for name, each in asked.work.sides.items()}
    return EvalRun(
        id=run,
        state="running",
        suite=asked.suite.name,
        suite_digest=asked.suite.digest(),
        dataset=asked.suite.dataset,
        dataset_digest=asked.dataset_digest,
        split=asked.split,
        cases=len(asked.work.cases),
        repeats=asked.work.repeats,
        partial=asked.partial,
        candidate=sides["candidate"],
        baseline=sides.get("baseline"),
        gate=None,
        evidence=None,
        spent_nano_usd=spent_on(done.answers.values()),
        started_at=started_at,
        ended_at=None,
        started_by=asked.started_by,
    )

"""A run from beginning to end: what `coalmine evals run` and the server do alike."""

import asyncio
import functools
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from coalmine_evals.datasets.leakage import leakage_of
from coalmine_evals.judges.find import in_folder
from coalmine_evals.judges.labelled import Labelled
from coalmine_evals.judges.measure import requests_of
from coalmine_evals.judges.pairs import LlmJudgePairs
from coalmine_evals.judges.scorer import LlmJudge
from coalmine_evals.providers.open import OpenModels
from coalmine_evals.providers.provider import Request
from coalmine_evals.results.datasets import Case
from coalmine_evals.results.runs import EvalRun
from coalmine_evals.runs.alone import alone
from coalmine_evals.runs.answers import KeptAnswer, SideName
from coalmine_evals.runs.budget import Budget
from coalmine_evals.runs.cache import AnswerCache
from coalmine_evals.runs.candidates import Fetch, side_of_text
from coalmine_evals.runs.cost import USUAL_ANSWER, Estimate, estimate
from coalmine_evals.runs.engine import Progress, Work, answered, ready
from coalmine_evals.runs.outcome import spent_on
from coalmine_evals.runs.paid_once import Purse, RunModels
from coalmine_evals.runs.run import Asked, Ended, Judge, begin, finish, resumed
from coalmine_evals.runs.sides import PromptSide, RunSide
from coalmine_evals.runs.stopping import halted_by
from coalmine_evals.runs.store import RunStore
from coalmine_evals.runs.suite_scorers import scorers_of
from coalmine_evals.suites.cases import SuiteCases
from coalmine_registry.errors import NotFound
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.prices import PriceTable
from coalmine_schemas.prompts import PromptContent, parse_reference
from coalmine_schemas.prompts.json_values import JsonObject
from coalmine_schemas.prompts.templating import Lookup

_MOST_MISTAKES: Final = 5
"""Cases named that do not fit the prompt."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be run."""

    cases: SuiteCases
    candidate: str
    """As `side_of_text` reads it."""
    baseline: str | None = None
    limit: int | None = None
    """Only so many cases, always the same ones."""
    repeats: int | None = None
    """In place of what the suite says."""
    split: str | None = None
    """In place of what the suite says."""
    fresh: bool = False
    """Ask again for what earlier runs have paid for."""
    budget_nano_usd: int | None = None
    resume: str | None = None
    """Id of a run that goes on."""
    started_by: str = ""
    arguments: JsonObject = field(default_factory=dict)
    """Kept with the run, for going on."""

    def chosen(self) -> Sequence[Case]:
        """The cases that are run.

        Raises:
            InvalidParameter: There is none.
        """
        split = self.split or self.cases.suite.split
        found = [each for each in self.cases.every if split in ("all", each.split)]
        if not found:
            raise InvalidParameter(f"split is {split!r}, of which {self.cases.suite.dataset} has no case")
        if self.limit is None or self.limit >= len(found):
            return found
        # By hash, because files are often sorted: the first would all be alike.
        drawn = sorted(found, key=lambda each: hashlib.sha256(each.id.encode()).digest())[: self.limit]
        kept = {each.id for each in drawn}
        return [each for each in found if each.id in kept]


@dataclass(frozen=True, slots=True)
class Place:
    """Where runs take place."""

    store: RunStore
    cache: Path
    """File of answers that were paid for."""
    models: OpenModels
    prices: PriceTable
    fetch: Fetch
    """Reads the registry."""
    judge: Judge
    """The gate."""
    at_once: int = 64
    """Answers under way at once; providers have limits of their own."""
    folder: Path | None = None
    """Of prompt files, where judges are looked for before the registry; None for the registry alone."""


Announce = Callable[[EvalRun, Estimate], None]


async def evaluate(
    wanted: Wanted,
    place: Place,
    *,
    announce: Announce = lambda _run, _estimate: None,
    progress: Progress = lambda _done, _total: None,
    stop: asyncio.Event | None = None,
) -> Ended:
    """Runs a suite.

    Args:
        wanted: What is to be run.
        place: Where.
        announce: Told of the run and of what it will cost, before the first answer is asked for.
        progress: Told how many answers are there, and how many are wanted.
        stop: Ends it early.

    Raises:
        InvalidParameter: Something of it is not valid, e.g. a case that does not fit the prompt.
        NotFound: There is no such version, or no such run.
        Conflict: The run that should go on has ended, or what it is of has changed, or another process
            carries it out.
    """
    async with purse_of(place, *_budget(wanted, place)) as purse:
        models = RunModels(place.models, purse)
        asked = _asked(wanted, place, models)
        expected = _expected(asked.work, place.prices)
        run_id = wanted.resume or f"ev-{uuid7()}"
        with alone(run_id, place.cache.parent):
            if wanted.resume is None:
                run = begin(asked, place.store, run_id)
            else:
                run = resumed(run_id, asked, place.store)
            announce(run, expected)
            stop = stop or asyncio.Event()
            async with halted_by(stop, place.models):
                return await finish(
                    run, asked, place.store, place.judge, at_once=place.at_once, progress=progress, stop=stop
                )


@dataclass(frozen=True, slots=True)
class Trial:
    """What was asked for one case, and what came of it."""

    request: Request
    answer: KeptAnswer


async def try_cases(wanted: Wanted, place: Place) -> list[Trial]:
    """Asks the candidate for one answer to each case and scores it; no run is kept.

    Args:
        wanted: What is tried; of a baseline and repeats nothing is read.
        place: Where.

    Raises:
        InvalidParameter: A case does not fit the prompt, or the candidate is of recorded answers.
        Terminal: The budget is spent, or the provider refuses all requests.
    """
    async with purse_of(place, *_budget(wanted, place)) as purse:
        asked = _asked(wanted, place, RunModels(place.models, purse))
        work = asked.work
        _expected(work, place.prices)
        side = work.sides["candidate"]
        if not isinstance(side, PromptSide):
            raise InvalidParameter(f"{wanted.candidate} is no prompt: name FILE.md, or NAME@VERSION")
        answers = await asyncio.gather(
            *(answered(work, (at, "candidate", 0)) for at in range(len(work.cases)))
        )
        return [Trial(side.request(case), each) for case, each in zip(work.cases, answers, strict=True)]


@asynccontextmanager
async def purse_of(place: Place, budget: Budget, since: datetime | None = None) -> AsyncIterator[Purse]:
    """What answers are paid from and where they are kept, for the length of a block.

    Args:
        place: Where.
        budget: What may be spent.
        since: Answers from before are asked for again; None for those of any age.
    """
    cache = AnswerCache(place.cache)
    try:
        yield Purse(cache, budget, place.prices, since)
    finally:
        await cache.close()
        await place.models.close()


def _budget(wanted: Wanted, place: Place) -> tuple[Budget, datetime | None]:
    budget = Budget(wanted.budget_nano_usd)
    since = datetime.now(UTC) if wanted.fresh else None
    if wanted.resume is not None:
        before = place.store.run(wanted.resume)
        budget.spent_nano_usd = spent_on(place.store.kept(wanted.resume))
        since = before.started_at if wanted.fresh else None
    return budget, since


def _asked(wanted: Wanted, place: Place, models: RunModels) -> Asked:
    suite = wanted.cases.suite
    scorers = scorers_of(suite, prompts_of(place.folder, place.fetch))
    sides: dict[SideName, RunSide] = {"candidate": side_of_text(wanted.candidate, suite, models, place.fetch)}
    if wanted.baseline is not None:
        sides["baseline"] = side_of_text(wanted.baseline, suite, models, place.fetch)
    cases = wanted.chosen()
    repeats = wanted.repeats or suite.repeats
    assert suite.dataset_digest is not None
    return Asked(
        suite=suite,
        dataset_digest=suite.dataset_digest,
        split=wanted.split or suite.split,
        partial=len(cases) < len(wanted.cases.chosen)
        or repeats < suite.repeats
        or wanted.split not in (None, suite.split),
        leaks=functools.partial(_leaks, wanted.cases.every, sides["candidate"]),
        work=Work(cases, repeats, sides, ready(scorers, models)),
        started_by=wanted.started_by,
        arguments=wanted.arguments,
    )


def _leaks(cases: Sequence[Case], candidate: RunSide) -> Sequence[str]:
    content = candidate.content if isinstance(candidate, PromptSide) else None
    return leakage_of(cases, content).warnings


def prompts_of(folder: Path | None, fetch: Fetch) -> Lookup:
    """Returns prompts, judges among them: of a folder, then of the registry."""

    def content(reference: str) -> PromptContent:
        if folder is not None:
            with suppress(KeyError):
                return in_folder(folder)(reference)
        try:
            return fetch(*parse_reference(reference))
        except NotFound:
            raise KeyError(reference) from None

    return content


def _expected(work: Work, prices: PriceTable) -> Estimate:
    """Renders every case, so that one that does not fit is known before anything is paid."""
    requests: list[Request] = []
    known, mistakes = 0, []
    for name, side in work.sides.items():
        for case in work.cases:
            try:
                request = side.request(case)
            except InvalidParameter as error:
                mistakes.append(f"{name}: {error}")
                continue
            if request is not None and isinstance(side, PromptSide):
                there = sum(side.known(case, repeat) for repeat in range(work.repeats))
                requests += [request] * (work.repeats - there)
                known += there
    if mistakes:
        more = len(mistakes) - _MOST_MISTAKES
        shown = [*mistakes[:_MOST_MISTAKES], *([f"and {more} more"] if more > 0 else [])]
        raise InvalidParameter("\n".join(shown))
    return _with_judges(estimate(requests, known, prices), work, prices)


def _with_judges(found: Estimate, work: Work, prices: PriceTable) -> Estimate:
    """With what judges will be asked about answers that are not there yet."""
    for scorer in work.scorers.values():
        if isinstance(scorer, LlmJudge | LlmJudgePairs):
            pair = isinstance(scorer, LlmJudgePairs)
            answers = (USUAL_ANSWER,) * (2 if pair else 1)
            asked = requests_of(scorer, [Labelled(case, answers, "") for case in work.cases])
            samples = scorer.settings.samples
            # Both sides share the questions about a pair. Samples of a question stand side by side.
            times = samples * work.repeats * (1 if pair else len(work.sides))
            found = found.with_judges(estimate(asked[::samples], 0, prices), times)
    return found

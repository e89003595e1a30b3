"""Runs that were made elsewhere, in CI say: what they must bring, and what they come to, judged here.

Little that a run says of itself is believed: its cases are those of the suite that was pushed, its versions
are looked up, what needs no model is scored here, and the gate judges here. That the answers are what the
model said, and what a judge said of them, has to be believed of whoever publishes them, whose name is kept.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from coalmine_evals.judges.find import in_registry
from coalmine_evals.providers.provider import AsksModels
from coalmine_evals.records import Output, Score, Scorer
from coalmine_evals.results.datasets import Case
from coalmine_evals.results.runs import EvalRun
from coalmine_evals.runs.answers import KeptAnswer, SideName
from coalmine_evals.runs.engine import Work
from coalmine_evals.runs.run import Asked, Judge, begin, finish, resumed
from coalmine_evals.runs.sides import SideIdentity
from coalmine_evals.runs.store import RunStore
from coalmine_evals.runs.suite_scorers import scorers_of
from coalmine_evals.scorers.registry import BUILT_IN
from coalmine_evals.suites.cases import cases_kept
from coalmine_evals.suites.storage import find_suite
from coalmine_evals.suites.suite import Suite
from coalmine_registry.errors import Conflict, Invalid, NotFound
from coalmine_registry.registry import Registry
from coalmine_registry.storage.database import Database
from coalmine_schemas.prompts.json_values import JsonValue, check_json

_MOST_REPEATS: Final = 20
_MOST_ANSWERS: Final = 200_000
_NAMED: Final = 3
_YEARS: Final = range(2000, 2100)
"""In which answers can have been made: others cannot be moved to another time zone or compared."""


@dataclass(frozen=True, slots=True)
class ClaimedSide:
    """What somebody says that they ran."""

    version: str | None
    """Version of the suite's prompt; None for a draft."""
    digest: str
    """Of the content."""
    provider: str
    model: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that somebody says they made."""

    id: str
    suite: str
    suite_digest: str
    repeats: int
    candidate: ClaimedSide
    baseline: ClaimedSide | None


@dataclass(frozen=True, slots=True)
class ClaimedAnswer:
    """An answer that somebody says they got."""

    case: str
    side: SideName
    repeat: int
    output: Output
    scores: Mapping[str, float | None]
    """What models said of it, by metric; others are not looked at, unless the text is not told."""
    details: Mapping[str, JsonValue]
    scoring_nano_usd: int


class PublishedRuns:
    """Takes runs that were made elsewhere; its methods are for threads without an event loop.

    Args:
        database: Of evaluations.
        registry: Knows the versions.
        judge: The gate.
    """

    def __init__(self, database: Database, registry: Registry, judge: Judge) -> None:
        self._database, self._registry, self._judge = database, registry, judge
        self._store = RunStore(database)

    def begin(self, claim: Claim, *, actor: str) -> EvalRun:
        """Takes a run, whose answers come next. Begun again, it goes on.

        Raises:
            NotFound: The suite was not pushed, or there is no such version.
            Conflict: A version has another content, or the run has ended, or is another one.
            Invalid: It has too many answers.
        """
        asked = self._asked(claim, {}, actor)
        if not 1 <= claim.repeats <= _MOST_REPEATS:
            raise Invalid("repeats", claim.repeats, f"give 1 to {_MOST_REPEATS}")
        if asked.work.size > _MOST_ANSWERS:
            raise Invalid("repeats", claim.repeats, f"a run has at most {_MOST_ANSWERS:,} answers")
        for side in filter(None, (claim.candidate, claim.baseline)):
            self._check_version(asked.suite.prompt, side)
        try:
            self._store.run(claim.id)
        except NotFound:
            return begin(asked, self._store, claim.id)
        return resumed(claim.id, asked, self._store)

    def take(self, run: str, answers: Sequence[ClaimedAnswer]) -> EvalRun:
        """Keeps answers of a run; those that it has already are kept as they are.

        Raises:
            NotFound: There is no such run.
            Conflict: It was not published, or has ended.
            Invalid: An answer is to no case of it, or has a score that is none.
        """
        asked = self._going_on(run, {})
        places = {case.id: place for place, case in enumerate(asked.work.cases)}
        # No others: they may ask models with the keys of this process.
        pure = {
            each.name
            for each in asked.suite.metrics
            if each.scorer in BUILT_IN and not isinstance(asked.work.scorers[each.name], AsksModels)
        }

        async def all_scored() -> list[KeptAnswer]:
            return [
                await _kept(each, number, asked.work, places, pure) for number, each in enumerate(answers)
            ]

        self._store.put_answers(run, asyncio.run(all_scored()))
        return self._store.run(run)

    def end(self, run: str) -> EvalRun:
        """Judges a run whose answers are all there.

        Raises:
            NotFound: There is no such run.
            Conflict: It was not published, has ended, or lacks answers.
        """
        outputs = {each.unit: each.output for each in self._store.kept(run)}
        asked = self._going_on(run, outputs)
        missing = [unit for unit in asked.work.units() if unit not in outputs]
        if missing:
            named = [
                f"repeat {repeat} of {asked.work.cases[place].id} by the {side}"
                for place, side, repeat in missing[:_NAMED]
            ]
            raise Conflict(
                f"{len(missing):,} of {asked.work.size:,} answers of run {run} are missing, such as "
                f"{', '.join(named)}: send them, then end it"
            )
        return asyncio.run(finish(self._store.run(run), asked, self._store, self._judge)).run

    def _going_on(self, run: str, outputs: Mapping[tuple[int, SideName, int], Output]) -> Asked:
        found = self._store.run(run)
        claim = self._store.plan(run)["arguments"]
        if not isinstance(claim, dict) or "candidate" not in claim:
            raise Conflict(f"run {run} was not published: it goes on where it was made")
        if found.state == "ended":
            raise Conflict(f"run {run} has ended: nothing is added to it")
        sides = {
            name: ClaimedSide(**side)
            for name in ("candidate", "baseline")
            if isinstance(side := claim[name], dict)
        }
        given = Claim(
            run, found.suite, found.suite_digest, found.repeats, sides["candidate"], sides.get("baseline")
        )
        return self._asked(given, outputs, found.started_by)

    def _asked(self, claim: Claim, outputs: Mapping[tuple[int, SideName, int], Output], actor: str) -> Asked:
        cases = cases_kept(find_suite(self._database, claim.suite, claim.suite_digest).suite, self._database)
        suite, chosen = cases.suite, cases.chosen
        claimed: dict[SideName, ClaimedSide] = {"candidate": claim.candidate}
        if claim.baseline is not None:
            claimed["baseline"] = claim.baseline
        places = {case.id: place for place, case in enumerate(chosen)}
        return Asked(
            suite=suite,
            dataset_digest=suite.dataset_digest or "",
            split=suite.split,
            partial=claim.repeats < suite.repeats,
            work=Work(
                cases=chosen,
                repeats=claim.repeats,
                sides={
                    name: _PublishedSide(_identity(suite, side), name, outputs, places)
                    for name, side in claimed.items()
                },
                scorers=scorers_of(suite, in_registry(self._registry)),
            ),
            started_by=actor,
            arguments={"candidate": None, "baseline": None, **{n: asdict(s) for n, s in claimed.items()}},
        )

    def _check_version(self, prompt: str, side: ClaimedSide) -> None:
        if side.version is None:
            return
        known = self._registry.version(prompt, side.version)
        if known.digest != side.digest:
            raise Conflict(
                f"{known.reference} is {known.digest}, and the run says {side.digest}: leave the version out "
                "of a draft, or run it as it was pushed"
            )


class _PublishedSide:
    """A side whose answers are there, errors among them."""

    def __init__(
        self,
        identity: SideIdentity,
        name: SideName,
        outputs: Mapping[tuple[int, SideName, int], Output],
        places: Mapping[str, int],
    ) -> None:
        self.identity = identity
        self._name, self._outputs, self._places = name, outputs, places

    def request(self, case: Case) -> None:
        """Nothing is asked."""

    def known(self, case: Case, repeat: int) -> bool:
        """All are."""
        return True

    async def answer(self, case: Case, repeat: int) -> Output:
        """Returns what was published."""
        return self._outputs[self._places[case.id], self._name, repeat]


async def _kept(
    each: ClaimedAnswer, number: int, work: Work, places: Mapping[str, int], pure: Collection[str]
) -> KeptAnswer:
    """Checks an answer, and scores what needs no model."""
    where = f"answers[{number}]"
    if each.case not in places:
        raise Invalid(f"{where}.case", each.case, "give the id of a case of the suite's split")
    if each.side not in work.sides or not 0 <= each.repeat < work.repeats:
        raise Invalid(f"{where}.side", f"{each.side} {each.repeat}", "give a side and a repeat of the run")
    at = each.output.answered_at
    if at is not None and (at.tzinfo is None or at.year not in _YEARS):
        raise Invalid(f"{where}.answered_at", at.isoformat(), "give when it was answered, with its zone")
    case = work.cases[places[each.case]]
    scores = {
        metric: await _score(scorer if metric in pure else None, metric, case, each, where)
        for metric, scorer in work.scorers.items()
    }
    first = next(iter(scores))
    scores[first] = Score(scores[first].value, scores[first].details, each.scoring_nano_usd)
    return KeptAnswer(places[each.case], each.case, each.side, each.repeat, each.output, scores)


async def _score(scorer: Scorer | None, metric: str, case: Case, each: ClaimedAnswer, where: str) -> Score:
    text = each.output.text
    if each.output.error is not None:
        return Score(None, {"error": each.output.error})
    if text is not None and scorer is not None:
        return await scorer.score(case, text)
    if metric not in each.scores:
        raise Invalid(f"{where}.scores", metric, "give its score, or null if it has none")
    value = each.scores[metric]
    if value is not None and not 0 <= value <= 1:
        raise Invalid(f"{where}.scores.{metric}", value, "give a score from 0 to 1, or null")
    details = each.details.get(metric)
    check_json(details, f"{where}.details.{metric}")
    return Score(value, details if isinstance(details, dict) else {})


def _identity(suite: Suite, side: ClaimedSide) -> SideIdentity:
    return SideIdentity(suite.prompt, side.version, side.digest, side.provider, side.model)

"""Scores production requests as they come in, within minutes, and says so when it cannot.

Requests are worked on in the order in which they were stored, in small parts; what a part came to is stored
before the next begins. After a crash a part may be paid for twice, but no request is scored twice.
"""

import asyncio
import hashlib
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

from sqlalchemy import Connection

from coalmine_consumers.store.reader import Reader
from coalmine_evals.continuous import storage
from coalmine_evals.continuous.outage import after, is_down, words
from coalmine_evals.continuous.outbox import stored_event
from coalmine_evals.continuous.plan import ContinuousPlan, Scored
from coalmine_evals.continuous.requests import FreshRequest, Texts, fresh_requests, newest_batch, texts_of
from coalmine_evals.continuous.sampling import Taken, affordable, taken
from coalmine_evals.continuous.scoring import Verdict, score_all
from coalmine_evals.continuous.storage import ProductionScore, ScoringState
from coalmine_evals.records import Scorer
from coalmine_registry.storage.database import Database
from coalmine_schemas.identifiers import uuid7

NAME: Final = "continuous"
_FORGET_EVERY: Final = timedelta(hours=1)
PART: Final = 64
"""Requests that are worked on together."""
_PROBE: Final = 4
"""Scores to pay for while it is not known what one costs."""

NO_TEXTS: Final = (
    "requests come without the texts of their answers; set COALMINE_CAPTURE_TEXT=true where the service runs "
    "(docs/security.md says what is stored then)"
)

_LATE: Final = "it came too late to be scored within the deadline; scoring is behind, or was down"

Key = tuple[str, str]
"""Environment and prompt."""


@dataclass(frozen=True, slots=True)
class RolloutNeed:
    """A rollout that runs, and the scores that it needs."""

    rollout: str
    """Also the name of its experiment."""
    environment: str
    prompt: str
    metrics: frozenset[str]
    """That it is judged by."""
    arms: tuple[str, ...]
    min_units: int
    """Units with a score that each arm needs."""


class Needs(Protocol):
    """Knows which rollouts run."""

    def __call__(self) -> Sequence[RolloutNeed]:
        """Returns those that run now."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """One metric of one prompt, and at which rate its requests are taken now."""

    scored: Scored
    key: Key
    rate: float
    raised_for: str | None

    def missed(self, requests: Iterable[FreshRequest], cause: str) -> list[str]:
        """The cause, once for each request that had been taken."""
        chosen, _ = taken([each.candidate for each in requests], self.scored, self.rate)
        return [cause] * len(chosen)

    def first_state(self, at: datetime) -> ScoringState:
        """How scoring goes before anything is known of it."""
        environment, prompt = self.key
        return ScoringState(
            environment=environment, prompt=prompt, metric=self.scored.metric, rate=self.rate, changed_at=at
        )


class Continuous:
    """Scores production requests. `tick` is for one thread, everything else for any.

    Args:
        database: Of evaluations.
        reader: Of the store.
        plan: What is scored, and how much of it.
        scorers: By metric.
        needs: Which rollouts run.
        clock: Returns the current time, with a time zone.
        keep_days: How long scores of requests are kept here; None: forever.
        close: Closes what scorers ask, where they are asked.
    """

    def __init__(
        self,
        database: Database,
        reader: Reader,
        plan: ContinuousPlan,
        scorers: Mapping[str, Scorer],
        *,
        needs: Needs,
        clock: Callable[[], datetime],
        keep_days: int | None = None,
        close: Callable[[], Coroutine[None, None, None]] | None = None,
    ) -> None:
        self._database = database
        self._reader = reader
        self._scorers = scorers
        self._needs = needs
        self._clock = clock
        self._keep_days = keep_days
        self._close = close
        self._forgot_at: datetime | None = None
        self._seen = 0
        self._runner: asyncio.Runner | None = None
        self._deadline = timedelta(seconds=plan.deadline_s)
        self.plan: Final = plan

    def tick(self, stop: threading.Event) -> int:
        """Scores what was stored since the last time. Returns how many requests were taken.

        The first one ever begins with what comes after it.
        """
        newest = newest_batch(self._reader)
        known = self._database.read(lambda connection: storage.progress_of(connection, NAME))
        # A store that was rebuilt counts from the beginning again.
        seen = newest if known is None else min(known[0], newest)
        self._seen = seen
        done, raised = 0, self._raised()
        requests = self._fresh(seen, newest, raised=bool(raised))
        for key, together in _by_key(requests).items():
            for scored in self.plan.scores:
                if not scored.covers(*key):
                    continue
                need = raised.get((*key, scored.metric))
                rate = scored.rate if need is None else max(scored.rate, scored.rate_in_rollouts)
                turn = _Turn(scored, key, rate, need)
                rest = together
                while rest:
                    size = self._size_of_part(turn, rest)
                    done += self._score_part(turn, rest[:size], stop)
                    rest = rest[size:]
                    if stop.is_set():
                        return done
        now = self._clock()
        self._database.write(partial(storage.keep_progress, name=NAME, ingest_id=newest, at=now))
        self._forget(now)
        return done

    def close(self) -> None:
        """Lets go of what scoring holds. On the thread that ticked."""
        if self._runner is not None:
            if self._close is not None:
                self._runner.run(self._close())
            self._runner.close()

    def missing(self, environment: str, prompt: str) -> dict[str, str]:
        """Returns why scores of a prompt fail to come, by metric; of those that come, nothing."""
        expected = [each for each in self.plan.scores if each.covers(environment, prompt)]
        if not expected:
            return {}
        now = self._clock()

        def read(connection: Connection) -> tuple[tuple[int, datetime] | None, list[ScoringState]]:
            states = storage.states_of(connection, environment, prompt)
            return storage.progress_of(connection, NAME), states

        progress, states = self._database.read(read)
        if progress is not None and now - progress[1] > self._deadline:
            cause = f"nothing has been scored since {progress[1]:%Y-%m-%d %H:%M} UTC: see the log for {NAME}"
            return {each.metric: cause for each in expected}
        metrics = {each.metric for each in expected}
        return {
            each.metric: words(each)
            for each in states
            if each.metric in metrics and is_down(each, now, self.plan.deadline_s)
        }

    def _forget(self, now: datetime) -> None:
        """Deletes what is as old as requests that the store has deleted."""
        if self._keep_days is None or (self._forgot_at and now - self._forgot_at < _FORGET_EVERY):
            return
        oldest = now - timedelta(days=self._keep_days + 1)
        self._database.write(partial(storage.forget_before, at=oldest))
        self._forgot_at = now

    def _fresh(self, seen: int, newest: int, *, raised: bool) -> Iterator[FreshRequest]:
        """Requests that may be taken, oldest first."""
        if newest <= seen or not self.plan.scores:
            return
        rates = [each.rate for each in self.plan.scores]
        rates += [one.rate for each in self.plan.scores for one in each.strata]
        if raised:
            rates += [each.rate_in_rollouts for each in self.plan.scores]
        environments = sorted({name for each in self.plan.scores for name in each.environments})
        # What came long ago is too late, whatever becomes of it.
        since = self._clock() - 2 * self._deadline
        yield from fresh_requests(
            self._reader,
            after=seen,
            upto=newest,
            since=since,
            environments=environments,
            rate=max(rates),
        )

    def _raised(self) -> dict[tuple[str, str, str], str]:
        """Rollouts that lack units with a score, by environment, prompt and metric."""
        found: dict[tuple[str, str, str], str] = {}
        for need in self._needs():
            for each in self.plan.scores:
                if each.metric in need.metrics and each.covers(need.environment, need.prompt):
                    read = partial(storage.units_scored, experiment=need.rollout, metric=each.metric)
                    units = self._database.read(read)
                    if any(units.get(arm, 0) < need.min_units for arm in need.arms):
                        found[need.environment, need.prompt, each.metric] = need.rollout
        return found

    def _size_of_part(self, turn: _Turn, requests: Sequence[FreshRequest]) -> int:
        """Returns how many requests come next: few while it is not known what a score costs.

        None of them is left out for that, as all count as missed that the budget does not pay for.
        """
        if self.plan.budget_nano_usd is not None:
            metric = turn.scored.metric
            read = partial(storage.latest_costs, metric=metric, scorer=self._scorers[metric].name)
            if not self._database.read(read):
                chosen, _ = taken([each.candidate for each in requests[:PART]], turn.scored, turn.rate)
                ids = {each.request_id for each in chosen}
                places = [place for place, each in enumerate(requests[:PART]) if each.request_id in ids]
                if len(places) > _PROBE:
                    return places[_PROBE]
        return PART

    def _score_part(self, turn: _Turn, requests: Sequence[FreshRequest], stop: threading.Event) -> int:
        """Scores some requests; what cannot be paid for is left out of all arms alike."""
        scored, now, scorer = turn.scored, self._clock(), self._scorers[turn.scored.metric]
        by_id = {each.request_id: each for each in requests}

        def before(connection: Connection) -> tuple[set[str], int | None]:
            found = storage.scored_already(connection, scored.metric, by_id)
            left = self.plan.budget_nano_usd
            if left is not None:
                left -= storage.spent_nano_usd(connection, now)
            costs = storage.latest_costs(connection, scored.metric, scorer.name)
            return found, affordable(left, costs, _PROBE)

        have, most = self._database.read(before)
        fresh = [each for each in requests if each.request_id not in have]
        in_time = [each for each in fresh if each.ingested_at >= now - self._deadline]
        late = [each for each in fresh if each.ingested_at < now - self._deadline]
        without = [each for each in in_time if not each.has_text]
        with_text = [each.candidate for each in in_time if each.has_text]
        chosen, unpaid = taken(with_text, scored, turn.rate, most)
        texts = texts_of(self._reader, [each.request_id for each in chosen])
        verdicts = self._run(scorer, texts, stop)
        at = self._clock()
        scores = [
            _score_of(
                turn, by_id[each.request_id], each, verdicts[each.request_id], at=at, scorer=scorer.name
            )
            for each in chosen
            if each.request_id in verdicts
        ]
        causes = [
            *turn.missed(late, _LATE),
            *turn.missed(without, NO_TEXTS),
            *(each.reason for each in scores),
            *[self._unpaid()] * unpaid,
        ]

        def keep(connection: Connection) -> None:
            # Not further than before, but alive: much to do is no outage.
            storage.keep_progress(connection, NAME, self._seen, at)
            storage.add_scores(connection, scores)
            if causes:
                states = {each.key: each for each in storage.states_of(connection, *turn.key)}
                state = states.get((*turn.key, scored.metric)) or turn.first_state(at)
                changed = after(state, causes, at, rate=turn.rate, raised_for=turn.raised_for)
                storage.keep_states(connection, [changed])

        self._database.write(keep)
        return len(scores)

    def _run(self, scorer: Scorer, texts: Mapping[str, Texts], stop: threading.Event) -> dict[str, Verdict]:
        if not texts:
            return {}
        if self._runner is None:
            # One for all ticks: connections to models belong to it.
            self._runner = asyncio.Runner()
        return self._runner.run(score_all(scorer, texts, stop))

    def _unpaid(self) -> str:
        budget = (self.plan.budget_nano_usd or 0) / 1e9
        return f"the budget of {budget:,.2f} USD a day is spent; raise it, lower rates, or wait for 00:00 UTC"


def _score_of(
    turn: _Turn, request: FreshRequest, chosen: Taken, verdict: Verdict, *, at: datetime, scorer: str
) -> ProductionScore:
    score_id = uuid7()
    event = None
    if chosen.counts and verdict.value is not None:
        event = stored_event(
            score_id=score_id,
            request_id=request.request_id,
            event_time=at,
            name=turn.scored.metric,
            value=verdict.value,
            source=turn.scored.source,
            scorer=scorer,
            rationale=verdict.rationale,
        )
    return ProductionScore(
        metric=turn.scored.metric,
        request_id=request.request_id,
        score_id=score_id,
        scorer=scorer,
        environment=request.environment,
        prompt=request.prompt,
        version=request.version,
        experiment=request.experiment,
        arm=request.arm,
        unit=hashlib.sha256(request.unit_id.encode()).hexdigest()[:16],
        stratum=chosen.stratum,
        probability=chosen.probability,
        counts=chosen.counts,
        value=verdict.value,
        reason=verdict.reason,
        cost_nano_usd=verdict.cost_nano_usd,
        requested_at=request.event_time,
        scored_at=at,
        event=event,
    )


def _by_key(requests: Iterator[FreshRequest]) -> dict[Key, list[FreshRequest]]:
    found: dict[Key, list[FreshRequest]] = {}
    for each in requests:
        found.setdefault((each.environment, each.prompt), []).append(each)
    return found

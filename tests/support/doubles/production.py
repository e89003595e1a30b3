"""Production for evaluations: a real store and database, a scorer that is told what to do, a clock."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coalmine_consumers.store import Store, StoreSettings
from coalmine_evals.continuous.plan import ContinuousPlan, Scored
from coalmine_evals.continuous.service import Continuous, RolloutNeed
from coalmine_evals.records import Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.storage.open import open_database
from tests.support.data.store_feed import Feed, Row, request

PROMPT = "refund"
SCORED = Scored("faithful", "fake", rate=1.0)


class FakeScorer:
    """Scores what it is told to, and remembers what it was asked."""

    name = "fake@1"

    def __init__(self, say: Callable[[Case, str], Score] = lambda _case, _output: Score(0.5)) -> None:
        self.say = say
        self.asked: list[str] = []

    async def score(self, case: Case, output: str) -> Score:
        """See `Scorer`."""
        self.asked.append(case.id)
        return self.say(case, output)


class Production:
    """Requests that come in, and what scores them."""

    def __init__(self, folder: Path) -> None:
        self.store = Store.open(folder / "store", StoreSettings(threads=1))
        self.database = open_database(folder / "evals.db")
        self.scorer = FakeScorer()
        self.needs: list[RolloutNeed] = []
        self.ahead = timedelta(0)
        self.stop = threading.Event()
        self._feed, self._number = Feed(), 0

    def now(self) -> datetime:
        """The machine's time, and as much more as a test has let pass."""
        return datetime.now(UTC) + self.ahead

    def continuous(self, *scored: Scored, budget_nano_usd: int | None = None) -> Continuous:
        """Continuous evaluation that has begun: what comes from now on is scored."""
        plan = ContinuousPlan(scored or (SCORED,), budget_nano_usd)
        made = Continuous(
            self.database,
            self.store.reader(),
            plan,
            {each.metric: self.scorer for each in plan.scores},
            needs=lambda: self.needs,
            clock=self.now,
        )
        made.tick(self.stop)
        return made

    def request(self, **values: object) -> Row:
        """Makes a request with texts."""
        self._number += 1
        given = {"input_text": "Where is it?", "output_text": "There.", "prompt": PROMPT, **values}
        return request(self._number, datetime.now(UTC), **given)

    def store_requests(self, rows: Sequence[Row]) -> None:
        """Stores requests, as one batch."""
        self.store.commit(self._feed.batch(requests=rows))

    def requests(self, count: int, **values: object) -> list[Row]:
        """Makes and stores requests."""
        rows = [self.request(**values) for _ in range(count)]
        self.store_requests(rows)
        return rows

    def reactions(self, *, feedback: Sequence[Row] = (), scores: Sequence[Row] = ()) -> None:
        """Stores what was said of requests."""
        self.store.commit(self._feed.batch(feedback=feedback, scores=scores))

    def close(self) -> None:
        """Closes store and database."""
        self.database.close()
        self.store.close()

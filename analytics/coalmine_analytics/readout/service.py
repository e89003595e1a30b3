"""Looks at experiments: each is stored before it is shown, and the next one continues from it."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter

from coalmine_analytics.readout.look import read_out
from coalmine_analytics.readout.plan import ExperimentPlans, FixedPlans
from coalmine_analytics.results.readout import Readout
from coalmine_consumers.experiments import (
    Look,
    allocations,
    append_look,
    experiment_sums,
    experiments,
    last_look,
    looks,
)
from coalmine_consumers.results import ExperimentRow
from coalmine_consumers.store import Store
from coalmine_schemas.errors import InvalidParameter

GROWTH = 0.01
"""The background worker looks again once an experiment has this share more requests."""
LONGEST = timedelta(hours=1)
"""Or after this long, if anything has changed."""

READOUT = TypeAdapter(Readout)
"""A readout as JSON and back, to the last digit: the next look goes on from the stored one."""

Clock = Callable[[], datetime]
OnRefused = Callable[[str, InvalidParameter], None]


def _now() -> datetime:
    return datetime.now(UTC)


class Readouts:
    """Readouts of the experiments in one store; thread-safe, one look at a time.

    All state is in the stored looks, so a new process continues where the last one stopped.
    """

    def __init__(self, store: Store, plans: ExperimentPlans | None = None, *, clock: Clock = _now) -> None:
        self._store = store
        self._plans = plans or FixedPlans()
        self._clock = clock
        self._taking = threading.Lock()
        self._unchanged: dict[str, datetime] = {}

    def experiments(self) -> list[ExperimentRow]:
        """Every experiment that had requests."""
        return experiments(self._store.reader())

    def current(self, experiment: str, *, max_age: timedelta = timedelta(0)) -> Readout | None:
        """Return the current readout, or None if there is no such experiment.

        Every answer counts as a look: it is stored first, unless nothing has changed.

        Args:
            experiment: Its name.
            max_age: A stored look up to this age is returned instead.

        Raises:
            InvalidParameter: The plan does not fit the experiment.
        """
        with self._taking:
            before = self._last(experiment)
            if before is not None and (before.final or self._clock() - before.taken_at <= max_age):
                return before
            return self._look(experiment, before)

    def take_due(self, on_refused: OnRefused = lambda _experiment, _error: None) -> list[Readout]:
        """Look at every experiment that has grown by `GROWTH`, or changed for `LONGEST`; return those looks.

        One that is stopped is read once more when it no longer grows, and not again.

        Args:
            on_refused: Called with an experiment whose plan does not fit; the others continue.
        """
        taken = []
        for row in self.experiments():
            if not row.arms:
                continue
            with self._taking:
                before = self._last(row.experiment)
                if before is not None and not self._is_due(row, before):
                    continue
                try:
                    readout = self._look(row.experiment, before)
                except InvalidParameter as error:
                    on_refused(row.experiment, error)
                    continue
            if readout is not None and readout != before:
                taken.append(readout)
        return taken

    def path(self, experiment: str, *, limit: int = 1_000, since: datetime | None = None) -> list[Readout]:
        """Return the latest stored looks, oldest first."""
        found = looks(self._store.reader(), experiment, limit=limit, since=since)
        return [READOUT.validate_json(look.document) for look in found]

    def _last(self, experiment: str) -> Readout | None:
        found = last_look(self._store.reader(), experiment)
        return None if found is None else READOUT.validate_json(found.document)

    def _is_due(self, row: ExperimentRow, before: Readout) -> bool:
        if before.final:
            return False
        seen = before.requests
        grown = row.requests >= seen * (1.0 + GROWTH) and row.requests > seen
        # What was as before is not stored, and not due again at once.
        last = max(before.taken_at, self._unchanged.get(row.experiment, before.taken_at))
        return grown or self._clock() - last >= LONGEST

    def _look(self, experiment: str, before: Readout | None) -> Readout | None:
        at = self._clock()
        with self._store.reader().snapshot() as snapshot:
            sums = experiment_sums(snapshot, experiment, at=at)
            deployed = allocations(snapshot, experiment)
        if sums is None:
            return None
        plan = self._plans.plan_of(experiment).with_deployed(deployed)
        # A planned arm without any unit stays in: that it gets no units is a finding.
        sums = sums.with_arms(plan.arms_of(sums.epochs))
        readout = read_out(sums, plan, taken_at=at, before=before)
        if before is not None and _says_the_same(readout, before):
            self._unchanged[experiment] = readout.taken_at
            return before
        look = Look(
            0,
            experiment,
            readout.taken_at,
            readout.through_ingest_id,
            sums.requests,
            READOUT.dump_json(readout).decode(),
        )
        with self._store.transaction() as connection:
            append_look(connection, look)
        return readout


def _says_the_same(readout: Readout, before: Readout) -> bool:
    moved = replace(readout, taken_at=before.taken_at, through_ingest_id=before.through_ingest_id)
    return moved == before

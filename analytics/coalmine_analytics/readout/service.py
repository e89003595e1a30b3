"""Looks at experiments: each is stored before it is shown, and the next one continues from it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from coalmine_analytics.errors import invalid
from coalmine_analytics.metrics import planned
from coalmine_analytics.readout.anew import plan_of_restart
from coalmine_analytics.readout.borders import (
    SUMS_THEN,
    is_border_due,
    latest_epoch,
    since,
    sums_in,
    with_sums,
)
from coalmine_analytics.readout.look import read_out
from coalmine_analytics.readout.own_values import OwnValue, own_values
from coalmine_analytics.readout.plan import ExperimentPlans, FixedPlans, Plan
from coalmine_analytics.readout.segments import segmented_cells
from coalmine_analytics.results.readout import BegunAnew, Readout
from coalmine_consumers.experiments import (
    ExperimentSums,
    Look,
    allocations,
    append_look,
    deployment_changes,
    different_units,
    experiment_sums,
    experiments,
    is_maturing,
    last_batch,
    last_look,
    look_at,
    looks,
    segment_sums,
    units_since,
)
from coalmine_consumers.results import ExperimentRow
from coalmine_consumers.store import Snapshot, Store
from coalmine_schemas.errors import InvalidParameter

GROWTH = 0.01
"""The background worker looks again once an experiment has this share more requests."""
LONGEST = timedelta(hours=1)
"""Or after this long, if anything has changed."""
STILL = timedelta(minutes=1)
"""Nothing came in: what merely grows old enough to count need not be looked at sooner."""

_KEPT_SUMS = 300
"""Sums of earlier looks in memory, about 100 kB each; others are read again."""

READOUT = TypeAdapter(Readout)
"""A readout as JSON and back, to the last digit: the next look goes on from the stored one."""

Clock = Callable[[], datetime]
OnRefused = Callable[[str, InvalidParameter], None]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, eq=False)
class _Observed:
    """An experiment at one look."""

    plan: Plan
    sums: ExperimentSums
    """Since the evidence began."""
    requests: int
    """Of the whole experiment."""
    at: datetime
    borders: list[ExperimentSums]
    """At each border of the readout before, oldest first."""


class Readouts:
    """Readouts of the experiments in one store, one object for all; thread-safe, one look at a time.

    All state is in the stored looks, so a new process continues where the last one stopped.
    """

    def __init__(self, store: Store, plans: ExperimentPlans | None = None, *, clock: Clock = _now) -> None:
        self._store = store
        self._plans = plans or FixedPlans()
        self._clock = clock
        self._taking = threading.Lock()
        self._known: dict[str, tuple[Look, Readout | None]] = {}
        """The last look at each experiment, read."""
        self._looked: dict[str, tuple[datetime, int]] = {}
        """When each was looked at last, stored or not, and the last batch then."""
        self._sums: dict[tuple[str, datetime], ExperimentSums] = {}
        """Those that looks kept, by experiment and time."""
        self._allocated: dict[str, dict[int, dict[str, float]]] = {}
        """Planned weights of experiments, as of so many changes of deployments, and of the last batch."""
        self._changes, self._changes_through = 0, -1

    def experiments(self) -> list[ExperimentRow]:
        """Every experiment that had requests."""
        return experiments(self._store.reader())

    def current(self, experiment: str, *, max_age: timedelta = timedelta(0)) -> Readout | None:
        """Return the current readout, or None if there is no such experiment.

        Every answer counts as a look: it is stored first, unless nothing has changed. As long as no batch
        came in, there is nothing to look at but what grows old enough to count: that waits for `STILL`. So
        it may be asked for every few seconds.

        Args:
            experiment: Its name.
            max_age: A stored look up to this age is returned instead.

        Raises:
            InvalidParameter: The plan does not fit the experiment.
        """
        with self._taking:
            before, _ = self._last(experiment)
            if before is not None and (before.final or self._will_do(before, max_age)):
                return before
            return self._look(experiment, before)

    def own_values(self, experiment: str, arm: str) -> dict[str, OwnValue]:
        """What an arm is like by itself, by metric, as of now; empty where no look has seen it."""
        with self._taking:
            last, _ = self._last(experiment)
            found = None if last is None else next((each for each in last.arms if each.arm == arm), None)
            seen = None if found is None else self._observe(experiment, last)
        return {} if found is None or seen is None else own_values(seen.sums, found, seen.plan.overrides)

    def begin_anew(self, experiment: str, by: str, reason: str) -> Readout | None:
        """Have the evidence of an experiment begin anew from now; return that look, or None without requests.

        Decisions and evidence from before do not count any more. The looks keep them, and who asked why.

        Args:
            experiment: Its name.
            by: Who asks.
            reason: Why.

        Raises:
            InvalidParameter: There is no reason, the experiment is stopped, or its plan does not fit.
        """
        if not reason.strip():
            raise invalid("reason", reason, "say why the evidence until now should not count")
        with self._taking:
            before, _ = self._last(experiment)
            seen = self._observe(experiment, None)
            if seen is None:
                return None
            if seen.plan.stopped_at is not None:
                raise invalid("experiment", experiment, "it is stopped, and its last readout is kept")
            number = 1 if before is None or before.begun_anew is None else before.begun_anew.number + 1
            sums, now = seen.sums, seen.at
            empty = replace(
                sums,
                x=0.0 * sums.x,
                y=0.0 * sums.y,
                units=0 * sums.units,
                first_units=0 * sums.first_units,
                different_units=None,
                segments=None,
            )
            readout = replace(
                read_out(empty, plan_of_restart(seen.plan, number), taken_at=now),
                begun_anew=BegunAnew(number=number, at=now, by=by, reason=reason),
            )
            self._store_look(readout, seen.requests, with_sums(READOUT.dump_json(readout).decode(), sums))
            return readout

    def take_due(self, on_refused: OnRefused = lambda _experiment, _error: None) -> list[Readout]:
        """Look at every experiment that has grown by `GROWTH`, or changed for `LONGEST`; return those looks.

        One that is stopped is read once more when nothing of it comes or counts any more, and not again.

        Args:
            on_refused: Called with an experiment whose plan does not fit; the others continue.
        """
        taken = []
        for row in self.experiments():
            if not row.arms:
                continue
            with self._taking:
                before, seen = self._last(row.experiment)
                if before is not None and not self._is_due(row, before, seen):
                    continue
                try:
                    readout = self._look(row.experiment, before)
                except InvalidParameter as error:
                    on_refused(row.experiment, error)
                    continue
            if readout is not None and readout != before:
                taken.append(readout)
        return taken

    def path(
        self, experiment: str, *, limit: int = 1_000, since: datetime | None = None, spread: bool = False
    ) -> list[Readout]:
        """Return the latest stored looks, oldest first; or as many, spread over all."""
        found = looks(self._store.reader(), experiment, limit=limit, since=since, spread=spread)
        return [readout for look in found if (readout := _read(look)) is not None]

    def _last(self, experiment: str) -> tuple[Readout | None, int]:
        """The last look, and the requests that the experiment had then."""
        if (known := self._known.get(experiment)) is None:
            found = last_look(self._store.reader(), experiment)
            if found is None:
                return None, 0
            known = self._known[experiment] = found, _read(found)
        return known[1], known[0].requests

    def _will_do(self, before: Readout, max_age: timedelta) -> bool:
        """True if there is no need of another look now."""
        now = self._clock()
        if timedelta(0) <= now - before.taken_at <= max_age:
            return True
        at, through = self._looked.get(before.experiment, (before.taken_at, before.through_ingest_id))
        return timedelta(0) <= now - at < STILL and last_batch(self._store.reader()) == through

    def _is_due(self, row: ExperimentRow, before: Readout, seen: int) -> bool:
        if before.final:
            return False
        grown = row.requests >= seen * (1.0 + GROWTH) and row.requests > seen
        # What was as before is not stored, and not due again at once.
        last, _ = self._looked.get(row.experiment, (before.taken_at, 0))
        return grown or self._clock() - last >= LONGEST

    def _observe(self, experiment: str, before: Readout | None) -> "_Observed | None":
        """What there is; None without requests.

        Args:
            experiment: Its name.
            before: The look to go on from.
        """
        anew, borders = (None, ()) if before is None else (before.begun_anew, before.borders)
        now = self._clock()
        with self._store.reader().snapshot() as snapshot:
            sums = experiment_sums(snapshot, experiment, at=now)
            if sums is None:
                return None
            deployed = self._allocations(snapshot, experiment, sums.through_ingest_id)
            plan = self._plans.plan_of(experiment).with_deployed(deployed)
            requests = sums.requests
            sums = plan.part_of(sums)
            if not sums.requests:
                return None
            segments = segment_sums(
                snapshot,
                experiment,
                metrics=segmented_cells(planned(plan.overrides)),
                keys=plan.segments,
                at=now,
            )
            sums = replace(sums, segments=segments)
            # A planned arm without any unit stays in: that it gets no units is a finding.
            sums = sums.with_arms(plan.arms_of(sums.epochs))
            if anew is not None:
                old = plan.part_of(self._sums_at(snapshot, experiment, anew.at))
                sums = since(sums, old, units_since(snapshot, sums, anew.at))
            old_sums = [plan.part_of(self._sums_at(snapshot, experiment, at)) for at in borders]
            sums = replace(
                sums,
                different_units=different_units(snapshot, sums, None if anew is None else anew.at),
                is_maturing=plan.stopped_at is not None and is_maturing(snapshot, sums, now),
            )
        old_sums = [each for each in old_sums if each.epochs]
        return _Observed(plan, sums, requests, now, old_sums)

    def _allocations(
        self, snapshot: Snapshot, experiment: str, through_ingest_id: int
    ) -> dict[int, dict[str, float]]:
        if through_ingest_id != self._changes_through:
            if (changes := deployment_changes(snapshot)) != self._changes:
                self._allocated.clear()
            self._changes, self._changes_through = changes, through_ingest_id
        if experiment not in self._allocated:
            self._allocated[experiment] = allocations(snapshot, experiment)
        return self._allocated[experiment]

    def _sums_at(self, snapshot: Snapshot, experiment: str, at: datetime) -> ExperimentSums:
        """The sums that the look of a moment kept."""
        key = experiment, at
        found = self._sums.pop(key, None)
        if found is None:
            found = sums_in(look_at(snapshot, experiment, at, containing=SUMS_THEN).document, experiment)
        self._sums[key] = found  # the last, now
        while len(self._sums) > _KEPT_SUMS:
            del self._sums[next(iter(self._sums))]
        return found

    def _look(self, experiment: str, before: Readout | None) -> Readout | None:
        anew = None if before is None else before.begun_anew
        seen = self._observe(experiment, before)
        if seen is None:
            return None
        plan = plan_of_restart(seen.plan, 0 if anew is None else anew.number)
        readout = read_out(seen.sums, plan, taken_at=seen.at, before=before, borders=seen.borders)
        self._looked[experiment] = readout.taken_at, readout.through_ingest_id
        if before is not None and _says_the_same(readout, before):
            return before
        if not is_border_due(readout):
            self._store_look(readout, seen.requests, READOUT.dump_json(readout).decode())
            return readout
        readout = replace(readout, borders=(*readout.borders, seen.at))
        document = with_sums(READOUT.dump_json(readout).decode(), latest_epoch(seen.sums))
        self._store_look(readout, seen.requests, document)
        return readout

    def _store_look(self, readout: Readout, requests: int, document: str) -> None:
        look = Look(0, readout.experiment, readout.taken_at, readout.through_ingest_id, requests, document)
        with self._store.transaction(of_segments=False) as connection:
            look = append_look(connection, look)
        self._known[readout.experiment] = look, readout


def _read(look: Look) -> Readout | None:
    """The readout of a look; None if it was taken by an earlier version: its evidence does not carry over."""
    try:
        readout = READOUT.validate_json(look.document)
    except ValidationError:
        return None
    # Earlier versions kept a last look without saying so: it is never taken again.
    return replace(readout, stopped=True) if readout.final else readout


def _says_the_same(readout: Readout, before: Readout) -> bool:
    moved = replace(readout, taken_at=before.taken_at, through_ingest_id=before.through_ingest_id)
    return moved == before

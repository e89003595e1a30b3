"""The controller: reads everything, decides, and carries it out, rollout by rollout.

All state is in the registry's database. What is kept here between ticks (how far clocks are, which holds
fade) only spares reading, so another process, or this one after a restart, goes on where it stands.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from coalmine_analytics.readout import OwnValue, Readouts
from coalmine_analytics.results.readout import Readout
from coalmine_consumers.store import Store
from coalmine_registry.errors import Refused, StaleRevision
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.registry import Registry
from coalmine_rollouts import storage
from coalmine_rollouts.decide import decide, is_watched_still, watched
from coalmine_rollouts.decision import Decision, stays
from coalmine_rollouts.evidence import evidence_of, figures_of
from coalmine_rollouts.holds import REFUSED, without_hold
from coalmine_rollouts.inputs import TREATMENT, Held, Inputs, Row, Traffic
from coalmine_rollouts.observed import Observed
from coalmine_rollouts.patterns import patterns
from coalmine_rollouts.place import Deployed, Key
from coalmine_rollouts.reading import Registered, read_registered
from coalmine_rollouts.records import SERVING, Decided, RolloutStatus
from coalmine_rollouts.refusals import refusals_of, waiting_for, why
from coalmine_rollouts.sentence import sentence
from coalmine_rollouts.stage_clock import StageClock, bucket_s
from coalmine_rollouts.traffic import share_of_traffic, traffic_of, weight_observed
from coalmine_rollouts.transition import Circumstances, carry_out
from coalmine_schemas.errors import CoalmineError, Transient

LONGEST_GAP_S: Final = 60.0
"""Between ticks; of a longer one nothing counts as watched."""

_TRIES: Final = 3
_TRY_START_AGAIN: Final = timedelta(seconds=30)
"""After the registry refused a start, which an approval or evidence may have made possible."""
_TRY_STEP_AGAIN: Final = timedelta(minutes=15)
"""After it refused another step, or a tick failed."""
_READ_AGAIN: Final = timedelta(minutes=5)
"""A readout is taken anew after this long, even if nothing came in: units grow old enough to count."""
_LOOK_AGAIN: Final = timedelta(minutes=1)
"""It is taken after this long if anything came in, be it for other prompts."""
_GROWTH: Final = 0.02
"""And at once if the treatment has had this share more requests, at least `_FEW`."""
_FEW: Final = 3
_KEPT_S: Final = 60.0
"""Of what was watched since the clock was stored."""
_STILL_WATCHED: Final = timedelta(hours=24)
"""How long after its end it is watched whether the applications follow."""

_log = logging.getLogger("coalmine.rollouts")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class _Live:
    """What is kept of a rollout between ticks."""

    row: Row
    inputs: Inputs | None = None
    readout: Readout | None = None
    read_to: int = -1
    """The last batch that the readout counts."""
    read_at: datetime | None = None
    treated: int = 0
    """Requests of the treatment that it counts."""
    refused: tuple[str, ...] = ()
    refused_at: datetime | None = None
    error: str | None = None
    failed_at: datetime | None = None
    kept: StageClock | None = None
    """The clock as it is stored."""


class Controller:
    """Steers the rollouts of one registry by the data of one store. Thread-safe: one tick at a time.

    Args:
        registry: The registry.
        store: The store that its events are in.
        readouts: Of that store.
        clock: Returns the current time, with a time zone.
        longest_gap_s: Between ticks; of a longer one nothing counts as watched.
        source_lag_s: Returns how old the oldest event is that waits to be read; None if that is unknown.
        missing_scores: Returns of an environment and prompt why scores fail to come, by metric.
        fence: Called in each transaction before it changes anything; raises if another controller has taken
            over.
    """

    def __init__(
        self,
        registry: Registry,
        store: Store,
        readouts: Readouts,
        *,
        clock: Callable[[], datetime] = _now,
        longest_gap_s: float = LONGEST_GAP_S,
        source_lag_s: Callable[[], float | None] = lambda: None,
        missing_scores: Callable[[str, str], Mapping[str, str]] = lambda _environment, _prompt: {},
        fence: Callable[[Transaction], None] = lambda _: None,
    ) -> None:
        self._registry = registry
        self._fence = fence
        self._readouts = readouts
        self._clock = clock
        self._longest_gap_s = longest_gap_s
        self._source_lag_s = source_lag_s
        self._missing_scores = missing_scores
        self._observed = Observed(store.reader())
        self._live: dict[str, _Live] = {}
        self._ticking = threading.Lock()
        self._turn: str | None = None
        self._deployed: dict[Key, Deployed] = {}

    def tick(self) -> list[Decided]:
        """Decides on every rollout once; what goes wrong with one stops no other.

        Raises:
            Transient: The registry does not respond: nothing was changed.
        """
        with self._ticking:
            return self._tick()

    def status(self, rollout_id: str) -> RolloutStatus:
        """Returns where a rollout stands; raises NotFound."""
        with self._ticking:
            return self._status(rollout_id)

    def _tick(self) -> list[Decided]:
        now = self._clock()
        registered = self._read(now)
        error = self._observe(registered, now)
        self._live = {row.rollout.id: self._known(row) for row in registered.rows}
        self._turn = self._whose_turn(now)
        # Those that may hurt somebody first.
        order = sorted(
            self._live.values(), key=lambda each: (each.row.rollout.state not in SERVING, each.read_at or now)
        )
        decided = []
        for live in order:
            try:
                made = self._one(live, registered, now, error)
            except Transient:
                raise
            except Exception as failure:  # noqa: BLE001 - one broken rollout must not delay another's rollback
                made = self._failed(live, failure)
            if made is not None:
                decided.append(made)
        self._keep_clocks()
        return decided

    def _status(self, rollout_id: str) -> RolloutStatus:
        now = self._clock()
        row = self._registry.read(lambda tx: storage.read_row(tx, rollout_id))
        registered = self._registry.read(lambda tx: read_registered(tx, [row], self._deployed))
        live = self._live.get(rollout_id)
        if live is not None and live.row.rollout.row_version == row.rollout.row_version and live.inputs:
            key = (row.rollout.environment, row.rollout.prompt)
            deployed = registered.deployed.get(key)
            place = None if deployed is None else deployed.place(row.rollout)
            row, inputs = live.row, replace(live.inputs, place=place)  # as it is after the tick
            if inputs.readout is None:  # nothing is decided any more
                readout = self._readouts.current(rollout_id, max_age=_READ_AGAIN)
                inputs = replace(inputs, readout=readout)
        else:
            live = _Live(row)
            live.readout = self._readouts.current(rollout_id, max_age=_READ_AGAIN)
            inputs = replace(
                self._inputs(live, registered, now, self._observe(registered, now)), readout=live.readout
            )
        return _status(row, inputs, now)

    def _read(self, now: datetime) -> Registered:
        def work(tx: Transaction) -> Registered:
            rows = storage.live_rows(tx, now - _STILL_WATCHED)
            rows = [row for row in rows if not row.rollout.is_terminal or is_watched_still(row)]
            return read_registered(tx, rows, self._deployed)

        registered = self._registry.read(work)
        self._deployed = dict(registered.deployed)
        return registered

    def _observe(self, registered: Registered, now: datetime) -> str | None:
        """Reads the store; what goes wrong is a reason to hold, and to go on with what people asked for."""
        rows = [*registered.rows, *(live.row for live in self._live.values())]
        keys = frozenset((row.rollout.environment, row.rollout.prompt) for row in rows)
        try:
            self._observed.read(keys, now)
        except Exception as failure:  # noqa: BLE001 - whatever it is, aborting has to work
            _log.exception("what applications do could not be read")
            return f"{type(failure).__name__}: {failure}"
        return None

    def _known(self, row: Row) -> _Live:
        """What is kept of a rollout, unless somebody else has changed it."""
        live = self._live.get(row.rollout.id)
        if live is None:
            return _Live(row, kept=row.clock, refused=refusals_of(row))
        if live.row.rollout.row_version != row.rollout.row_version:
            live.row, live.kept = row, row.clock
        return live

    def _one(self, live: _Live, registered: Registered, now: datetime, error: str | None) -> Decided | None:
        for attempt in range(_TRIES):
            inputs = self._inputs(live, registered, now, error)
            live.inputs = inputs
            row = watched(live.row, inputs)
            decision = decide(row, inputs)
            if decision is None and _is_to_be_tried_again(live, now):
                row, decision = self._tried_again(live, row, inputs)
            if decision is None:
                live.row = row
                return None
            try:
                return self._carry_out(live, row, decision, inputs)
            except StaleRevision:
                if attempt + 1 == _TRIES:
                    return None
                registered = self._again(live)
        return None

    def _tried_again(self, live: _Live, row: Row, inputs: Inputs) -> tuple[Row, Decision | None]:
        """The step that was refused, if it is the next one; while it is tried, the hold stands."""
        free = without_hold(row, REFUSED)
        decision = decide(free, replace(inputs, refusals=()))
        return (row, None) if decision is None or decision.act == "nothing" else (free, decision)

    def _again(self, live: _Live) -> Registered:
        def work(tx: Transaction) -> Registered:
            return read_registered(tx, [storage.read_row(tx, live.row.rollout.id)], self._deployed)

        registered = self._registry.read(work)
        live.row = registered.rows[0]
        return registered

    def _carry_out(self, live: _Live, row: Row, decision: Decision, inputs: Inputs) -> Decided | None:
        given = Circumstances(
            revision=None if inputs.place is None else inputs.place.revision,
            evidence=evidence_of(row, inputs),
            figures=figures_of(row, inputs, self._own(row)) if decision.to_state == "completed" else None,
        )

        def work(tx: Transaction) -> tuple[Decided, Row]:
            self._fence(tx)
            made = carry_out(tx, row, decision, given, self._registry.check_plan)
            return made, storage.read_row(tx, row.rollout.id)

        try:
            made, after = self._registry.transact(work)
        except StaleRevision:
            raise
        except Refused as refusal:
            return self._refused(live, row, decision, inputs, refusal)
        live.row, live.kept = after, after.clock
        if decision.act != "nothing":
            live.refused = ()
        _log.info(
            "rollout %s: %s to %s, %s", row.rollout.id, decision.kind, decision.to_state, decision.reasons
        )
        return made

    def _own(self, row: Row) -> dict[str, OwnValue]:
        """What the treatment is like by itself; a rollout completes without it, too."""
        try:
            return self._readouts.own_values(row.rollout.id, TREATMENT)
        except Exception:  # noqa: BLE001 - whatever it is, what is decided is not undone by it
            _log.exception("what a completed version is like by itself could not be read")
            return {}

    def _refused(
        self, live: _Live, row: Row, decision: Decision, inputs: Inputs, refusal: Refused
    ) -> Decided | None:
        """The registry does not allow it: a start waits for that, a command is answered, else it holds."""
        if decision.command is not None:
            answer = replace(
                stays(row, "refuse", f"{decision.command.kind} refused: {refusal}"),
                command=decision.command,
                answer=str(refusal),
            )
            return self._carry_out(live, row, answer, inputs)
        before, live.refused, live.refused_at = live.refused, (waiting_for(refusal),), inputs.now
        inputs = replace(inputs, refusals=live.refused)
        if REFUSED in live.row.held:
            if why(before) == why(live.refused):
                return None
            row = watched(live.row, inputs)
            told = replace(stays(row, "hold", f"{REFUSED}: {row.held[REFUSED].text}"), held=row.held)
            return self._carry_out(live, row, told, inputs)
        again = decide(watched(row, inputs), inputs)
        if again is None or again.act != "nothing":  # a step that harm asks for is tried again, and again
            return None
        return self._carry_out(live, watched(row, inputs), again, inputs)

    def _failed(self, live: _Live, failure: Exception) -> Decided | None:
        """A tick that failed holds its rollout, and says with what."""
        text = f"{type(failure).__name__}: {failure}"[:500]
        if live.error != text:
            _log.error("rollout %s: the tick failed", live.row.rollout.id, exc_info=failure)
        live.error, live.failed_at = text, self._clock()
        rollout = live.row.rollout
        if rollout.state not in SERVING or any(each.name == "controller_error" for each in rollout.holds):
            return None
        held = Held(text=f"the last tick failed: {text}", since=self._clock())
        row = replace(live.row, held={**live.row.held, "controller_error": held})
        decision = replace(stays(row, "hold", f"controller_error: {held.text}"), held=row.held)

        def work(tx: Transaction) -> tuple[Decided, Row]:
            self._fence(tx)
            given = Circumstances(revision=None, evidence={})
            made = carry_out(tx, row, decision, given, self._registry.check_plan)
            return made, storage.read_row(tx, rollout.id)

        with suppress(CoalmineError):  # the next tick says it again
            made, live.row = self._registry.transact(work)
            return made
        return None

    def _inputs(self, live: _Live, registered: Registered, now: datetime, error: str | None) -> Inputs:
        row, rollout = live.row, live.row.rollout
        readout, failure = self._readout(live, now)
        key = (rollout.environment, rollout.prompt)
        deployed = registered.deployed.get(key)
        place = None if deployed is None else deployed.place(rollout)
        traffic = Traffic()
        if error is None:
            own = place is not None and place.experiment == rollout.id
            traffic = traffic_of(
                rollout,
                self._observed.prompt(key),
                now=now,
                epoch=place.epoch if own and place is not None else None,
                watermark=self._observed.watermark,
                bucket_s=bucket_s(rollout.plan.min_time_s(rollout.stage)),
                usual=self._observed.usual(key),
                missing_metrics={**self._observed.missing_metrics(key), **self._missing_scores(*key)},
                served=frozenset() if deployed is None else deployed.state.assigned(),
            )
        if registered.commands.get(rollout.id):
            live.refused_at = None  # which may have made it possible
        holds = rollout.state in ("running", "baking")  # until the step is allowed
        if not holds and not _is_within(live.refused_at, now, _TRY_START_AGAIN):
            live.refused = ()
        if not _is_within(live.failed_at, now, _TRY_STEP_AGAIN):
            live.error = None
        return Inputs(
            now=now,
            place=place,
            readout=readout,
            traffic=traffic,
            source_lag_s=self._source_lag_s(),
            frozen=registered.frozen.get(key),
            commands=tuple(registered.commands.get(rollout.id, ())),
            refusals=live.refused,
            queued_behind=registered.queued_behind(row),
            unfinished=tuple(registered.unfinished.get(rollout.id, ())),
            treatment_gone=registered.treatment_gone(row, place),
            same_model=registered.same_model.get(rollout.id, True),
            error=error or failure or live.error,
            longest_gap_s=self._longest_gap_s,
        )

    def _readout(self, live: _Live, now: datetime) -> tuple[Readout | None, str | None]:
        """The readout of now, or the last one if not enough has come in since; and what went wrong."""
        rollout = live.row.rollout
        if rollout.state not in SERVING and rollout.state != "completed":
            return None, None
        if not (self._turn == rollout.id or self._is_due_at_once(live, now)):
            return live.readout, None
        try:
            live.readout = self._readouts.current(rollout.id)
        except Exception as failure:  # noqa: BLE001 - whatever it is, aborting has to work
            return live.readout, f"readout: {type(failure).__name__}: {failure}"
        live.read_to, live.read_at = self._observed.ingest_id, now
        live.treated = self._observed.treated(rollout.id)
        return live.readout, None

    def _is_due_at_once(self, live: _Live, now: datetime) -> bool:
        """True if a look must not wait for its turn: harm is seen at once."""
        if live.read_at is None or now < live.read_at:
            return True
        if live.row.rollout.is_terminal:
            return now - live.read_at >= _READ_AGAIN
        arm = None if live.inputs is None else live.inputs.arm
        grown = self._observed.treated(live.row.rollout.id) - live.treated
        return grown >= max(_FEW, _GROWTH * (0 if arm is None else arm.requests))

    def _whose_turn(self, now: datetime) -> str | None:
        """The rollout that is looked at because time has passed, one a tick: a tick comes every few seconds.

        It waits while others are due at once, but not for ever.
        """
        serving = [live for live in self._live.values() if live.row.rollout.state in SERVING]
        waiting = [
            live for live in serving if live.read_at is not None and not self._is_due_at_once(live, now)
        ]
        longest = min(waiting, key=lambda live: live.read_at or now, default=None)
        if longest is None or longest.read_at is None:
            return None
        is_new = longest.read_to != self._observed.ingest_id
        some_grew = len(waiting) < len(serving)
        after = _LOOK_AGAIN if is_new and not some_grew else _READ_AGAIN
        return longest.row.rollout.id if now - longest.read_at >= after else None

    def _keep_clocks(self) -> None:
        """Stores clocks that have gone on, all in one transaction."""
        moved = [
            live
            for live in self._live.values()
            if live.row.rollout.state in SERVING and _has_moved(live.row.clock, live.kept)
        ]
        if not moved:
            return

        def work(tx: Transaction) -> None:
            self._fence(tx)
            for live in moved:
                storage.keep_clock(tx, live.row)

        self._registry.transact(work)
        for live in moved:
            live.kept = live.row.clock


def _has_moved(clock: StageClock, kept: StageClock | None) -> bool:
    """True if a restart would lose what matters: a minute at most is watched again."""
    return (
        kept is None
        or (clock.observed_at, clock.seen_s) != (kept.observed_at, kept.seen_s)
        or clock.watched_s - kept.watched_s >= _KEPT_S
    )


def _is_to_be_tried_again(live: _Live, now: datetime) -> bool:
    """True for a step that the registry refused a while ago, or before this process began."""
    return REFUSED in live.row.held and not _is_within(live.refused_at, now, _TRY_STEP_AGAIN)


def _is_within(moment: datetime | None, now: datetime, length: timedelta) -> bool:
    return moment is not None and timedelta(0) <= now - moment < length


def _status(row: Row, inputs: Inputs, now: datetime) -> RolloutStatus:
    rollout, place, arm = row.rollout, inputs.place, inputs.arm
    commanded = 0.0
    if place is not None:
        if place.experiment == rollout.id:
            commanded = place.weight or 0.0
        elif place.version == rollout.treatment:
            commanded = 1.0
    return RolloutStatus(
        id=rollout.id,
        state=rollout.state,
        stage=rollout.stage,
        holds=rollout.holds,
        sentence=sentence(row, inputs),
        weight_commanded=commanded,
        weight_observed=weight_observed(inputs.traffic),
        share_of_traffic=share_of_traffic(inputs.traffic),
        units=0 if arm is None else arm.units,
        control_units=0 if inputs.readout is None else inputs.readout.control_units,
        seen_s=min(row.clock.seen_s, row.clock.watched_s),
        min_time_s=rollout.plan.min_time_s(rollout.stage),
        commanded_at=row.commanded_at,
        effective_at=row.effective_at or (None if rollout.is_terminal else row.clock.observed_at),
        behind=inputs.traffic.behind,
        rollout=rollout,
        patterns=patterns(arm),
        at=now,
    )

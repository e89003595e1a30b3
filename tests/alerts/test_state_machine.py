"""Whatever happens in whatever order, alerts keep their promises."""

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, insert, select, update

from coalmine_alerts.records import Finding, Inhibition
from coalmine_alerts.results.alerts import Alert, Transition
from coalmine_alerts.rule import Answer
from coalmine_alerts.storage.alerts import list_alerts
from coalmine_alerts.storage.rows import transition_of
from coalmine_alerts.storage.tables import deliveries, messages, transitions
from coalmine_alerts.timing import Timing
from coalmine_registry.errors import Conflict, NotFound
from tests.support.campaign import size
from tests.support.data.alert_case import MINUTE, AlertCase, SaidRule, finding, name_of, tables_of
from tests.support.doubles.killed_process import Killed, killed_at

HOUR = timedelta(hours=1)
TIMINGS = {
    "waits": Timing(for_=2 * MINUTE),
    "latches": Timing(latch=True, metric=True),
    "quick": Timing(metric=True, keep_firing_for=timedelta(0)),
    "silent": Timing(on_no_data="alert"),
}
VERSIONS = ("1.0.0", "2.0.0")
THINGS = [(name, version) for name in TIMINGS for version in VERSIONS]

_SAID = st.one_of(
    st.none(),
    st.builds(
        lambda condition, severity, recovered, ended: {
            "condition": condition and not ended,
            "severity": severity,
            "recovered": recovered,
            "ended": ended,
        },
        st.sampled_from([True, True, True, False, False, None]),
        st.sampled_from(["warning", "warning", "info", "page"]),
        st.sampled_from([None, None, True, False]),
        st.sampled_from([False, False, False, False, True]),
    ),
)
_PAUSES = st.sampled_from(
    [timedelta(seconds=5), MINUTE, MINUTE, 3 * MINUTE, 11 * MINUTE, 35 * MINUTE, 2 * HOUR, -HOUR]
)


@dataclass
class Watched:
    """What was said about one thing, kept apart from the code that is tested."""

    true_from: datetime | None = None
    """Of the unbroken run of True that goes on."""
    false_from: datetime | None = None
    falses: int = 0
    last: datetime | None = None
    """When anything was said last."""

    def hear(self, said: Finding | None, now: datetime, *, is_firing: bool) -> None:
        if said is None or (said.condition is None and not said.ended):
            return
        has_gap = self.last is None or now - self.last > timedelta(minutes=30)
        self.last = now
        if said.condition:
            restarts = self.true_from is None or (has_gap and not is_firing)
            self.true_from = now if restarts else min(self.true_from or now, now)
            self.false_from, self.falses = None, 0
        else:
            self.true_from, self.falses = None, self.falses + 1
            self.false_from = min(self.false_from or now, now)


class Alerts(RuleBasedStateMachine):
    """Some alerts, and everything that may happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.speakers = [SaidRule(name, timing) for name, timing in TIMINGS.items()]
        self.case = AlertCase(Path(self.folder.name), *self.speakers)
        self.watched: dict[str, Watched] = defaultdict(Watched)
        self.inhibited: set[str] = set()
        self.was_set_back = False

    def teardown(self) -> None:
        self.case.database.close()
        self.folder.cleanup()

    @rule(
        pause=_PAUSES,
        said=st.dictionaries(st.sampled_from(THINGS), _SAID, min_size=3),
        failing=st.sampled_from([None, None, None, *TIMINGS]),
        crash=st.one_of(st.none(), st.none(), st.integers(0, 12)),
    )
    def evaluate(
        self,
        pause: timedelta,
        said: dict[tuple[str, str], dict[str, Any] | None],
        failing: str | None,
        crash: int | None,
    ) -> None:
        self.case.now += pause
        self.was_set_back |= pause < timedelta(0)
        answers: dict[str, list[Answer]] = defaultdict(list)
        heard: dict[str, Finding] = {}
        for (name, version), what in said.items():
            if what is not None:
                each = finding(rule=name, labels={"version": version}, **what)
                answers[name].append(each)
                heard[name_of(each)] = each
        answers["waits"] += [Inhibition(by="ro-1", labels={"version": each}) for each in self.inhibited]
        for one in self.speakers:
            one.answers = answers[one.name]
            one.error = ValueError() if one.name == failing else None
        before = self._alerts()
        made = self._tick(crash)
        for key, rule_name in KEYS.items():
            is_firing = key in before and before[key].state == "firing"
            self.watched[key].hear(heard.get(key), self.case.now, is_firing=is_firing)
            self._check_states(
                key, TIMINGS[rule_name], [each for each in made if each.fingerprint == key], heard
            )
        self._check_that_people_know()

    def _tick(self, crash: int | None) -> list[Transition]:
        """Evaluates; before that, perhaps, it dies before a statement, and everything is as it was."""
        if crash is not None:
            before = tables_of(self.case.database)
            with killed_at(self.case.database, crash), suppress(Killed):
                return self.case.engine.tick(self.case.now)
            self.case.database.close()
            self.case.open()
            assert tables_of(self.case.database) == before
        return self.case.engine.tick(self.case.now)

    @rule(thing=st.sampled_from(THINGS))
    def acknowledge(self, thing: tuple[str, str]) -> None:
        with suppress(Conflict, NotFound):
            self.case.commands.acknowledge(_key(*thing), actor="ann")
            assert self._alerts()[_key(*thing)].acknowledged_by == "ann"

    @rule(thing=st.sampled_from(THINGS))
    def accept(self, thing: tuple[str, str]) -> None:
        with suppress(Conflict, NotFound):
            self.case.commands.accept(_key(*thing), actor="ann", reason="so be it")
            assert self._alerts()[_key(*thing)].state == "resolved"

    @rule(version=st.sampled_from(["*", *VERSIONS]), minutes=st.integers(1, 200))
    def silence(self, version: str, minutes: int) -> None:
        ends_at = self.case.now + minutes * MINUTE
        self.case.commands.silence({"version": version}, ends_at=ends_at, reason="known", actor="ann")

    @rule(number=st.integers(1, 4))
    def unsilence(self, number: int) -> None:
        with suppress(Conflict, NotFound):
            self.case.commands.unsilence(number, actor="ann")

    @rule(version=st.sampled_from(VERSIONS))
    def begin_or_end_a_rollout(self, version: str) -> None:
        self.inhibited ^= {version}

    @rule()
    def deliver(self) -> None:
        """As delivery does: what is due is sent."""

        def work(connection: Connection) -> None:
            is_due = (deliveries.c.state == "waiting") & (deliveries.c.due_at <= self.case.now)
            places = connection.execute(select(deliveries.c.channel, deliveries.c.group_key).where(is_due))
            times = {"created_at": self.case.now, "changed_at": self.case.now}
            for row in places.all():
                values = {**row._mapping, **times, "open": True, "text": "", "body": {}}
                connection.execute(insert(messages).values(values))
            connection.execute(update(deliveries).where(is_due).values(state="delivered"))

        self.case.database.write(work)

    @rule()
    def restart(self) -> None:
        self.case.database.close()
        self.case.open()

    @invariant()
    def transitions_are_a_chain_that_ends_where_the_alert_stands(self) -> None:
        state: dict[str, str] = defaultdict(lambda: "ok")
        firing: dict[str, int] = defaultdict(int)
        for each in self._transitions():
            assert each.from_state == state[each.fingerprint], each
            assert (each.kind in ("state", "accept")) is (each.to_state != each.from_state), each
            state[each.fingerprint] = each.to_state
            firing[each.fingerprint] += each.to_state == "firing" and each.from_state != "firing"
            assert each.firing == firing[each.fingerprint]
        for key, alert in self._alerts().items():
            assert (alert.state, alert.firing) == (state[key], firing[key])
            assert alert.state == "firing" or alert.acknowledged_by is None

    @invariant()
    def what_is_told_waits_once_for_each_channel(self) -> None:
        rows = self.case.deliveries()
        places = [(row["transition"], row["channel"]) for row in rows]
        assert len(places) == len(set(places))
        told = {each.seq for each in self._transitions() if each.told}
        assert {seq for seq, _ in places} == told
        for row in rows:
            assert row["due_at"] >= row["created_at"]
            assert row["severity"] != "page" or row["due_at"] == row["created_at"]
            latest = HOUR if row["group_key"].startswith("prod") else 25 * HOUR
            assert row["due_at"] <= row["created_at"] + latest

    @invariant()
    def nobody_is_flooded(self) -> None:
        if self.was_set_back:
            return
        times: dict[str, list[datetime]] = defaultdict(list)
        for each in self._transitions():
            if each.told and each.kind not in ("acknowledge", "accept", "severity"):
                times[each.fingerprint].append(each.at)
        for found in times.values():
            for at in found:
                assert sum(at - HOUR < other <= at for other in found) <= 9

    @invariant()
    def every_transition_has_its_event(self) -> None:
        query = select(transitions.c.seq, transitions.c.event).where(transitions.c.event.is_not(None))
        rows = self.case.database.read(lambda connection: connection.execute(query).all())
        assert [row.event["transition"] for row in rows] == [each.seq for each in self._transitions()]

    def _check_states(
        self, key: str, timing: Timing, made: Sequence[Transition], heard: dict[str, Finding]
    ) -> None:
        now, said, watched = self.case.now, heard.get(key), self.watched[key]
        for each in made:
            if each.kind == "repeat":
                assert self._alerts()[key].acknowledged_by is None
            if each.kind != "state":
                continue
            if said is None or (said.condition is None and not said.ended):
                assert each.to_state == "no_data", "silence heals nothing, and proves nothing"
            elif each.to_state == "firing":
                assert said.condition
                assert watched.true_from is not None
                assert now - watched.true_from >= timing.for_
            elif each.to_state == "resolved" and not said.ended:
                assert watched.false_from is not None
                assert now - watched.false_from >= timing.keep_firing_for
                assert watched.falses >= 2 or not timing.keep_firing_for
                assert said.recovered is True if timing.latch else said.recovered is not False

    def _check_that_people_know(self) -> None:
        """Whoever reads every message takes an alert for what it is, unless something holds messages back."""
        believed: dict[str, str | None] = defaultdict(lambda: None)
        for each in self._transitions():
            if each.told:
                believed[each.fingerprint] = _fact(each.to_state, KEYS.get(each.fingerprint))
        for key, alert in self._alerts().items():
            fact = _fact(alert.state, alert.rule)
            if alert.flapping_since is None:
                is_held_back = alert.silenced_until is not None or alert.inhibited_by is not None
                assert believed[key] == fact or (is_held_back and fact is not None), alert

    def _alerts(self) -> dict[str, Alert]:
        return {each.fingerprint: each for each in list_alerts(self.case.database).items}

    def _transitions(self) -> list[Transition]:
        query = select(transitions).order_by(transitions.c.seq)
        return self.case.database.read(
            lambda connection: [transition_of(row) for row in connection.execute(query)]
        )


def _key(name: str, version: str) -> str:
    return name_of(finding(rule=name, labels={"version": version}))


KEYS = {_key(name, version): name for name, version in THINGS}


def _fact(state: str, rule_name: str | None) -> str | None:
    return state if state == "firing" or (state == "no_data" and rule_name == "silent") else None


def test_alerts_keep_their_promises_whatever_happens() -> None:
    run_state_machine_as_test(
        Alerts,
        settings=settings(
            max_examples=size(10, 200),
            stateful_step_count=size(20, 60),
            deadline=None,
            phases=[Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )

"""The engine: asks every rule, moves every alert on, and writes what came of it in one transaction."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Final, Generic, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from coalmine_alerts.fingerprint import fingerprint
from coalmine_alerts.grouping import DEFAULT_DIGEST, DigestTime
from coalmine_alerts.inhibition import Inhibitions
from coalmine_alerts.recording import (
    Channels,
    Move,
    is_worth_writing,
    read_live,
    read_standings,
    record,
)
from coalmine_alerts.records import Finding, Inhibition
from coalmine_alerts.results.alerts import Alert, Cause, Transition
from coalmine_alerts.results.story import Story
from coalmine_alerts.rule import Rule
from coalmine_alerts.standing import Standing, Step, Surroundings, first_standing
from coalmine_alerts.states import step
from coalmine_alerts.storage.pruning import prune
from coalmine_alerts.storage.silences import active_silences, silenced_until
from coalmine_alerts.timing import Timing
from coalmine_registry.storage.database import Database

Facts = TypeVar("Facts")

RULE_FAILED: Final = "rule_failed"
"""The rule about rules that raise."""
FACTS: Final = "facts"
"""In its labels, where what rules judge cannot be read."""
_PRUNED_EVERY: Final = timedelta(hours=6)
MOST_ANSWERS: Final = 20_000
"""Of one rule at one evaluation; one that says more has failed."""

_log = structlog.stdlib.get_logger("coalmine.alerts")


@dataclass(slots=True)
class _Answers:
    """What all rules say at one evaluation."""

    findings: dict[str, list[Finding]] = field(default_factory=dict)
    """By fingerprint, in order: at most one that is no notice."""
    inhibitions: list[tuple[str, Inhibition]] = field(default_factory=list)
    """With the rule that yields it."""
    failures: list[Finding] = field(default_factory=list)
    """About the rules themselves."""

    def add(self, finding: Finding) -> None:
        found = self.findings.setdefault(fingerprint(finding.rule, finding.labels), [])
        same = [each for each in found if each.notice == finding.notice]
        if not same:
            found.append(finding)
        elif finding.notice is None and _rank(finding) > _rank(same[0]):
            found[found.index(same[0])] = finding


class Engine(Generic[Facts]):
    """Evaluates rules. One thread calls it; others may read and give commands at the same time."""

    def __init__(
        self,
        database: Database,
        rules: Sequence[Rule[Facts]],
        read_facts: Callable[[datetime], Facts],
        channels: Channels,
        digest: DigestTime = DEFAULT_DIGEST,
    ) -> None:
        """Prepares to evaluate.

        Args:
            database: Of alerts.
            rules: What to evaluate; names differ.
            read_facts: Reads what rules need, as of a moment.
            channels: Where an alert is told.
            digest: When what fires on, and what is for information, is told.
        """
        self._digest = digest
        self._database, self._rules = database, tuple(rules)
        self._read_facts, self._channels = read_facts, channels
        self._pruned_at: datetime | None = None
        self._failing: set[str] = set()
        """Rules that raised at the last evaluation: each is logged once."""
        self._timings: Mapping[str, Timing] = {
            RULE_FAILED: Timing(on_no_data="ok"),
            **{rule.name: rule.timing for rule in self._rules},
        }

    def tick(self, now: datetime) -> list[Transition]:
        """Evaluates all rules once.

        Returns:
            What changed, in order.

        Raises:
            Transient: The database of alerts cannot be used now; nothing was changed.
        """
        answers = self._ask(now)
        self._prune(now)
        # May run several times, where another process writes too: it must not change `answers`.
        return self._database.write(lambda connection: self._advance(connection, answers, now))

    def _prune(self, now: datetime) -> None:
        if self._pruned_at is not None and timedelta(0) <= now - self._pruned_at < _PRUNED_EVERY:
            return
        try:
            has_more = self._database.write(lambda connection: prune(connection, now))
        except SQLAlchemyError as error:
            # That old rows cannot be forgotten must not keep new alerts from being told.
            _log.error("old alerts cannot be forgotten", reason=type(error).__name__)
            has_more = False
        self._pruned_at = None if has_more else now

    def _ask(self, now: datetime) -> _Answers:
        answers = _Answers()
        try:
            facts = self._read_facts(now)
        except Exception as error:  # noqa: BLE001 - a rule may raise anything
            answers.failures.append(self._failed(FACTS, error))
            return answers
        answers.failures.append(self._failed(FACTS, None))
        for rule in self._rules:
            answers.failures.append(self._failed(rule.name, self._ask_one(rule, facts, answers)))
        return answers

    def _ask_one(self, rule: Rule[Facts], facts: Facts, answers: _Answers) -> Exception | None:
        try:
            for number, answer in enumerate(rule(facts)):
                if number >= MOST_ANSWERS:
                    raise OverflowError(f"more than {MOST_ANSWERS} answers")
                match answer:
                    case Inhibition():
                        answers.inhibitions.append((rule.name, answer))
                    case Finding() if answer.rule == rule.name:
                        answers.add(answer)
                    case _:
                        raise TypeError(f"{answer!r:.100} is no answer of rule {rule.name}")
        except Exception as error:  # noqa: BLE001 - a rule may raise anything
            return error
        return None

    def _failed(self, rule: str, error: Exception | None) -> Finding:
        """Returns what there is to say about a rule that raised, or did not (None)."""
        if error is None:
            self._failing.discard(rule)
        elif rule not in self._failing:
            self._failing.add(rule)
            # Not the error's own text: it may hold a text of somebody's request.
            _log.error("a rule fails", rule=rule, trace=_trace(error))
        return _failure(rule, error)

    def _advance(self, connection: Connection, answers: _Answers, now: datetime) -> list[Transition]:
        own = {fingerprint(each.rule, each.labels): each for each in answers.failures}
        known = read_live(connection)
        known |= read_standings(connection, (answers.findings.keys() | own.keys()) - known.keys())
        silences = active_silences(connection, now)
        inhibitions = Inhibitions(answers.inhibitions, self._timings)
        moves: list[Move] = []
        failed: dict[str, Exception] = {}

        def advance(key: str, findings: Sequence[Finding]) -> None:
            standing = known.get(key)
            rule = findings[0].rule if standing is None else standing.alert.rule
            timing = self._timings.get(rule)
            if standing is None:
                if timing is None or not any(_is_worth_an_alert(each, timing) for each in findings):
                    return
                standing = first_standing(findings[0], now)
            if timing is None:
                timing, findings = Timing(), [_switched_off(standing.alert)]
            around = Surroundings(
                now=now,
                silenced_until=silenced_until(silences, rule, standing.alert.labels),
                inhibited_by=inhibitions.of(standing.alert),
                digest_at=self._digest.last(now),
            )
            try:
                moved = _advanced(standing, findings, timing, around)
                if moved.transitions or key not in known or is_worth_writing(standing, moved.standing):
                    moves.append(Move(moved, timing))
            except Exception as error:  # noqa: BLE001 - a rule may raise anything
                failed[rule] = error

        for key in dict.fromkeys([*answers.findings, *known]):
            if key not in own:
                advance(key, answers.findings.get(key, ()))
        for key, finding in own.items():
            error = failed.get(finding.labels["rule"])
            advance(key, [finding if error is None else self._failed(finding.labels["rule"], error)])
        return record(connection, moves, now, self._channels, self._digest)


def _advanced(standing: Standing, findings: Sequence[Finding], timing: Timing, around: Surroundings) -> Step:
    """Returns one step for all findings about an alert: what it is, and notices."""
    transitions: list[Transition] = []
    plain = [each for each in findings if each.notice is None]
    notices = [each for each in findings if each.notice is not None]
    said: list[Finding | None] = [*plain] or [None]
    for finding in [*said, *notices]:
        made = step(standing, finding, timing, around)
        standing = made.standing
        transitions += made.transitions
    return Step(standing, tuple(transitions))


def _is_worth_an_alert(finding: Finding, timing: Timing) -> bool:
    """True if an alert begins with it; what is not so is not worth a row, unless its silence is."""
    if finding.notice is not None or finding.condition:
        return not finding.ended
    return finding.condition is False and not finding.ended and timing.on_no_data == "alert"


def _rank(finding: Finding) -> int:
    return -1 if finding.condition is None else int(finding.condition)


def _trace(error: Exception) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [type(error).__name__, *(f"{PurePath(each.filename).name}:{each.lineno}" for each in frames)]


def _failure(rule: str, error: Exception | None) -> Finding:
    trace = [] if error is None else _trace(error)
    what = f"It raised {trace[0]} at {trace[-1]}" if trace else "It is evaluated again"
    name = "Facts cannot be read" if rule == FACTS else f"Rule {rule} fails"
    return Finding(
        rule=RULE_FAILED,
        labels={"rule": rule},
        condition=error is not None,
        severity="warning",
        cause=Cause("system", f"rule {rule}"),
        story=Story(
            title=name,
            summary=f"{name}. {what}." if error is not None else f"{what}.",
            why="What it watches is not watched: its alerts stay as they are." if error is not None else None,
            could=("look for the error in the server's log, and report it",) if error is not None else (),
        ),
    )


def _switched_off(alert: Alert) -> Finding:
    return Finding(
        rule=alert.rule,
        labels=alert.labels,
        condition=False,
        severity=alert.severity,
        cause=alert.cause,
        story=Story(title=alert.story.title, summary="Its rule is not evaluated any more."),
        ended=True,
    )

"""Rules about ingest: while it does not work, nothing else is known."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final

from coalmine_alerts.facts import Facts
from coalmine_alerts.records import Finding, Inhibition
from coalmine_alerts.results.alerts import Cause, Severity
from coalmine_alerts.results.story import Story, StoryTable, moment
from coalmine_alerts.rule import Answer
from coalmine_alerts.rules.base import DefaultRule, page_if_out
from coalmine_alerts.rules.words import details, in_words, percent, runbook, title, view
from coalmine_alerts.timing import Timing

_CAUSE: Final = Cause(kind="ingest", id="ingest")
_LOOK: Final = view("pipeline")


@dataclass(frozen=True, slots=True)
class IngestStale(DefaultRule):
    """Events come no more, or are not read."""

    name: ClassVar[str] = "ingest_stale"
    timing: ClassVar[Timing] = Timing(keep_firing_for=timedelta(minutes=2))
    needs: ClassVar = frozenset(("ingest", "rollouts"))
    summary: ClassVar[str] = "events come no more, or wait to be read"

    after: timedelta = timedelta(minutes=5)
    """What waits to be read for so long, or a source that is away so long, is stale."""
    expected_requests: float = 20.0
    """A silence is stale once so many requests came, in the same time, on each of the days before."""

    def __call__(self, facts: Facts) -> Iterator[Answer]:
        """One finding; holds back what is measured while it is so."""
        if "ingest" not in facts.read:
            return
        found = facts.ingest
        why = self._why(facts)
        known = found.last_commit_at or found.newest_event_at or found.health.waiting_for
        if why is not None:
            yield Inhibition(by=self.name, labels={})
        newest = found.newest_event_at
        since = newest or found.last_commit_at
        seen = "never" if newest is None else moment(newest)
        out = facts.rollout_out()
        blind = (
            ""
            if out is None
            else f" The rollout of {out.rollout.treatment} of {out.rollout.prompt} is blind."
        )
        story = Story(
            title=title("Ingest is stale", None if since is None else f"for {in_words(facts.now - since)}"),
            summary=f"{why or 'Events are read as they come'}.{blind if why else ''}",
            why="Alerts about what is measured are held back: nobody knows anything now." if why else None,
            details=details(
                Newest_request=seen,
                Waiting=None
                if found.health.lag_messages is None
                else f"{found.health.lag_messages:,} messages",
            ),
            done="Rollouts hold until events come again." if out is not None else None,
            could=("look whether the source is up and services send (`coalmine ingest-status`)",),
            sure="No test: this is what the process sees",
            links=(_LOOK, runbook(self.name)),
            icon="🙈",
        )
        yield Finding(
            rule=self.name,
            labels={},
            condition=None if known is None else why is not None,
            severity=page_if_out(facts),
            cause=_CAUSE,
            story=story,
            since=since if why else None,
            value=None if newest is None else (facts.now - newest).total_seconds(),
        )

    def _why(self, facts: Facts) -> str | None:
        found = facts.ingest
        waiting, lag_s = found.health.waiting_for, found.health.lag_s
        last = found.last_commit_at
        if waiting is not None and (last is None or facts.now - last >= self.after):
            return f"Events cannot be read: {waiting}"
        if lag_s is not None and lag_s >= self.after.total_seconds():
            return f"Events have waited for {in_words(timedelta(seconds=lag_s))} to be read"
        expected = found.expected_since
        if expected is not None and expected >= self.expected_requests:
            gone = "a day" if found.newest_event_at is None else in_words(facts.now - found.newest_event_at)
            return f"No request came for {gone}; on each of the days before at least {expected:,.0f} did"
        return None


@dataclass(frozen=True, slots=True)
class SourceGap(DefaultRule):
    """Positions of the source were lost."""

    name: ClassVar[str] = "source_gap"
    timing: ClassVar[Timing] = Timing()
    needs: ClassVar = frozenset(("ingest", "rollouts"))
    summary: ClassVar[str] = "events were lost before they could be read"

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding about the newest loss, told once."""
        if not facts.ingest.gaps:
            return
        newest = facts.ingest.gaps[0]
        missing = sum(max(each.available_offset - each.expected_offset, 0) for each in facts.ingest.gaps)
        rows = tuple(
            (
                f"{each.topic}/{each.partition}",
                f"{max(each.available_offset - each.expected_offset, 0):,}",
                f"{each.detected_at:%Y-%m-%d %H:%M} UTC",
                each.reason,
            )
            for each in facts.ingest.gaps[:10]
        )
        where = f"{newest.topic}/{newest.partition}"
        story = Story(
            title=title("Events were lost", where),
            summary=f"{missing:,} positions could not be read within a day, latest of {where}: "
            f"{newest.reason}.",
            table=StoryTable(("Partition", "Missing", "Found", "Reason"), rows),
            could=("make retention of the topic longer than the longest outage",),
            sure="Counted: offsets that no longer exist",
            links=(_LOOK, runbook(self.name)),
            icon="🕳️",
        )
        yield Finding(
            rule=self.name,
            labels={},
            condition=True,
            severity=page_if_out(facts),
            cause=_CAUSE,
            story=story,
            since=newest.detected_at,
            value=float(missing),
            notice=f"{where}@{newest.expected_offset}",
        )


@dataclass(frozen=True, slots=True)
class DeadLetters(DefaultRule):
    """Messages cannot be decoded."""

    name: ClassVar[str] = "dead_letters"
    timing: ClassVar[Timing] = Timing()
    needs: ClassVar = frozenset(("ingest", "rollouts"))
    summary: ClassVar[str] = "messages cannot be decoded"

    share: float = 0.005
    """Of the messages of ten minutes."""
    messages: int = 20
    """So many in ten minutes are too many, whatever their share."""
    page_share: float = 0.05
    """From here on somebody is woken."""
    least: int = 3
    """Fewer are never too many."""

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding."""
        if "ingest" not in facts.read:
            return
        dead, consumed = facts.ingest.dead_lately, facts.ingest.consumed_lately
        share = dead / consumed if consumed else 0.0
        bad = dead >= self.least and (share > self.share or dead >= self.messages)
        severity: Severity = (
            "page" if dead >= self.messages and share > self.page_share else page_if_out(facts)
        )
        story = Story(
            title=title("Messages cannot be decoded", percent(share)),
            summary=f"{dead:,} of {consumed:,} messages of the last ten minutes became dead letters "
            f"({percent(share)}).",
            why="A service may have begun to write with a schema that is not registered." if bad else None,
            could=(
                "see why: `coalmine dead-letters list`",
                "replay them once they can be read: `coalmine dead-letters replay`",
            ),
            sure="Counted, in the last ten minutes",
            links=(_LOOK, runbook(self.name)),
            icon="✉️",
        )
        yield Finding(
            rule=self.name,
            labels={},
            condition=bad if consumed else None,
            severity=severity,
            cause=_CAUSE,
            story=story,
            value=share,
        )


@dataclass(frozen=True, slots=True)
class UnattributedFeedback(DefaultRule):
    """Feedback names requests that nobody has sent."""

    name: ClassVar[str] = "unattributed_feedback"
    timing: ClassVar[Timing] = Timing(for_=timedelta(minutes=15))
    needs: ClassVar = frozenset(("ingest",))
    summary: ClassVar[str] = "feedback is about requests that are not known"

    share: float = 0.05
    """Of the feedback of a day that has waited for its request for an hour."""
    least: int = 20
    """Fewer are never too many."""

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding."""
        if "ingest" not in facts.read:
            return
        waiting, known = facts.ingest.unattributed, facts.ingest.feedback
        share = waiting / (waiting + known) if waiting + known else 0.0
        story = Story(
            title=title("Feedback without its request", percent(share)),
            summary=f"{waiting:,} of {waiting + known:,} feedback events of the last day are about requests "
            f"that have not come within an hour ({percent(share)}).",
            why="Either requests are lost, or the service sends another id than the one of the request.",
            could=("compare the ids that the service sends with those of its requests",),
            sure="Counted, over the last day",
            links=(_LOOK, runbook(self.name)),
            icon="🔗",
        )
        yield Finding(
            rule=self.name,
            labels={},
            condition=None if not waiting + known else waiting >= self.least and share > self.share,
            severity="warning",
            cause=_CAUSE,
            story=story,
            value=share,
        )


@dataclass(frozen=True, slots=True)
class DiskFull(DefaultRule):
    """The disk of the store is nearly full."""

    name: ClassVar[str] = "disk_full"
    timing: ClassVar[Timing] = Timing(for_=timedelta(minutes=1))
    needs: ClassVar = frozenset(("ingest",))
    summary: ClassVar[str] = "the disk of the store is nearly full"

    free: float = 0.10
    """Share that is free, below which it is told."""
    page_free: float = 0.03
    """Share that is free, below which somebody is woken."""

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding."""
        free = facts.ingest.health.disk_free
        if free is None:
            return
        story = Story(
            title=title("The store's disk is nearly full", f"{percent(free)} free"),
            summary=f"{percent(free)} of the disk that holds the store is free: once it is full, nothing is "
            "stored any more.",
            could=("keep raw events for fewer days (`[retention] raw_days`)", "give it a larger disk"),
            sure="Read from the file system",
            links=(_LOOK, runbook(self.name)),
            icon="💾",
        )
        yield Finding(
            rule=self.name,
            labels={},
            condition=free < max(self.free, self.page_free),
            severity="page" if free < self.page_free else "warning",
            cause=_CAUSE,
            story=story,
            value=free,
        )


@dataclass(frozen=True, slots=True)
class ControllerSilent(DefaultRule):
    """Rollouts are not decided about any more."""

    name: ClassVar[str] = "controller_silent"
    timing: ClassVar[Timing] = Timing(keep_firing_for=timedelta(minutes=1))
    needs: ClassVar = frozenset(("ingest", "rollouts"))
    summary: ClassVar[str] = "rollouts are not decided about any more"

    after: timedelta = timedelta(minutes=1)
    """Without a decision about whether to decide."""

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding, while this process decides about rollouts."""
        age_s = facts.ingest.health.rollouts_tick_age_s
        if age_s is None:
            return
        silent = age_s >= self.after.total_seconds()
        out = facts.rollout_out()
        shown = "" if out is None else f" {out.rollout.treatment} of {out.rollout.prompt} is shown meanwhile."
        story = Story(
            title=title("Rollouts are not watched", f"for {in_words(timedelta(seconds=age_s))}"),
            summary=f"Nothing was decided about rollouts for {in_words(timedelta(seconds=age_s))}.{shown}",
            could=("take back what is shown: `coalmine rollout abort ID`", "restart the server"),
            sure="Counted by the process itself",
            links=(_LOOK, runbook(self.name)),
            icon="🛑",
        )
        yield Finding(
            rule=self.name,
            labels={},
            condition=silent,
            severity=page_if_out(facts),
            cause=Cause(kind="system", id="rollouts"),
            story=story,
            value=age_s,
        )


@dataclass(frozen=True, slots=True)
class SourceUnavailable(DefaultRule):
    """Something that alerts are made of cannot be read."""

    name: ClassVar[str] = "facts_unavailable"
    timing: ClassVar[Timing] = Timing(for_=timedelta(minutes=1), on_no_data="ok")
    needs: ClassVar = frozenset()
    summary: ClassVar[str] = "what alerts are made of cannot be read, e.g. the registry"

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each source that was asked for."""
        for source in sorted({*facts.failed, *facts.read}):
            error = facts.failed.get(source)
            story = Story(
                title=title("Alerts cannot see", source),
                summary=f"What {source} says cannot be read: {error or 'it can'}.",
                why="Alerts that need it stay as they were.",
                could=("look whether the registry's database and the store's disk are there",),
                sure="This is what the process sees",
                links=(_LOOK, runbook(self.name)),
                icon="🙈",
            )
            yield Finding(
                rule=self.name,
                labels={"source": source},
                condition=error is not None,
                severity="warning",
                cause=Cause(kind="system", id="facts"),
                story=story,
            )


INGEST_RULES: Final = (
    IngestStale(),
    SourceGap(),
    DeadLetters(),
    UnattributedFeedback(),
    DiskFull(),
    ControllerSilent(),
    SourceUnavailable(),
)

"""Rules about rollouts: what they decided, what holds them, and who does not follow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from coalmine_alerts.facts import Facts, RolloutFacts
from coalmine_alerts.records import Finding, Inhibition
from coalmine_alerts.results.alerts import Cause, Severity
from coalmine_alerts.results.story import Story, StoryLink, StoryTable, moment
from coalmine_alerts.rule import Answer
from coalmine_alerts.rules.base import DefaultRule
from coalmine_alerts.rules.words import (
    change_words,
    details,
    in_words,
    interval_words,
    listed,
    runbook,
    title,
    value_words,
    view,
)
from coalmine_alerts.rules.words import percent as share_words
from coalmine_alerts.timing import Timing
from coalmine_rollouts.records import Kind, Rollout, RolloutDecision, RolloutHold
from coalmine_schemas.prompts import percent

TOLD: Final[Mapping[Kind, tuple[Severity, str, str]]] = {
    "start": ("info", "🚀", "Started"),
    "advance": ("info", "⏩", "Advanced"),
    "bake": ("info", "⏩", "With everybody, still watched"),
    "complete": ("info", "✅", "Completed"),
    "roll_back": ("info", "⏪", "Rolled back"),
    "abort": ("info", "⏪", "Aborted"),
    "panic": ("info", "⏪", "Taken back at once"),
    "expire": ("warning", "⌛", "Expired without an answer"),
    "supersede": ("warning", "🔀", "Superseded"),
    "advise": ("warning", "💬", "Would act, but only advises"),
    "notice": ("warning", "⚠️", "After the end"),
}
"""Decisions that people are told of, how urgently, and in which words."""

_TOLD_FOR: Final = timedelta(hours=2)
"""An older decision is history: it was told, or made before alerts were on."""
_SETTLES_IN: Final = timedelta(minutes=15)
_MOST_METRICS: Final = 8
_INCOMPLETE: Final = "rollback_incomplete"
_OF_HARM: Final = frozenset(("harm", "segment"))
"""Holds for harm that was shown: a person has to decide, so they are told at once."""


def cause_of(rollout: Rollout) -> Cause:
    """Returns the cause of all that a rollout brings about."""
    return Cause(kind="rollout", id=rollout.id)


def labels_of(rollout: Rollout) -> dict[str, str]:
    """Returns the labels of what is about a rollout."""
    return {"environment": rollout.environment, "prompt": rollout.prompt, "rollout": rollout.id}


def link_of(rollout: Rollout, text: str = "Evidence") -> StoryLink:
    """Links to the rollout."""
    return view("rollouts", rollout=rollout.id, text=text)


@dataclass(frozen=True, slots=True)
class RolloutDecided(DefaultRule):
    """A rollout decided something. One that worked as it should wakes nobody."""

    name: ClassVar[str] = "rollout_decision"
    timing: ClassVar[Timing] = Timing(info="at_once", group_wait=timedelta(0), group_interval=timedelta(0))
    needs: ClassVar = frozenset(("rollouts",))
    summary: ClassVar[str] = "a rollout began, advanced, was taken back or completed"

    def __call__(self, facts: Facts) -> Iterator[Answer]:
        """The latest decision of each rollout; holds back what is measured of its version meanwhile."""
        for each in facts.rollouts:
            rollout = each.rollout
            ended = rollout.ended_at
            # What is completed serves everybody, and nobody takes it back.
            was_out = rollout.started_at is not None and rollout.state != "completed"
            if each.takes_back or (was_out and ended is not None and facts.now < ended + _SETTLES_IN):
                labels = {"environment": rollout.environment, "prompt": rollout.prompt}
                yield Inhibition(by=rollout.id, labels={**labels, "version": rollout.treatment})
            told = [made for made in each.decisions if made.kind in TOLD and not _is_told_elsewhere(made)]
            if told and facts.now - told[-1].at <= _TOLD_FOR:
                yield self._finding(facts, each, told)

    def _finding(self, facts: Facts, each: RolloutFacts, told: Sequence[RolloutDecision]) -> Finding:
        rollout, latest = each.rollout, told[-1]
        # That everybody has followed belongs to what they followed.
        effective = latest.reasons[0] if _is_effective(latest) else None
        before = [made for made in told if not _is_effective(made)]
        made = before[-1] if effective is not None and before else latest
        severity, icon, words = TOLD[made.kind]
        look = made.evidence.get("look") or {}
        taken_back = made.kind in ("roll_back", "abort", "panic", "expire")
        arrow = f"{rollout.treatment} → {rollout.control}" if taken_back else rollout.treatment
        summary, why = _summary(rollout, made, look), _joined(made.reasons)
        story = Story(
            title=title(words, f"{rollout.prompt} {arrow}", rollout.environment),
            summary=summary,
            why=None if not why or why in summary else why,
            table=metrics_table(rollout, look),
            details=details(
                Stages=_stages(rollout) if made.kind in ("start", "advance", "bake", "complete") else None,
                Who_met_it=_met(look),
                Decided_by=None if made.actor.startswith("rollout:") else made.actor,
            ),
            diff="\n".join(each.diff) or None,
            diff_title=f"What changes in {rollout.treatment}" + (f" ({each.author})" if each.author else ""),
            done=" ".join(filter(None, (_done(rollout, made, taken_back=taken_back), effective))) or None,
            could=_could(rollout, made),
            sure=f"Chance of ever rolling a good version back: {percent(rollout.plan.alpha)}"
            + (f" · {look['units']:,} against {look['control_units']:,} units" if look.get("units") else ""),
            links=(link_of(rollout), runbook(self.name)),
            icon=icon,
        )
        return Finding(
            rule=self.name,
            labels={**labels_of(rollout), "version": rollout.treatment},
            condition=True,
            severity=severity,
            cause=cause_of(rollout),
            story=story,
            since=made.at,
            notice=f"{rollout.id}#{latest.seq}",
        )


@dataclass(frozen=True, slots=True)
class RolloutHeld(DefaultRule):
    """A rollout does not go on, and waits for somebody."""

    name: ClassVar[str] = "rollout_held"
    timing: ClassVar[Timing] = Timing(keep_firing_for=timedelta(minutes=2))
    needs: ClassVar = frozenset(("rollouts",))
    summary: ClassVar[str] = "a rollout has not gone on for an hour, waits for a person, or is left paused"

    after: timedelta = timedelta(hours=1)
    """A hold that lasts so long is told."""
    paused_after: timedelta = timedelta(days=1)
    """So is a pause by a person, who may have forgotten it."""

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each rollout that was begun or asked for."""
        for each in facts.rollouts:
            rollout = each.rollout
            holds = [
                hold
                for hold in rollout.holds
                if facts.now - hold.since >= (timedelta() if _is_of_harm(hold) else self.after)
            ]
            since = min((hold.since for hold in holds), default=None)
            reasons = tuple(hold.text for hold in holds)
            if each.waits_for is not None:
                reasons = (each.waits_for, *reasons)
                since = since or (rollout.created_at if rollout.state == "pending" else None)
            elif self._is_forgotten(facts.now, each):
                since, reasons = each.paused_at, (f"paused: {_joined(rollout.reasons)}",)
            length = "" if since is None else f" for {in_words(facts.now - since)}"
            resume = (f"go on: `coalmine rollout resume {rollout.id}`",) if rollout.state == "paused" else ()
            story = Story(
                title=title("Rollout waits", f"{rollout.prompt} {rollout.treatment}", rollout.environment),
                summary=f"The rollout of {rollout.prompt} {rollout.treatment} ({rollout.environment}) has "
                f"not gone on{length}: {_joined(reasons) or 'nothing holds it'}.",
                done="Harm is watched and acted upon all the same.",
                could=(
                    f"see what is missing: `coalmine rollout status {rollout.id}`",
                    f"approve: `coalmine rollout approve {rollout.id}`"
                    if "approve" in (each.waits_for or "")
                    else f"take it back: `coalmine rollout abort {rollout.id}`",
                    *resume,
                ),
                sure="No test: it is the rollout's own state",
                links=(link_of(rollout, "Open"), runbook(self.name)),
                icon="⏸️",
            )
            yield Finding(
                rule=self.name,
                labels=labels_of(rollout),
                condition=bool(reasons),
                severity="warning",
                cause=cause_of(rollout),
                story=story,
                since=since,
                value=None if since is None else (facts.now - since).total_seconds(),
                ended=rollout.is_terminal,
            )

    def _is_forgotten(self, now: datetime, each: RolloutFacts) -> bool:
        """True for a pause that lasts. What is paused for a reason of its own waits for a person."""
        paused_at = each.paused_at if each.rollout.state == "paused" else None
        return paused_at is not None and now - paused_at >= self.paused_after


@dataclass(frozen=True, slots=True)
class RollbackIncomplete(DefaultRule):
    """A version that was taken back is still served by somebody."""

    name: ClassVar[str] = "rollback_incomplete"
    timing: ClassVar[Timing] = Timing(keep_firing_for=timedelta(minutes=5))
    needs: ClassVar = frozenset(("rollouts",))
    summary: ClassVar[str] = "a version that was taken back is still served five minutes later"

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each rollout that was taken back within a day."""
        for each in facts.rollouts:
            if not each.asked_behind:
                continue
            rollout, ended = each.rollout, each.rollout.ended_at
            requests = sum(behind.requests for behind in each.behind)
            apps = list(dict.fromkeys(behind.app for behind in each.behind))
            after = "" if ended is None else f", {in_words(facts.now - ended)} after it was taken back"
            rows = tuple(
                (
                    behind.app,
                    behind.client_version or "not known",
                    behind.resolution,
                    f"{behind.requests:,}",
                    f"{behind.last_seen:%H:%M:%S} UTC",
                )
                for behind in each.behind[:10]
            )
            story = Story(
                title=title(
                    "Taken back, but still served",
                    f"{rollout.prompt} {rollout.treatment}",
                    rollout.environment,
                ),
                summary=f"{rollout.prompt} {rollout.treatment} is taken back in {rollout.environment}, but "
                f"{listed(apps) or 'nobody'} still serves it{after}.",
                why="From a cache on its disk or from its fallback: it does not reach the registry."
                if each.behind
                else None,
                table=StoryTable(("App", "Client", "From", "Requests", "Last seen"), rows) if rows else None,
                could=(
                    f"restart {listed(apps) or 'it'}, or give it a way to the registry",
                    f"look what its fallback is: {rollout.control} is what should be served",
                ),
                sure="Counted: requests of the last five minutes that named no version themselves",
                links=(link_of(rollout, "Rollout"), runbook(self.name)),
                icon="🚨",
            )
            yield Finding(
                rule=self.name,
                labels=labels_of(rollout),
                condition=requests > 0,
                severity="page",
                cause=cause_of(rollout),
                story=story,
                since=ended,
                value=float(requests),
            )


def _is_of_harm(hold: RolloutHold) -> bool:
    return hold.name.partition(":")[0] in _OF_HARM


def _is_effective(made: RolloutDecision) -> bool:
    return made.kind == "notice" and made.reasons[:1] != () and made.reasons[0].startswith("effective:")


def _is_told_elsewhere(made: RolloutDecision) -> bool:
    """True for what `rollback_incomplete` tells, more urgently."""
    return made.kind == "notice" and made.reasons[:1] != () and made.reasons[0].startswith(_INCOMPLETE)


def _summary(rollout: Rollout, made: RolloutDecision, look: Mapping[str, Any]) -> str:
    _, _, words = TOLD[made.kind]
    where = f"{rollout.prompt} {rollout.treatment} ({rollout.environment})"
    at = moment(made.at)
    match made.kind:
        case "roll_back" | "abort" | "panic" | "expire":
            met = f" {_met(look)}." if look.get("units") else ""
            calm = " Nobody has to do anything now." if made.kind == "roll_back" else ""
            return f"{words}: {where}, back to {rollout.control} at {at}: {_joined(made.reasons)}.{met}{calm}"
        case "start" | "advance":
            share = percent((made.weights or {}).get("treatment", rollout.plan.weight(rollout.stage)))
            return f"{words}: {share} of the units get {where} since {at}."
        case _:
            why = f": {_joined(made.reasons)}" if made.reasons else ""
            return f"{words}: {where}, at {at}{why}."


def _done(rollout: Rollout, made: RolloutDecision, *, taken_back: bool) -> str | None:
    if not taken_back:
        return None
    after = ""
    if rollout.started_at is not None:
        after = f", {in_words(made.at - rollout.started_at)} after it began"
    return f"{rollout.control} is served again since {moment(made.at)}{after}."


def _could(rollout: Rollout, made: RolloutDecision) -> tuple[str, ...]:
    match made.kind:
        case "roll_back" | "abort" | "expire":
            return (f"try again once it is mended: `coalmine rollout retry {rollout.id}`",)
        case "start" | "advance" | "bake":
            return (f"take it back: `coalmine rollout abort {rollout.id}`",)
        case "advise":
            return (
                f"do it: `coalmine rollout abort {rollout.id}`",
                f"see the evidence: `coalmine rollout status {rollout.id}`",
            )
        case _:
            return ()


def _met(look: Mapping[str, Any]) -> str | None:
    if not look.get("units"):
        return None
    everybody = look["units"] + look.get("control_units", 0)
    return (
        f"{look['units']:,} of {everybody:,} users met it ({share_words(look['units'] / everybody)}), "
        f"{look.get('requests', 0):,} answers"
    )


def _stages(rollout: Rollout) -> str:
    plan = rollout.plan
    names = [percent(stage.weight) for stage in plan.stages] + ["everybody"]
    done = rollout.stage if rollout.state != "completed" else len(names)
    marks = [f"{name} ✓" if place < done else name for place, name in enumerate(names)]
    if done < len(names):
        marks[done] += " now"
    return " · ".join(marks)


def metrics_table(rollout: Rollout, look: Mapping[str, Any]) -> StoryTable | None:
    """Returns what was measured of both versions: what acts first, the worst of it first."""
    found = [each for each in look.get("metrics", ()) if each.get("value") is not None]
    order = {"worse": 0, "better": 1, "not worse": 2, "undecided": 3}
    found = [each for each in found if each.get("role") != "shown"] or found
    found.sort(key=lambda each: order.get(each["verdict"], 4))
    rows = tuple(
        (
            each["metric"],
            value_words(each["control_value"], each["unit"]),
            value_words(each["value"], each["unit"]),
            f"{change_words(each['control_value'], each['effect'], each['unit'])} "
            f"({interval_words(each['control_value'], each['lower'], each['upper'], each['unit'])})",
            each["verdict"],
        )
        for each in found[:_MOST_METRICS]
    )
    if not rows:
        return None
    return StoryTable(("Metric", rollout.control, rollout.treatment, "Change", "Verdict"), rows)


def _joined(reasons: Sequence[str]) -> str:
    return "; ".join(reasons)


ROLLOUT_RULES: Final = (RolloutDecided(), RolloutHeld(), RollbackIncomplete())

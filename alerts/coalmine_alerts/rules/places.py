"""Rules about who serves what: changes by people, prompts without the registry, uneven experiments."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final

from coalmine_alerts.facts import Facts
from coalmine_alerts.records import Finding
from coalmine_alerts.results.alerts import Cause
from coalmine_alerts.results.story import Story, moment
from coalmine_alerts.rules.base import DefaultRule
from coalmine_alerts.rules.words import details, listed, percent, runbook, title, view
from coalmine_alerts.timing import Timing

_TOLD_FOR: Final = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class PromptChanged(DefaultRule):
    """A person changed what an environment serves."""

    name: ClassVar[str] = "prompt_changed"
    timing: ClassVar[Timing] = Timing(info="at_once")
    needs: ClassVar = frozenset(("rollouts", "changes"))
    summary: ClassVar[str] = "a person changed what an environment serves: promoted, rolled back, set rules"

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """The latest change of each prompt in each environment, told once."""
        latest = {(each.environment, each.prompt): each for each in facts.changes}
        for (environment, prompt), change in latest.items():
            if facts.now - change.at > _TOLD_FOR:
                continue
            done = change.action.replace("_", " ")
            before, after = change.before or "nothing", change.after or "nothing"
            story = Story(
                title=title(f"{done.capitalize()}: {prompt} {before} → {after}", environment),
                summary=f"{change.actor} changed what {environment} serves of {prompt} at "
                f"{moment(change.at)} ({done}): {after}, before {before}."
                + (f" Reason: {change.reason}" if change.reason else ""),
                diff="\n".join(change.diff) or None,
                diff_title=f"What changes from {before} to {after}",
                could=(f"go back: `coalmine rollback {prompt} {environment}`",),
                sure="From the audit log",
                links=(view(prompt=prompt, environment=environment, since=change.at, now=facts.now),),
                icon="✏️",
            )
            yield Finding(
                rule=self.name,
                labels={"environment": environment, "prompt": prompt},
                condition=True,
                severity="info",
                cause=Cause(kind="prompt", id=prompt),
                story=story,
                since=change.at,
                notice=str(change.id),
            )


@dataclass(frozen=True, slots=True)
class FallbackServing(DefaultRule):
    """An application gets its prompts without the registry: changes do not reach it."""

    name: ClassVar[str] = "fallback_serving"
    timing: ClassVar[Timing] = Timing(keep_firing_for=timedelta(minutes=10))
    needs: ClassVar = frozenset(("apps",))
    summary: ClassVar[str] = "an application serves prompts from its fallback or its disk for ten minutes"

    share: float = 0.01
    """Of its requests of ten minutes."""
    least: int = 3
    """Fewer requests are never too many."""

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each application with requests."""
        for each in facts.apps:
            share = each.without_registry / each.requests if each.requests else 0.0
            story = Story(
                title=title(f"{percent(share)} of calls without the registry", each.app, each.environment),
                summary=f"{each.app} ({each.environment}) got {each.without_registry:,} of its "
                f"{each.requests:,} prompts of the last ten minutes from its fallback or its disk "
                f"({percent(share)}).",
                why="It does not reach the registry: a rollback would not reach it either.",
                details=details(Prompts=listed(list(each.prompts)) or None),
                could=("look whether it can reach the server", "restart it"),
                sure="Counted: how each call says that it got its prompt",
                links=(
                    view(environment=each.environment, since=facts.now - timedelta(hours=1), now=facts.now),
                    runbook(self.name),
                ),
                icon="🔌",
            )
            too_many = each.without_registry >= self.least and share > self.share
            yield Finding(
                rule=self.name,
                labels={"environment": each.environment, "app": each.app},
                condition=too_many and each.earliest if each.requests else None,
                severity="warning",
                cause=Cause(kind="app", id=each.app),
                story=story,
                value=share,
                recovered=not too_many,
            )


@dataclass(frozen=True, slots=True)
class SampleRatio(DefaultRule):
    """Units do not arrive in the arms of an experiment as they should."""

    name: ClassVar[str] = "srm"
    timing: ClassVar[Timing] = Timing(latch=True)
    needs: ClassVar = frozenset(("rollouts", "experiments"))
    summary: ClassVar[str] = "units do not arrive in the arms of an experiment as planned"

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each experiment that runs."""
        rollouts = {each.rollout.id for each in facts.rollouts}
        for place, readout in facts.readouts:
            own = readout.experiment in rollouts
            story = Story(
                title=title("Uneven arms", readout.experiment, place.environment),
                summary=f"Units of {readout.experiment} ({place.prompt}, {place.environment}) do not arrive "
                f"as planned: {readout.srm.words}.",
                why="Whatever causes it may also cause the difference that the experiment shows.",
                done="It is not promoted by itself." if own else None,
                could=("look for an application that does not follow, or loses requests of one arm",),
                sure=f"Sequential test, valid at every look, at {readout.alpha:g}",
                links=(
                    view(
                        prompt=place.prompt,
                        environment=place.environment,
                        since=readout.first_at,
                        now=facts.now,
                    ),
                    runbook(self.name),
                ),
                icon="⚖️",
            )
            yield Finding(
                rule=self.name,
                labels={**place._asdict(), "experiment": readout.experiment},
                condition=None if readout.srm.p is None else readout.srm.mismatch,
                severity="warning",
                cause=Cause(kind="rollout", id=readout.experiment)
                if own
                else Cause(kind="prompt", id=place.prompt),
                story=story,
                value=readout.srm.p,
                recovered=not readout.srm.mismatch,
                ended=readout.stopped,
            )


@dataclass(frozen=True, slots=True)
class AccessChanged(DefaultRule):
    """Somebody changed who may do what. Off by default: it belongs in a channel of its own."""

    name: ClassVar[str] = "access_changed"
    timing: ClassVar[Timing] = Timing(info="at_once")
    needs: ClassVar = frozenset(("access",))
    summary: ClassVar[str] = "a token was made or revoked, or a policy changed"
    on: ClassVar[bool] = False

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each change, told once."""
        for each in facts.access:
            done = each.action.replace("_", " ")
            if facts.now - each.at > _TOLD_FOR:
                continue
            where = f" ({each.environment})" if each.environment else ""
            what = each.what or "no more is told"
            yield Finding(
                rule=self.name,
                labels={"action": each.action, "actor": each.actor},
                condition=True,
                severity="info",
                cause=Cause(kind="system", id="access"),
                story=Story(
                    title=title(done.capitalize(), each.what, each.environment),
                    summary=f"{each.actor}: {done}{where} at {moment(each.at)}: {what}."
                    + (f" Reason: {each.reason}" if each.reason else ""),
                    sure="From the audit log",
                    icon="🔑",
                ),
                since=each.at,
                notice=str(each.id),
            )


PLACE_RULES: Final = (AccessChanged(), PromptChanged(), FallbackServing(), SampleRatio())

"""What people are told of an alert: that it fires, is over, is more severe, flaps, or fires on.

People are to know what is so. What they have heard is kept with the alert (`Heard`): what a silence or an
inhibition held back is told when that ends, if it is still so. That something is over, whoever heard of it
hears at once, silence or not: else messages and incidents would stay open.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Literal

from coalmine_alerts.records import Finding
from coalmine_alerts.results.alerts import Alert, Transition, TransitionKind
from coalmine_alerts.standing import RANK, Standing, Step, Surroundings, transition
from coalmine_alerts.timing import Timing

FLAPPING: Final = 3
"""More changes in an hour are flapping."""
HOUR: Final = timedelta(hours=1)
_NOTICES: Final = 200
"""Ids of notices that are kept with an alert, so that each is told once."""


def tell(before: Standing, after: Standing, timing: Timing, around: Surroundings, summary: str) -> Step:
    """Says what of a change of an alert people are told.

    Args:
        before: Where it stood.
        after: Where it stands.
        timing: How the rule's alerts behave in time.
        around: Time, and what holds it back.
        summary: What happened.
    """
    return _Telling(before, after, timing, around, summary).step()


def notice(standing: Standing, flags: Alert, finding: Finding, now: datetime) -> Step:
    """Tells of something that happened once, unless it was told.

    Args:
        standing: Where the alert stands.
        flags: The same alert with the silence and inhibition of now.
        finding: The notice.
        now: Time of the evaluation.
    """
    heard = standing.heard
    assert finding.notice is not None
    if finding.notice in heard.notices:
        return Step(Standing(replace(standing.alert, evaluated_at=now), heard))
    is_told = flags.silenced_until is None and flags.inhibited_by is None
    alert = replace(flags, evaluated_at=now, last_notice=finding.notice)
    heard = replace(heard, notices=(*heard.notices, finding.notice)[-_NOTICES:])
    if not standing.is_live:
        heard = replace(heard, channels=(), at=now if is_told else heard.at)
        alert = replace(
            alert,
            severity=finding.severity,
            cause=finding.cause,
            story=finding.story,
            value=finding.value,
            began_at=finding.since or now,
            fired_at=now,
            firing=flags.firing + 1,
            since=now,
        )
    summary = finding.story.summary
    told = transition(standing.alert, alert, now, kind="notice", summary=summary, told=is_told)
    return Step(Standing(alert, heard), (told,))


class _Telling:
    """One call of `tell`."""

    def __init__(
        self, before: Standing, after: Standing, timing: Timing, around: Surroundings, summary: str
    ) -> None:
        self._before, self._alert, self._heard = before.alert, after.alert, after.heard
        self._timing, self._now, self._summary = timing, around.now, summary
        self._digest_at = around.digest_at
        self._from = before.alert
        """Where the alert stood before the next transition."""
        self._transitions: list[Transition] = []
        self._is_silenced = self._alert.silenced_until is not None
        self._is_held_back = self._is_silenced or self._alert.inhibited_by is not None

    def step(self) -> Step:
        self._flags()
        has_moved = (self._before.state == "firing") != (self._alert.state == "firing")
        has_changed = self._before.state != self._alert.state
        self._count(has_moved)
        if self._alert.flapping_since is not None or len(self._heard.changes) > FLAPPING:
            self._flap(has_changed)
        elif has_changed:
            self._say("state", self._summary, self._is_news and not self._is_muted)
        elif not self._is_muted:
            self._go_on()
        self._severity()
        if self._alert.state != "firing":
            self._heard = replace(self._heard, no_data=False)
        return Step(Standing(self._alert, self._heard), tuple(self._transitions))

    @property
    def _fact(self) -> Literal["firing", "no_data"] | None:
        """What people should take it for."""
        if self._alert.state == "firing":
            return "firing"
        if self._alert.state == "no_data" and self._timing.on_no_data == "alert":
            return "no_data"
        return None

    @property
    def _is_news(self) -> bool:
        if self._fact == "firing":
            return (self._heard.what, self._heard.firing) != ("firing", self._alert.firing)
        return self._heard.what != self._fact

    @property
    def _wakes(self) -> bool:
        """True for a page that fires and of which people think that it is over: its incident is closed."""
        return (self._alert.severity, self._fact) == ("page", "firing") and self._heard.what != "firing"

    @property
    def _is_muted(self) -> bool:
        return self._fact is not None and self._is_held_back

    def _say(self, kind: TransitionKind, summary: str, told: bool) -> None:
        alert, heard = self._alert, self._heard
        self._transitions.append(
            transition(self._from, alert, self._now, kind=kind, summary=summary, told=told)
        )
        self._from = alert
        if told:
            is_new = self._fact is not None and self._is_news
            self._heard = replace(
                heard,
                what=self._fact,
                firing=alert.firing,
                severity=alert.severity,
                at=self._now,
                channels=() if is_new else heard.channels,
            )

    def _flags(self) -> None:
        """Notes, for the record alone, that a silence or an inhibition of a firing alert began or ended."""
        if self._alert.state != "firing" or self._before.state != "firing":
            return
        if (self._before.silenced_until is None) != (self._alert.silenced_until is None):
            self._say("silence", "silenced" if self._is_silenced else "not silenced any more", told=False)
        if (self._before.inhibited_by is None) != (self._alert.inhibited_by is None):
            by = self._alert.inhibited_by
            self._say("inhibit", "not held back any more" if by is None else f"held back by {by}", told=False)

    def _count(self, has_moved: bool) -> None:
        changes = tuple(min(each, self._now) for each in self._heard.changes)
        changes = tuple(each for each in changes if self._now - each < HOUR)
        self._heard = replace(self._heard, changes=(*changes, self._now) if has_moved else changes)

    def _flap(self, has_changed: bool) -> None:
        if has_changed:
            self._say("state", self._summary, told=False)
        number, state, is_told = len(self._heard.changes), self._alert.state, not self._is_muted
        if self._alert.flapping_since is None:
            self._alert = replace(self._alert, flapping_since=self._now)
            self._say("flapping", f"flapping: {number} changes within an hour; now {state}", is_told)
        elif not number:
            self._alert = replace(self._alert, flapping_since=None)
            self._say("flapping", f"quiet for an hour after flapping: {state}", is_told)
        elif is_told and (self._is_due(HOUR) or self._wakes):
            self._say("flapping", f"still flapping: {number} changes within an hour; now {state}", is_told)

    def _go_on(self) -> None:
        """Nothing has changed, and nothing holds it back."""
        alert, heard, summary = self._alert, self._heard, self._alert.story.summary
        if self._is_news:
            self._say("update", summary if self._fact else "it is over", told=True)
        elif alert.state != "firing":
            return
        elif self._has_run_dry and not heard.no_data:
            self._say("no_data", self._summary, told=True)
            self._heard = replace(self._heard, no_data=True)
        elif alert.no_data_since is None and heard.no_data:
            self._heard = replace(heard, no_data=False)
        elif alert.severity == "page" and alert.acknowledged_by is None:
            if self._is_due(self._timing.repeat_page_every):
                self._say("repeat", summary, told=True)
        elif self._is_for_digest:
            self._say("repeat", summary, told=True)
        elif self._timing.update_every is not None and self._is_due(self._timing.update_every):
            self._say("update", summary, told=True)

    @property
    def _is_for_digest(self) -> bool:
        """True for a warning that fires on at the time of the digest."""
        at, digest_at = self._heard.at, self._digest_at
        return (
            self._alert.severity == "warning"
            and self._alert.acknowledged_by is None
            and digest_at is not None
            and at is not None
            and at <= digest_at - HOUR
        )

    @property
    def _has_run_dry(self) -> bool:
        since = self._alert.no_data_since
        return since is not None and self._now - since >= self._timing.no_data_after

    def _is_due(self, every: timedelta) -> bool:
        at = self._heard.at
        return at is None or self._now - min(at, self._now) >= every

    def _severity(self) -> None:
        if self._alert.state != "firing":
            return
        knows, is_other = self._heard.what == "firing", self._alert.severity != self._before.severity
        if knows and self._heard.severity != self._alert.severity and not self._is_news:
            assert self._heard.severity is not None
            rises = RANK[self._alert.severity] > RANK[self._heard.severity]
            told = not self._is_muted and (rises or self._alert.flapping_since is None)
        elif is_other and self._before.state == "firing":
            told = False
        else:
            return
        if told or is_other:
            self._say("severity", f"{self._alert.severity}: {self._alert.story.summary}", told)

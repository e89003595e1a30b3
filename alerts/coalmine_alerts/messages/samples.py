"""One notice of each kind: for previews, `send-test` and tests."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from coalmine_alerts.messages.digest import digest_notice
from coalmine_alerts.messages.sample_stories import (
    a_week,
    budget,
    complete,
    dead_letters,
    deprecation,
    feedback,
    moved,
    not_rolled_back,
    prompt_changed,
    regression,
    rolled_back,
    silent,
)
from coalmine_alerts.records import Notice
from coalmine_alerts.results.alerts import Alert, AlertState, Cause, Severity, TransitionKind
from coalmine_alerts.results.story import Story
from coalmine_alerts.standing import transition

_MODEL: Final = Cause("model", "openai/gpt-4o-2026-11-18")
_ROLLOUT: Final = Cause("rollout", "ro-summarize-1.2.0-1")
_PROMPTS: Final = (
    *("summarize", "support", "extract", "translate", "classify", "rewrite", "title", "answer"),
    *("plan", "review", "rank", "moderate"),
)


def samples(now: datetime) -> Mapping[str, Notice]:
    """Returns the notices by name, marked as tests, as they would be told at this time."""
    return {name: replace(make(now), test=True) for name, make in _KINDS.items()}


def _alert(
    now: datetime,
    number: int,
    rule: str,
    story: Story,
    *,
    cause: Cause,
    severity: Severity = "warning",
    state: AlertState = "firing",
    prompt: str = "summarize",
    version: str = "1.1.0",
    began: timedelta = timedelta(hours=3, minutes=4),
    once: bool = False,
) -> Alert:
    return Alert(
        fingerprint=f"{0x7F3C_0000_0000_0000 + number:016x}",
        rule=rule,
        labels={"environment": "prod", "prompt": prompt, "version": version},
        state="ok" if once else state,
        severity=severity,
        cause=cause,
        since=now,
        began_at=now - began,
        fired_at=now - min(began, timedelta(minutes=30)),
        firing=1,
        value=None,
        story=story,
        evaluated_at=now,
        true_since=now - began,
        false_since=None,
        acknowledged_by=None,
        acknowledged_at=None,
        silenced_until=None,
        inhibited_by=None,
        flapping_since=None,
        last_notice=f"{rule}-1" if once else None,
        no_data_since=None,
        accepted_by=None,
        accepted_at=None,
        accepted_value=None,
    )


def _notice(
    now: datetime, *alerts: Alert, kind: TransitionKind = "state", actor: str | None = None
) -> Notice:
    first = alerts[0]
    told = transition(
        replace(first, state="ok"),
        first,
        now,
        kind="notice" if first.last_notice else kind,
        summary=first.story.summary,
        told=True,
        actor=actor,
    )
    return Notice(
        group=f"prod|{first.cause.kind}|{first.cause.id}",
        cause=first.cause,
        environment="prod",
        alerts=alerts,
        history=(replace(told, seq=4711),),
    )


def _regression(now: datetime) -> Notice:
    return _notice(now, _alert(now, 1, "quality_drift", regression(now), cause=_MODEL))


def _acknowledged(now: datetime) -> Notice:
    before = _alert(now, 1, "quality_drift", regression(now), cause=_MODEL)
    seen = replace(before, acknowledged_by="dana", acknowledged_at=now - timedelta(minutes=2))
    return _notice(now, seen, kind="acknowledge", actor="dana")


def _resolved(now: datetime) -> Notice:
    before = _alert(now, 1, "quality_drift", regression(now), cause=_MODEL)
    over = replace(before, state="resolved", false_since=now - timedelta(minutes=20))
    notice = _notice(now, over)
    (told,) = notice.history
    return replace(notice, history=(replace(told, summary="quality 0.821 on 640 new calls"),))


def _flapping(now: datetime) -> Notice:
    before = _alert(now, 1, "quality_drift", moved(now, "support", 4), cause=Cause("prompt", "support"))
    return _notice(now, replace(before, flapping_since=now - timedelta(minutes=40)), kind="flapping")


def _no_data(now: datetime) -> Notice:
    before = _alert(now, 1, "quality_drift", moved(now, "extract", 0), cause=Cause("prompt", "extract"))
    return _notice(now, replace(before, state="no_data", since=now - timedelta(minutes=30)))


def _one_cause(now: datetime) -> Notice:
    alerts = [
        _alert(now, place, "quality_drift", moved(now, prompt, place), cause=_MODEL, prompt=prompt)
        for place, prompt in enumerate(_PROMPTS)
    ]
    return _notice(now, *alerts)


def _rollback(now: datetime) -> Notice:
    return _notice(
        now, _alert(now, 2, "rollout_decision", rolled_back(now), cause=_ROLLOUT, severity="info", once=True)
    )


def _complete(now: datetime) -> Notice:
    return _notice(
        now, _alert(now, 2, "rollout_decision", complete(now), cause=_ROLLOUT, severity="info", once=True)
    )


def _incomplete(now: datetime) -> Notice:
    return _notice(
        now, _alert(now, 3, "rollback_incomplete", not_rolled_back(now), cause=_ROLLOUT, severity="page")
    )


def _once(
    rule: str, story: Callable[[datetime], Story], cause: Cause, severity: Severity = "info"
) -> Callable[[datetime], Notice]:
    def make(now: datetime) -> Notice:
        prompt = cause.id if cause.kind == "prompt" else "summarize"
        return _notice(
            now, _alert(now, 4, rule, story(now), cause=cause, severity=severity, prompt=prompt, once=True)
        )

    return make


def _ingest(now: datetime) -> Notice:
    return _notice(
        now, _alert(now, 5, "ingest_stale", silent(now), cause=Cause("ingest", "prod"), severity="page")
    )


def _dead(now: datetime) -> Notice:
    return _notice(now, _alert(now, 6, "dead_letters", dead_letters(now), cause=Cause("ingest", "prod")))


def _limited(now: datetime) -> Notice:
    alert = _alert(
        now, 7, "quality_drift", moved(now, "rank", 6), cause=Cause("prompt", "rank"), prompt="rank"
    )
    return replace(
        _notice(now, alert), limited={"quality_drift": 611, "cost_drift": 252, "latency_drift": 121}
    )


def _digest(now: datetime) -> Notice:
    return digest_notice(a_week(now), now)


_KINDS: Final[Mapping[str, Callable[[datetime], Notice]]] = {
    "regression": _regression,
    "acknowledged": _acknowledged,
    "resolved": _resolved,
    "one_cause": _one_cause,
    "rollback": _rollback,
    "rollback_incomplete": _incomplete,
    "rollout_complete": _complete,
    "feedback": _once("feedback_negative", feedback, Cause("prompt", "support")),
    "prompt_changed": _once("prompt_changed", prompt_changed, Cause("prompt", "extract")),
    "budget": _once("budget", budget, Cause("budget", "support"), "warning"),
    "model_deprecation": _once("model_deprecation", deprecation, Cause("model", "openai/gpt-4o"), "warning"),
    "ingest_stale": _ingest,
    "dead_letters": _dead,
    "flapping": _flapping,
    "no_data": _no_data,
    "limited": _limited,
    "digest": _digest,
}

"""Answers of the API about alerts, as a server gives them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from coalmine_alerts.results.alerts import Alert, Cause, Silence, Transition
from coalmine_alerts.results.messages import Delivery, Message, Runbook, ToldTransition
from coalmine_alerts.results.replay import Replay, ReplayedFiring
from coalmine_alerts.results.rules import KnownRule, Threshold
from coalmine_alerts.results.story import Story, StoryChart, StoryLink, StoryTable
from coalmine_consumers.results import Facets
from tests.support.data.drift_answers import FACETS, HOSTILE, json_of
from tests.support.data.eval_answers import page

NOW = datetime.now(UTC).replace(microsecond=0)
BEGAN = NOW - timedelta(hours=5)
FIRING, SILENCED = "a" * 16, "b" * 16
LABELS: Mapping[str, str] = {"environment": "prod", "prompt": "summarize", "version": "1.3.0"}

STORY = Story(
    title="Quality fell 5.2 % · summarize 1.3.0 · prod",
    summary="It fell since \x021795684200\x03.",
    why="Nobody changed the prompt: another model answers.",
    table=StoryTable(("Model", "Before", "Now"), (("gpt-4o-mini", "0.842", "0.799"),)),
    chart=StoryChart(
        "Quality by hour", ("8", "9", "10", "11"), (("now", (0.84, 0.83, 0.8, 0.79)),), "mean score"
    ),
    details=(("Worst", "lang=de -11 % (412 calls)"),),
    diff="-be brief\n+be kind",
    diff_title="What changed in 1.3.0",
    done="Nothing.",
    could=("pin the model", "roll back to 1.2.0"),
    sure="a sequential test, at 5 %",
    links=(
        StoryLink("Open", "/drift?prompt=summarize&environment=prod"),
        StoryLink("Runbook", "https://wiki.example/x"),
        StoryLink("Odd", "javascript:alert(1)"),
    ),
)
ALERT = Alert(
    fingerprint=FIRING, rule="quality_drift", labels=LABELS, state="firing", severity="page",
    cause=Cause("prompt", "summarize"), since=BEGAN, began_at=BEGAN - timedelta(hours=2), fired_at=BEGAN,
    firing=2, value=-0.043, story=STORY, evaluated_at=NOW, true_since=BEGAN, false_since=None,
    acknowledged_by=None, acknowledged_at=None, silenced_until=None, inhibited_by=None, flapping_since=None,
    last_notice=None,
)  # fmt: skip
OTHER = replace(
    ALERT, fingerprint=SILENCED, labels={"prompt": "support", "environment": "dev"}, severity="warning",
    cause=Cause("prompt", "support"), silenced_until=NOW + timedelta(hours=3),
    story=replace(STORY, title=HOSTILE, chart=None, table=None, diff=None),
)  # fmt: skip
DELIVERY = Delivery("slack", "delivered", 1, BEGAN, BEGAN, None, 1)


def change(seq: int, at: datetime, before: Any, after: Any, summary: str = "It fell.") -> ToldTransition:
    """A change of the alert that fires."""
    transition = Transition(
        seq=seq, fingerprint=FIRING, at=at, kind="state", from_state=before, to_state=after, severity="page",
        firing=1, summary=summary, value=-0.043, actor=None, reason=None, told=True,
    )  # fmt: skip
    return ToldTransition(transition, "quality_drift", LABELS, (DELIVERY,))


CHANGES = [
    change(4, BEGAN, "pending", "firing", HOSTILE),
    change(3, BEGAN - timedelta(hours=3), "firing", "resolved"),
    change(2, BEGAN - timedelta(hours=6), "pending", "firing"),
    change(1, BEGAN - timedelta(hours=7), "ok", "pending"),
]
MESSAGE = Message(
    1, "slack", "prod|prompt|summarize", open=True, created_at=BEGAN, changed_at=NOW, text="It fell", body={},
    html="<article>Drawn by the server</article>",
)  # fmt: skip
SILENCE = Silence(7, {"prompt": "support"}, "we know", "dana", BEGAN, NOW + timedelta(hours=3))
RULES = [
    KnownRule(
        "cost_jump", "an hour cost far more than the same hour of the days before", None,
        (Threshold("times_usual", "3"), Threshold("least_usd", "10"), Threshold("for", "0s")),
    ),
    KnownRule("quality_drift", "quality of an unchanged version fell", None, (Threshold("for", "0s"),)),
]  # fmt: skip


def replayed(value: str | None, firings: int) -> Replay:
    """What a threshold would have sent."""
    since = NOW - timedelta(days=7)
    found = tuple(
        ReplayedFiring({"app": "mobile"}, "warning", "$31 in an hour since \x021795684200\x03", 31.0,
                       since + timedelta(days=day), since + timedelta(days=day, hours=2))
        for day in range(firings)
    )  # fmt: skip
    settings = {} if value is None else {"times_usual": value}
    return Replay("cost_jump", settings, since, NOW, 604.8, 1_000, found, firings, firings * 2 / 168, ("x",))


REPLAYS = [replayed(None, 1), replayed("2", 5)]


def alert_handlers() -> dict[str, Any]:
    """What a server would answer to the page of alerts."""
    return {
        "/v1/facets": lambda _parameters: json_of(Facets, FACETS),
        "/v1/alerts": lambda _parameters: page(list[Alert], [OTHER, ALERT]),
        "/v1/alerts/messages": lambda _parameters: page(list[Message], [MESSAGE]),
        "/v1/alerts/transitions": lambda _parameters: page(list[ToldTransition], CHANGES),
        "/v1/alerts/silences": lambda _parameters: page(list[Silence], [SILENCE]),
        "/v1/alerts/rules": lambda _parameters: json_of(list[KnownRule], RULES),
        "/v1/alerts/test": lambda _parameters: json_of(list[Replay], REPLAYS),
        "/v1/alerts/runbooks/quality_drift": lambda _parameters: json_of(
            Runbook, Runbook("quality_drift", "Ask the model.")
        ),
        **{
            f"/v1/alerts/{each.fingerprint}": (lambda _parameters, each=each: json_of(Alert, each))
            for each in (ALERT, OTHER)
        },
        **{
            f"/v1/alerts/{name}/transitions": lambda _parameters: page(list[ToldTransition], CHANGES[:1])
            for name in (FIRING, SILENCED)
        },
        f"/v1/alerts/{FIRING}/mark": lambda _parameters: json_of(Alert, ALERT),
        "/v1/whoami": lambda _parameters: {"subject": "ann", "role": "admin", "environment": None},
    }

"""The stories of the samples: what a rule's story can be at its best."""

from datetime import datetime, timedelta
from typing import Final

from coalmine_alerts.results.digest import Digest, Duty, Outcome, Shipped
from coalmine_alerts.results.story import Excerpt, Story, StoryChart, StoryLink, StoryTable, moment

_RUNBOOK: Final = "https://coalmine.example.com/runbooks/"
_QUALITY: Final = (0.823, 0.826, 0.822, 0.825, 0.824, 0.823, 0.801, 0.782, 0.779, 0.78)
_GUARDED: Final = ("Guardrail", "1.1.0", "1.2.0", "Change", "Verdict")


def _hours(now: datetime, count: int) -> tuple[str, ...]:
    return tuple(f"{now - timedelta(hours=count - 1 - place):%H}" for place in range(count))


def regression(now: datetime) -> Story:
    """A model that answers under the same name is another one."""
    began = now - timedelta(hours=3, minutes=4)
    return Story(
        title="Quality fell 5.2 % · summarize 1.1.0 · prod",
        summary=(
            f"Quality of summarize 1.1.0 fell from 0.824 to 0.781 (-5.2 %) since {moment(began)}, "
            "on 3,140 requests. The model changed; the prompt did not."
        ),
        why=(
            f"`gpt-4o` answers as `gpt-4o-2026-11-18` since {moment(began)}, before as `gpt-4o-2026-08-06`."
        ),
        table=StoryTable(
            ("Metric", "Before", "Since", "Change", "95 % interval"),
            (
                ("Quality", "0.824", "0.781", "-5.2 %", "-6.6 to -3.8 %"),
                ("Thumbs up", "71 %", "66 %", "-5 points", "-9 to -1"),
                ("Cost per call", "$0.0152", "$0.0153", "+0.6 %", "no change shown"),
                ("p95 latency", "2.31 s", "2.28 s", "-1.3 %", "no change shown"),
            ),
        ),
        chart=StoryChart(
            "Quality per hour, summarize, prod",
            _hours(now, len(_QUALITY)),
            (("1.1.0", _QUALITY),),
            "Mean score, 0 to 1",
        ),
        details=(
            ("Where the -5.2 % come from", "model -4.6, traffic mix -0.5, prompt 0.0, unexplained -0.1"),
            ("Worst", "lang=de -11 % (412 calls) · input>8k tokens -9 % (160) · all others -3 %"),
            ("Cost so far", "about 160 answers below 0.5 that would not have been"),
        ),
        done="nothing: there is no version to go back to.",
        could=(
            "Pin the model: push 1.1.1 with `model: gpt-4o-2026-08-06`",
            "Rerun the golden set on the new model",
            "Accept it as the new normal",
        ),
        sure="error chance 1 in 1,000 per version and year · 2,204 units",
        links=(
            StoryLink("Open", "/alerts?alert=7f3c"),
            StoryLink("20 worst answers", "/requests?prompt=summarize&version=1.1.0&sort=score&limit=20"),
            StoryLink("Runbook", _RUNBOOK + "quality_drift"),
        ),
    )


def moved(now: datetime, prompt: str, place: int) -> Story:
    """One of many prompts of one cause."""
    lost = 5.2 - 0.3 * place
    began = now - timedelta(hours=3, minutes=4)
    return Story(
        title=f"Quality fell {lost:.1f} % · {prompt} 1.1.0 · prod",
        summary=f"Quality of {prompt} 1.1.0 fell {lost:.1f} % since {moment(began)}.",
        why="`gpt-4o` answers as `gpt-4o-2026-11-18`: the model changed, no prompt did.",
        done="nothing: no prompt has a version to go back to.",
        could=("Pin the model", "Rerun the golden sets on the new model"),
        sure="error chance 1 in 1,000 per version and year",
        links=(StoryLink("All of them", "/alerts?cause=model"),),
    )


def rolled_back(now: datetime) -> Story:
    """A bad version that took itself back."""
    began = now - timedelta(minutes=21)
    return Story(
        icon="⏪",
        title="Rolled back · summarize 1.2.0 → 1.1.0 · prod",
        summary=(
            f"Nobody has to do anything now. Stage 1 of 4 (5 %) stopped by itself {moment(now)}: "
            "quality -8.1 %, cost +20 %. 212 users (1.9 %) had met it."
        ),
        why="The harm was proven 38 s before, 21 min after the start.",
        table=StoryTable(
            _GUARDED,
            (
                ("Quality", "0.822", "0.756", "-8.1 % (-12.0 to -4.2)", "worse"),
                ("Cost per call", "$0.0150", "$0.0181", "+20 % (+14 to +27)", "worse (limit 10 %)"),
                ("Thumbs up", "70 %", "64 %", "-6 points (-19 to +7)", "undecided"),
                ("Errors", "0.4 %", "0.4 %", "0.0 points", "undecided"),
                ("p95 latency", "2.30 s", "2.36 s", "+3 % (-5 to +11)", "undecided"),
            ),
        ),
        details=(
            ("Who met it", "212 users (1.9 %), 431 answers, $1.34 more than 1.1.0 would have cost"),
            (
                "Back on 1.1.0",
                f"41 of 42 clients, the last one after 2.1 s. `billing-worker` (1 client) serves "
                f"1.2.0 from its disk cache, last seen {moment(now + timedelta(seconds=5))}",
            ),
        ),
        diff=(
            "- Summarize in 2 to 3 sentences.\n+ Summarize thoroughly. Mention every figure.\n"
            "  Use the language of the text."
        ),
        diff_title="What changed in 1.2.0 (dana, approved by lee)",
        sure=(
            f"plan canary-standard 5 → 25 → 50 → 100, started {moment(began)} · 212 against 3,980 units · "
            "chance of rolling back a good version at most 5 % over the whole rollout · "
            "held back: 3 metric alerts"
        ),
        links=(
            StoryLink("Evidence", "/rollouts/ro-summarize-1.2.0-1"),
            StoryLink("Worst answers", "/requests?prompt=summarize&version=1.2.0&sort=score"),
            StoryLink("Diff", "/prompts/summarize/diff?from=1.1.0&to=1.2.0"),
        ),
    )


def not_rolled_back(now: datetime) -> Story:
    """The one case of a rollout that wakes somebody."""
    return Story(
        icon="🚨",
        title="Still served after its rollback · summarize 1.2.0 · prod",
        summary=(
            f"summarize 1.2.0 is rolled back since {moment(now - timedelta(minutes=5))}, but "
            f"`billing-worker` (1 client) still serves it from its disk cache: "
            "14 requests in the last minute."
        ),
        why="It cannot reach the registry: its last poll that worked was 26 min ago.",
        details=(("Client", "0.4.1 on billing-worker-7c9, served from disk"),),
        done="the registry serves 1.1.0; 41 of 42 clients took it, the last one after 2.1 s.",
        could=(
            "Restart it: `kubectl rollout restart deploy/billing-worker`; its fallback is 1.1.0",
            "Give it a way to the registry again",
        ),
        sure="counted, not estimated: requests on 1.2.0 five minutes after the rollback",
        links=(
            StoryLink("Rollout", "/rollouts/ro-summarize-1.2.0-1"),
            StoryLink("Runbook", _RUNBOOK + "rollback_incomplete"),
        ),
    )


def complete(now: datetime) -> Story:
    """A version that everybody gets."""
    return Story(
        icon="🎉",
        title="At 100 % · summarize 1.2.1 · prod",
        summary=(
            "summarize 1.2.1 serves everybody: quality +3.1 %, cost -2.0 %, nothing worse. "
            f"It took 9 h 12 min, since {moment(now - timedelta(hours=9, minutes=12))}."
        ),
        table=StoryTable(
            ("Guardrail", "1.1.0", "1.2.1", "Change", "Verdict"),
            (
                ("Quality", "0.822", "0.848", "+3.1 % (+1.2 to +5.0)", "better"),
                ("Cost per call", "$0.0150", "$0.0147", "-2.0 % (-3.4 to -0.6)", "better"),
                ("p95 latency", "2.30 s", "2.31 s", "+0.4 % (-2 to +3)", "not worse"),
            ),
        ),
        details=(("Stages", "5 % ✓ 1 h 02 min · 25 % ✓ 2 h 10 min · 50 % ✓ 6 h · 100 % now"),),
        sure="plan canary-standard · 8,120 against 8,204 units",
        links=(StoryLink("Evidence", "/rollouts/ro-summarize-1.2.1-1"),),
    )


def feedback(now: datetime) -> Story:
    """People who are not content, in their own words where the channel may have them."""
    return Story(
        icon="👎",
        title="3 bad ratings in 10 minutes · support 2.3.1 · prod",
        summary="3 bad ratings for support 2.3.1 in 10 minutes, 2 of them name refunds; usual now: 0.4.",
        why=(
            "Rate now 9 % of 33 rated (last week 4 %): not enough to call it a regression yet, "
            "60 more ratings would tell."
        ),
        excerpts=(
            Excerpt(
                "01KB3",
                now - timedelta(minutes=4),
                "My order 8812345 came broken, can I get money back? Write to jo@example.com.",
                "Of course! Your refund has been issued and will arrive in 3 days.",
                "You promised a refund and there is none",
                "refunds need a person to approve",
                ("gpt-4o-2026-08-06", "plan=consumer"),
            ),
            Excerpt(
                "01KB4",
                now - timedelta(minutes=7),
                None,
                None,
                "<!channel> *wrong* language",
                None,
                ("lang=nl",),
            ),
        ),
        sure="at most one message per prompt in 10 minutes",
        links=(
            StoryLink("Requests", "/requests?prompt=support&version=2.3.1&thumbs=down&since=10m"),
            StoryLink("Runbook", _RUNBOOK + "feedback_negative"),
        ),
    )


def prompt_changed(now: datetime) -> Story:
    """Somebody changed what is served."""
    return Story(
        icon="✏️",
        title="Promoted · extract 2.0.0 → 2.0.1 · prod",
        summary=f"dana promoted extract 2.0.1 to prod at {moment(now)}: “dates come out as ISO 8601”.",
        diff="  Return JSON with these fields.\n- date: as written\n+ date: ISO 8601, null if there is none",
        diff_title="What changed in 2.0.1",
        sure="by a person, not by a rollout: nothing compares it with 2.0.0 on the same traffic",
        links=(StoryLink("Diff", "/prompts/extract/diff?from=2.0.0&to=2.0.1"),),
    )


def budget(now: datetime) -> Story:
    """Money, before it is spent."""
    return Story(
        icon="💸",
        title="80 % of its budget · support · prod",
        summary=(
            "support has spent $1,604 of $2,000 for this month, and will pass it on the 28th: "
            "forecast $2,210 (80 % interval 2,120 to 2,330)."
        ),
        chart=StoryChart(
            "Spent per day, support, US dollars",
            tuple(f"{now - timedelta(days=9 - place):%d}" for place in range(10)),
            (("spent", (52.0, 55.0, 54.0, 71.0, 83.0, 88.0, 86.0, 90.0, 95.0, 97.0)),),
            "US dollars",
            "Day",
        ),
        details=(
            ("Since", "2.3.1 serves, a call costs 31 % more: answers are longer (410 tokens, before 290)"),
        ),
        could=("Raise the budget", "Cap the length of answers", "Go back to 2.3.0"),
        sure="told once per threshold and month",
        links=(StoryLink("Cost", "/cost?prompt=support&period=month"),),
    )


def deprecation(now: datetime) -> Story:
    """A model that will be gone."""
    last = now + timedelta(days=30)
    return Story(
        icon="📅",
        title="30 days until gpt-4o-2026-08-06 is switched off · prod",
        summary=f"openai switches off gpt-4o-2026-08-06 on {last:%Y-%m-%d}; 3 prompts in prod use it.",
        table=StoryTable(
            ("Prompt", "Version", "Calls per day", "Evaluated on another model"),
            (
                ("summarize", "1.1.0", "24,100", "no"),
                ("support", "2.3.1", "8,020", "yes"),
                ("rank", "0.9.0", "310", "no"),
            ),
        ),
        could=("Evaluate summarize and rank on gpt-4o-2026-11-18, then roll out versions that name it",),
        sure="by the list of models that comes with Coalmine",
        links=(StoryLink("Models", "/models"),),
    )


def silent(now: datetime) -> Story:
    """Nothing comes in, so nothing is known."""
    return Story(
        icon="🚨",
        title="No events for 12 minutes · prod",
        summary=(
            f"No event has come in since {moment(now - timedelta(minutes=12))}, and a rollout is out "
            "(summarize 1.2.1 at 25 %): nobody would see harm."
        ),
        why="The broker answers, the topic has no new messages: the services do not send.",
        done="the rollout is held; metric alerts are held back, they would be blindness, not news.",
        could=(
            "See whether the services run",
            "Stop the rollout: `coalmine rollout abort ro-summarize-1.2.1-1`",
        ),
        sure="usual for this time: 41 events a minute",
        links=(StoryLink("Ingest", "/ingest"), StoryLink("Runbook", _RUNBOOK + "ingest_stale")),
    )


def dead_letters(now: datetime) -> Story:
    """Events that nobody can read."""
    return Story(
        icon="🟠",
        title="2.1 % of events cannot be read · prod",
        summary=(
            f"84 of 4,010 events since {moment(now - timedelta(minutes=10))} are dead letters: "
            f"`unknown schema 7`."
        ),
        details=(("All from", "checkout 3.2.0, deployed 14 min ago"),),
        could=("Register its schema", "Roll back checkout, then replay the dead letters"),
        sure="more than 0.5 % and more than 20 in 10 minutes",
        links=(StoryLink("Dead letters", "/ingest/dead-letters"),),
    )


def a_week(now: datetime) -> Digest:
    """What a week brought."""

    def shipped(prompt: str, before: str, version: str, outcome: Outcome, *changes: str) -> Shipped:
        is_out = outcome != "rolled back"
        return Shipped(
            rollout=f"ro-{prompt}-{version}-1",
            environment="prod",
            prompt=prompt,
            before=before,
            version=version,
            outcome=outcome,
            changes=changes,
            effects=(),
            ended_at=now,
            lead_time_s=26 * 3600.0 if is_out else None,
            exposed_share=None if is_out else 0.019,
            out_s=9 * 3600.0 if is_out else 21 * 60.0,
        )

    return Digest(
        week="2026-W47",
        since=now - timedelta(days=7),
        until=now,
        environment="prod",
        shipped=(
            shipped("summarize", "1.0.4", "1.1.0", "better", "quality +3.1 %", "cost -2.0 %"),
            shipped("extract", "2.0.0", "2.0.1", "better", "quality +1.0 %"),
            shipped("support", "2.3.0", "2.3.1", "better", "cost -18 %"),
            shipped("summarize", "1.1.0", "1.2.0", "rolled back", "quality -8.1 %", "cost +20 %"),
        ),
        median_lead_time_s=26 * 3600.0,
        changed_by_hand=1,
        duties=(
            Duty("Not evaluated on its model for 6 days · translate 1.0.2 · prod", "/alerts?fingerprint=a"),
            Duty("Will pass its budget on the 28th · support · prod", "/alerts?fingerprint=b"),
        ),
        tidying=(
            Duty("Retire 11 unused versions: rank 0.1.0, rank 0.2.0, plan 1.0.0 and 8 more", "/prompts"),
            Duty("Tune latency_drift: 2 of its alerts were called noise", "/alerts?rule=latency_drift"),
        ),
        alerts_told=9,
        alerts_held_back=14,
        alerts_open=1,
        useful=7,
        noise={"latency_drift": 2},
    )

"""Where alerts stand is said first, and what changed in one line."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from coalmine_alerts.messages.samples import samples
from coalmine_alerts.messages.slack import slack_message, slack_thread_line
from coalmine_alerts.records import Notice
from tests.support.data.slack_rules import check_slack_message, texts

NOW = datetime(2026, 11, 26, 12, 14, tzinfo=UTC)
SAMPLES = {name: replace(notice, test=False) for name, notice in samples(NOW).items()}


def _said(notice: Notice) -> tuple[str, str]:
    message = slack_message(notice, dashboard_url=None, mode="bot")
    check_slack_message(message)
    return message.blocks[0]["text"]["text"], " ".join(texts(message)[1:])


def test_a_regression_keeps_its_own_title() -> None:
    header, said = _said(SAMPLES["regression"])
    assert header == "🔴 Quality fell 5.2 % · summarize 1.1.0 · prod"
    assert said.index("fell from 0.824") < said.index("gpt-4o-2026-11-18") < said.index("Done so far")
    assert said.index("Done so far") < said.index("You could") < said.index("error chance")


def test_a_resolved_one_says_so_and_asks_for_nothing() -> None:
    header, said = _said(SAMPLES["resolved"])
    assert header == "✅ Resolved · Quality fell 5.2 % · summarize 1.1.0 · prod"
    assert "it fired for 30 min" in said
    assert "quality 0.821 on 640 new calls" in said
    assert "You could" not in said
    assert "Acknowledge" not in said


def test_an_acknowledged_one_says_by_whom_and_can_still_be_silenced() -> None:
    _, said = _said(SAMPLES["acknowledged"])
    assert "Acknowledged by dana, " in said
    assert "Acknowledge " not in said
    assert "Silence 4 h" in said


def test_an_accepted_one_names_who_accepted_it() -> None:
    (alert,) = SAMPLES["resolved"].alerts
    accepted = replace(alert, accepted_by="lee", accepted_at=NOW)
    _, said = _said(replace(SAMPLES["resolved"], alerts=(accepted,)))
    assert "Accepted as the new normal by lee, " in said


def test_a_group_is_resolved_when_all_of_it_is() -> None:
    alerts = SAMPLES["one_cause"].alerts
    over = [replace(alert, state="resolved") for alert in alerts]
    header, said = _said(replace(SAMPLES["one_cause"], alerts=(*alerts[:5], *over[5:])))
    assert header == "🔴 Quality fell · 5 of 12 prompts still firing · model openai/gpt-4o-2026-11-18 · prod"
    assert said.count("resolved") == 7
    header, _ = _said(replace(SAMPLES["one_cause"], alerts=tuple(over)))
    assert header.startswith("✅ Resolved · Quality fell · 12 prompts")


def test_something_that_happened_once_is_neither_firing_nor_resolved() -> None:
    header, said = _said(SAMPLES["rollback"])
    assert header == "⏪ Rolled back · summarize 1.2.0 → 1.1.0 · prod"
    assert "Acknowledge" not in said


def test_a_notice_of_a_rule_whose_alert_is_over_is_not_told_as_resolved() -> None:
    (alert,) = SAMPLES["rollback"].alerts
    header, _ = _said(replace(SAMPLES["rollback"], alerts=(replace(alert, state="resolved"),)))
    assert "Resolved" not in header


def test_a_firing_alert_without_data_says_so() -> None:
    (alert,) = SAMPLES["regression"].alerts
    quiet = replace(alert, no_data_since=NOW - timedelta(minutes=40))
    _, said = _said(replace(SAMPLES["regression"], alerts=(quiet,)))
    assert "Nothing has been heard since" in said


def test_what_is_only_counted_is_counted_by_rule() -> None:
    header, said = _said(SAMPLES["limited"])
    assert (
        "Too many at once to be told one by one: quality_drift 611, cost_drift 252, latency_drift 121."
        in said
    )
    alone = Notice(
        group="more", cause=SAMPLES["limited"].cause, environment=None, alerts=(), limited={"srm": 3}
    )
    header, said = _said(alone)
    assert header == "🔴 3 more alerts"
    assert "srm 3" in said


def test_a_daily_digest_claims_no_common_cause() -> None:
    header, said = _said(replace(SAMPLES["one_cause"], group="digest|2026-11-26"))
    assert header == "🗒️ 12 that could wait · 2026-11-26"
    assert "one cause" not in said


def test_a_possible_repeat_says_so() -> None:
    repeat = replace(SAMPLES["regression"], may_be_repeat=True)
    message = slack_message(repeat, dashboard_url=None, mode="webhook")
    assert message.text.endswith("(may be a repeat)")
    assert "May be a repeat" in " ".join(texts(message))


def test_a_line_in_the_thread_tells_the_change_in_the_readers_own_time() -> None:
    stamp = f"<!date^{int(NOW.timestamp())}^{{time}}|12:14 UTC>"
    assert slack_thread_line(SAMPLES["resolved"]) == f"{stamp} resolved: quality 0.821 on 640 new calls"
    (told,) = SAMPLES["acknowledged"].history
    seen = replace(told, summary="acknowledged by dana", reason="<@U1> looks & waits")
    line = slack_thread_line(replace(SAMPLES["acknowledged"], history=(seen,)))
    assert line == f"{stamp} acknowledged by dana (&lt;@U1&gt; looks &amp; waits)"
    worse = replace(told, kind="severity", severity="page", summary="the rate doubled")
    line = slack_thread_line(replace(SAMPLES["acknowledged"], history=(worse,)))
    assert line == f"{stamp} now a page: the rate doubled"

"""The configuration of alerts: what it changes, and how its mistakes are named."""

from dataclasses import fields
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from coalmine_alerts.configuration.read import read_configuration
from coalmine_alerts.configuration.records import Configuration, ConfiguredRule, default_configuration
from coalmine_alerts.delivery.channels import SlackBotSettings
from coalmine_alerts.grouping import DigestTime
from coalmine_alerts.reading.reader import SOURCES
from coalmine_alerts.results.alerts import Alert, Cause, Severity
from coalmine_alerts.results.story import Story
from coalmine_alerts.rules.defaults import DEFAULT_RULES
from coalmine_schemas.mistakes import InvalidFile
from tests.support.data.alert_facts import facts, metric_drift, one, version_drift

FULL = """
channels:
  team: {kind: slack_bot, channel: C0123456789, private: true, texts: redacted}
  support: {kind: slack_webhook}
  pager: {kind: pagerduty}
route:
  page: [team, pager]
  warning: [team]
rules:
  quality_drift: {on: false}
  kill_limit: {limits: {error_rate: 10%, refusal_rate: 0.5}, severity: warning}
  cost_jump: {times_usual: 2, for: 10m, keep_firing_for: 2h}
  fallback_serving: {share: 5%}
  model_deprecation: {days_before: [90, 7]}
  rollout_held: {after: 30m}
prompts:
  support-*: {owner: team-support, channels: [support], runbook: "https://wiki.example.com/support"}
  checkout: {tier: critical}
  play-*: {tier: low}
budgets:
  support: {usd: 2000, period: week, prompt: support-refund, hard_cap: true}
digest: {at: "08:30", time_zone: Europe/Berlin, weekday: tuesday}
models:
  - {names: [own-1, gpt-5], ends: 2027-05-01, provider: Acme}
"""


def rule(found: Configuration, name: str) -> ConfiguredRule:
    return next(each for each in found.rules if each.name == name)


def test_a_full_configuration_is_read() -> None:
    found = read_configuration(FULL)
    assert found.channels[0] == SlackBotSettings(
        name="team", channel="C0123456789", private=True, texts="redacted"
    )
    assert "quality_drift" not in [each.name for each in found.rules]
    assert found.limits == {"error_rate": 0.1, "refusal_rate": 0.5}
    assert rule(found, "kill_limit").severity == "warning"
    jump = rule(found, "cost_jump")
    assert (jump.rule.times_usual, jump.rule.least_usd) == (2.0, 10.0)
    assert (jump.timing.for_, jump.timing.keep_firing_for) == (timedelta(minutes=10), timedelta(hours=2))
    assert jump.timing.metric
    assert rule(found, "fallback_serving").rule.share == 0.05
    assert rule(found, "model_deprecation").rule.days_before == (90, 7)
    ends = {each.model: each.ends for each in rule(found, "model_deprecation").rule.models}
    assert ends["gpt-5"] == ends["own-1"] == date(2027, 5, 1)
    assert ends["gpt-4o-2024-08-06"] == date(2027, 1, 14)
    assert rule(found, "rollout_held").rule.after == timedelta(minutes=30)
    (budget,) = rule(found, "budget").rule.budgets
    assert (budget.usd, budget.period, budget.hard_cap) == (2_000.0, "week", True)
    assert rule(found, "budget_forecast").rule.budgets == found.budgets == (budget,)
    assert found.digest == DigestTime(at=time(8, 30), time_zone=ZoneInfo("Europe/Berlin"), weekday="tuesday")


def test_without_a_configuration_all_rules_but_one_are_on_and_read_what_they_need() -> None:
    found = read_configuration("")
    assert [each.name for each in found.rules] == [name for name, each in DEFAULT_RULES.items() if each.on]
    assert found.needs == SOURCES - {"access", "budgets"}
    more = read_configuration("rules: {access_changed: {on: true}}\nbudgets: {a: {usd: 5}}")
    assert more.needs == SOURCES
    assert found == default_configuration()


@pytest.mark.parametrize(
    ("prompt", "rule_name", "severity", "told_in"),
    [
        ("other", "cost_jump", "warning", ["team"]),
        ("other", "cost_jump", "page", ["team", "pager"]),
        # Nothing is routed for info: it goes everywhere that takes it.
        ("other", "budget", "info", ["team", "support"]),
        ("other", "model_change", "info", ["team", "support", "pager"]),
        ("support-refund", "cost_jump", "page", ["support"]),
    ],
)
def test_alerts_are_told_by_prompt_and_by_severity(
    prompt: str, rule_name: str, severity: Severity, told_in: list[str]
) -> None:
    alert = an_alert(rule_name, severity, prompt=prompt)
    assert read_configuration(FULL).channels_of(alert) == told_in


def an_alert(rule_name: str, severity: Severity, **labels: str) -> Alert:
    now = datetime(2026, 3, 20, tzinfo=UTC)
    nothing = {each.name: None for each in fields(Alert)}
    return Alert(
        **{
            **nothing,
            "fingerprint": "0" * 16,
            "rule": rule_name,
            "labels": labels,
            "state": "firing",
            "severity": severity,
            "cause": Cause("prompt", ""),
            "since": now,
            "firing": 1,
            "story": Story("", ""),
            "evaluated_at": now,
        }  # type: ignore[arg-type]
    )


def test_what_is_about_a_channel_is_told_in_the_others() -> None:
    found = read_configuration(FULL)
    assert found.channels_of(an_alert("channel_failing", "warning", channel="team")) == ["support"]
    assert found.channels_of(an_alert("channel_failing", "page", channel="support")) == ["team", "pager"]


def test_who_cares_stands_in_the_story_and_decides_whether_it_wakes_somebody() -> None:
    found = read_configuration(
        FULL.replace("quality_drift: {on: false}", "quality_drift: {}").replace("support-*", "refund")
    )
    known = facts(drifts=[version_drift(metric_drift())])
    told = one(rule(found, "quality_drift")(known))
    assert ("Owner", "team-support") in told.story.details
    assert told.story.links[-1].path == "https://wiki.example.com/support"
    assert told.severity == "warning"
    critical = facts(drifts=[version_drift(metric_drift(), prompt="checkout")])
    assert one(rule(found, "quality_drift")(critical)).severity == "page"
    urgent = read_configuration("rules: {quality_drift: {severity: page}}\nprompts: {play-*: {tier: low}}")
    low = facts(drifts=[version_drift(metric_drift(), prompt="play-1")])
    assert one(rule(urgent, "quality_drift")(low)).severity == "warning"


@pytest.mark.parametrize(
    ("source", "mistake"),
    [
        ("rule: {}", "a key is 'rule': did you mean rules?"),
        (
            "rules:\n  a: b: c\n",
            "alerts.yaml is 'line 2, column 7: mapping values are not allowed here': write YAML",
        ),
        (
            "route: {page: []}",
            "route.page is a list: name a channel, or leave it out: all channels are told then",
        ),
        ("rules: {quality_drfit: {}}", "a key of rules is 'quality_drfit': did you mean quality_drift?"),
        (
            "rules: {cost_jump: {time_usual: 2}}",
            "a key of rules.cost_jump is 'time_usual': did you mean times_usual?",
        ),
        (
            "rules: {feedback_negative: {every: 0s}}",
            "rules.feedback_negative.every is '0s': give a duration above 0",
        ),
        (
            "rules: {cost_jump: {times_usual: -1}}",
            "rules.cost_jump.times_usual is -1: give a number above 0",
        ),
        (
            "rules: {cost_jump: {for: soon}}",
            "rules.cost_jump.for is 'soon': write a duration such as 90s, 30m, 1h, 1h30m, 2d or 1w",
        ),
        (
            "rules: {fallback_serving: {share: 140%}}",
            "rules.fallback_serving.share is '140%': write a share such as 5% or 0.05",
        ),
        ("rules: {srm: {on: maybe}}", "rules.srm.on is 'maybe': give true or false"),
        ("rules: {srm: {severity: pages}}", "rules.srm.severity is 'pages': did you mean page?"),
        (
            "rules: {kill_limit: {limits: {error_rat: 5%}}}",
            "a key of rules.kill_limit.limits is 'error_rat': did you mean error_rate?",
        ),
        (
            "channels: {a: {kind: slack}}",
            "channels.a.kind is 'slack': give one of slack_bot, slack_webhook, pagerduty, webhook, apprise",
        ),
        (
            "channels: {a: {kind: slack_bot}}",
            "channels.a.channel is None: a channel of kind slack_bot needs it",
        ),
        (
            "channels: {a: {kind: slack_webhook, texts: redacted}}",
            "channels.a.texts is 'redacted': texts go to private channels only: say `private: true` if it is "
            "one",
        ),
        (
            "channels: {a: {kind: slack_webhook, secret: 'https://hooks.example.com/s3cret'}}",
            "channels.a.secret is '***': give the name of the environment variable that holds the secret",
        ),
        (
            "channels: {a: {kind: pagerduty, url: events}}",
            "channels.a.url is 'events': give a URL that begins with https://",
        ),
        (
            "channels: {a: {kind: webhook, url: 'https://example.com/a b'}}",
            "channels.a.url is 'https://example.com/a b': give a URL that begins with https://",
        ),
        (
            "channels: {a: {kind: slack_bot, channel: '#oncall'}}",
            "channels.a.channel is '#oncall': copy the id from the channel's details, e.g. C0123456789",
        ),
        (
            "channels: {a: {kind: webhook, url: 'https://example.com', allowed_networks: [10.1.0.1/16]}}",
            "channels.a.allowed_networks[0] is '10.1.0.1/16': write 10.1.0.0/16",
        ),
        ("route: {page: [teem]}", "route.page[0] is 'teem': give one of none: there is none yet"),
        ("route: {pages: []}", "a key of route is 'pages': did you mean page?"),
        ("prompts: {a: {tier: high}}", "prompts.a.tier is 'high': give one of critical, standard, low"),
        (
            "prompts: {a: {runbook: wiki}}",
            "prompts.a.runbook is 'wiki': give a URL that begins with https://",
        ),
        (
            "budgets: {a: {usd: 0}}",
            "budgets.a.usd is 0: give an amount in US dollars above 0, e.g. 2000",
        ),
        (
            "budgets: {a: {usd: 5, period: yearly}}",
            "budgets.a.period is 'yearly': give one of day, week, month",
        ),
        (
            "budgets: {a: {usd: 5, environment: prd}}",
            "budgets.a.environment is 'prd': did you mean prod?",
        ),
        (
            "models: [{names: [a], ends: soon}]",
            "models[0].ends is 'soon': write a day such as 2027-01-14",
        ),
        ("digest: {at: 9}", 'digest.at is 9: give a time of day in quotes, such as "09:00"'),
        ("digest: {at: '24:00'}", "digest.at is '24:00': give a time of day in quotes"),
        ("digest: {time_zone: Berlin}", "digest.time_zone is 'Berlin': give a time zone by its name"),
        ("digest: {time_zone: ../etc}", "digest.time_zone is '../etc': give a time zone by its name"),
        ("digest: {weekday: mon}", "digest.weekday is 'mon': "),
        ("digest: {hour: 9}", "a key of digest is 'hour': known are at, time_zone, weekday"),
        ("- a", "alerts.yaml is"),
        ("{", "alerts.yaml is"),
        ("rules: [a]", "rules is"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_remedy(source: str, mistake: str) -> None:
    with pytest.raises(InvalidFile) as raised:
        read_configuration(source)
    (found,) = raised.value.mistakes
    assert found.startswith(mistake)


def test_all_mistakes_are_named_at_once() -> None:
    source = """
rules:
  quality_drfit: {}
  cost_jump: {times_usual: x}
channels:
  a: {kind: fax}
budgets:
  b: {usd: none}
"""
    with pytest.raises(InvalidFile) as raised:
        read_configuration(source)
    places = [each.split(" is ")[0] for each in raised.value.mistakes]
    assert places == ["channels.a.kind", "budgets.b.usd", "a key of rules", "rules.cost_jump.times_usual"]
    assert len(str(raised.value).splitlines()) == 4


def test_all_mistakes_of_an_entry_are_named_at_once() -> None:
    source = """
rules:
  cost_jump: {times_usual: x, least_usd: -1, colour: red, on: maybe, for: soon}
  kill_limit: {limits: {error_rate: 2, refusal_rate: 0, eror: 1}}
channels:
  a: {kind: slack_bot, texts: redacted, thread: 1, private: 3}
  b: {kind: webhook, url: http, allowed_networks: [x, y]}
prompts:
  p: {tier: high, channels: [c, d], runbook: wiki, ownr: me}
budgets:
  b: {usd: none, period: yearly, environment: prd, cap: true}
models:
  - {names: x, ends: soon, until: later}
digest: {at: 9, time_zone: Berlin, weekday: mon}
"""
    with pytest.raises(InvalidFile) as raised:
        read_configuration(source)
    places = [each.split(":")[0] for each in raised.value.mistakes]
    assert sorted(each.split(" is ")[0] for each in places) == sorted(
        [
            *("a key of channels.a", "channels.a.channel", "channels.a.private", "channels.a.texts"),
            *("channels.b.url", "channels.b.allowed_networks[0]", "channels.b.allowed_networks[1]"),
            *("a key of prompts.p", "prompts.p.tier", "prompts.p.runbook"),
            *("prompts.p.channels[0]", "prompts.p.channels[1]"),
            *("a key of budgets.b", "budgets.b.usd", "budgets.b.period", "budgets.b.environment"),
            *("a key of models[0]", "models[0].names", "models[0].ends"),
            *("a key of rules.cost_jump", "rules.cost_jump.times_usual", "rules.cost_jump.least_usd"),
            *("rules.cost_jump.on", "rules.cost_jump.for"),
            *("a key of rules.kill_limit.limits", "rules.kill_limit.limits.error_rate"),
            "rules.kill_limit.limits.refusal_rate",
            *("digest.at", "digest.time_zone", "digest.weekday"),
        ]
    )


def test_every_threshold_of_every_rule_can_be_set() -> None:
    for name, each in DEFAULT_RULES.items():
        for field in fields(each):
            value = getattr(each, field.name)
            if field.name in ("name", "metrics", "others", "budgets", "models", "limits"):
                continue
            written = f"{value.total_seconds():.0f}s" if isinstance(value, timedelta) else value
            written = list(written) if isinstance(written, tuple) else written
            found = read_configuration(f"rules: {{{name}: {{on: true, {field.name}: {written}}}}}")
            assert getattr(rule(found, name).rule, field.name) == value, (name, field.name)

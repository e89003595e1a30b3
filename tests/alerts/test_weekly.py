"""The digest of a week, computed from a registry that shipped something and from the alerts' database."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coalmine_alerts.engine import Engine
from coalmine_alerts.messages.digest import digest_notice, digest_story
from coalmine_alerts.messages.plain import plain_text
from coalmine_alerts.messages.slack import slack_message
from coalmine_alerts.results.digest import Digest
from coalmine_alerts.rules.weekly_digest import WeeklyDigest
from coalmine_alerts.weekly import digest_of, week_named, week_of
from tests.support.data.alert_case import MINUTE, AlertCase, finding
from tests.support.data.rollout_case import BROKEN, Rig
from tests.support.data.slack_rules import check_slack_message


def test_a_week_is_the_last_whole_one_or_named() -> None:
    week = ("2026-W47", datetime(2026, 11, 16, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC))
    assert week_of(datetime(2026, 11, 26, 12, tzinfo=UTC)) == week
    assert week_of(datetime(2026, 11, 23, tzinfo=UTC)) == week
    assert week_named("2026-W47") == week
    assert week_of(datetime(2027, 1, 5, tzinfo=UTC))[0] == "2026-W53"
    with pytest.raises(ValueError, match="2026-W60"):
        week_named("2026-W60")


def test_a_week_tells_what_was_taken_back_and_what_waits(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        rig.serve("1.0.0", treatment="1.1.0").behaviours = {"1.1.0": BROKEN}
        rollout = rig.start()
        rig.until("rolled_back", rollout.id, within=40)
        case = AlertCase(tmp_path / "alerts")
        case.tick(finding())
        case.commands.mark(case.only().fingerprint, useful=False, actor="dana")
        now = max(rig.clock.now, case.now) + MINUTE
        since = min(rig.clock.now, case.now) - timedelta(days=7)
        digest = digest_of(rig.registry, case.database, week=("2026-W47", since, now), last_used={})
    (shipped,) = digest.shipped
    assert (shipped.prompt, shipped.before, shipped.version) == ("support-refund", "1.0.0", "1.1.0")
    assert shipped.outcome == "rolled back"
    assert shipped.exposed_share is not None
    assert 0 < shipped.exposed_share < 1
    assert shipped.changes
    assert (digest.alerts_told, digest.alerts_open, digest.noise) == (1, 1, {"quality_drift": 1})
    assert [duty.path for duty in digest.duties] == [f"/alerts?fingerprint={case.only().fingerprint}"]
    story = digest_story(digest)
    assert story.summary.startswith("1 rollout ended (1 rolled back), 0 versions reached everybody.")
    assert "before it was taken back" in (story.why or "")
    notice = digest_notice(digest, now)
    check_slack_message(slack_message(notice, dashboard_url="https://x.example", mode="bot"))
    assert plain_text(notice, None).title == "🗓️ Week 47 · prompts"


def test_a_week_without_anything_says_so(tmp_path: Path) -> None:
    case = AlertCase(tmp_path)
    digest = digest_of(None, case.database, week=week_named("2026-W47"), environment="prod")
    story = digest_story(digest)
    assert story.title == "Week 47 · prompts · prod"
    assert story.summary == "No version shipped. Nothing needs a person."
    assert story.table is None


def test_a_week_is_told_once_from_monday_morning_on(tmp_path: Path) -> None:
    case, read = AlertCase(tmp_path), []

    def digest(week: tuple[str, datetime, datetime]) -> Digest:
        read.append(week[0])
        return digest_of(None, case.database, week=week)

    @dataclass
    class Facts:
        now: datetime

    rule = WeeklyDigest(digest)
    engine = Engine(case.database, [rule], Facts, lambda alert: ("slack",))
    told = []
    for hours in range(0, 21 * 24, 2):
        told += engine.tick(datetime(2026, 11, 20, tzinfo=UTC) + timedelta(hours=hours))
    notices = [(each.kind, each.told, f"{each.at:%a %d %H}") for each in told if each.kind == "notice"]
    assert notices == [
        ("notice", True, "Mon 23 10"),
        ("notice", True, "Mon 30 10"),
        ("notice", True, "Mon 07 10"),
    ]
    assert read == ["2026-W47", "2026-W48", "2026-W49"]

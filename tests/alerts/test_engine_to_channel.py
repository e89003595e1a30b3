"""From findings to messages: what people get when much happens at once, and after an outage."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from coalmine_alerts.delivery.channels import SentMessage, Telling
from coalmine_alerts.delivery.sender import Sender
from coalmine_alerts.errors import Later
from coalmine_alerts.results.alerts import Cause
from tests.support.data.alert_case import MINUTE, AlertCase, finding

SECOND = timedelta(seconds=1)


@dataclass
class Told:
    """A channel that keeps what it is told. Implements `Channel`."""

    name: str = "slack"
    edits: bool = True
    one_by_one: bool = False
    at_once: bool = False
    is_away: bool = False
    retry_after_s: float | None = None
    telling: list[Telling] = field(default_factory=list)

    def send(self, telling: Telling) -> SentMessage | None:
        """Keeps it."""
        if self.is_away:
            raise Later("away", self.retry_after_s)
        self.telling.append(telling)
        return SentMessage(external_id="1", text="", body={})


@pytest.fixture
def case(tmp_path: Path) -> AlertCase:
    return AlertCase(tmp_path, channels={each: ["slack"] for each in ("info", "warning", "page")})


@contextmanager
def _channel(case: AlertCase) -> Iterator[tuple[Told, Sender]]:
    channel = Told()
    with closing(Sender(case.database, {"slack": channel}, clock=lambda: case.now)) as sender:
        yield channel, sender


def test_one_update_of_a_provider_is_one_message(case: AlertCase) -> None:
    cause = Cause("model", "openai/gpt-4o-2026-11-18")
    moved = [finding(labels={"prompt": f"p{number}"}, cause=cause) for number in range(12)]
    with _channel(case) as (channel, sender):
        for number in range(1, 13):
            case.tick(*moved[:number], after=2 * SECOND)
            sender.send_due()
        assert channel.telling == []
        case.tick(*moved, after=30 * SECOND)
        sender.send_due()
        (told,) = channel.telling
        assert len(told.notice.alerts) == 12
        assert told.message is None


def test_a_thousand_alerts_are_a_handful_of_messages(case: AlertCase) -> None:
    many = [finding(labels={"prompt": f"p{number}"}) for number in range(1000)]
    with _channel(case) as (channel, sender):
        case.tick(*many)
        case.now += MINUTE
        sender.send_due()
        assert len(channel.telling) == 6
        assert channel.telling[-1].notice.limited == {"quality_drift": 995}


def test_after_an_outage_people_get_what_is_so_now(case: AlertCase) -> None:
    with _channel(case) as (channel, sender):
        channel.is_away = True
        case.tick(finding(severity="page"))
        sender.send_due()
        for _ in range(12):
            case.tick(finding(False, severity="page"), after=5 * MINUTE)
            sender.send_due()
        channel.is_away = False
        case.now += 6 * MINUTE  # the longest pause and its jitter
        sender.send_due()
        (told,) = channel.telling
        assert [each.state for each in told.notice.alerts] == ["resolved"]
        assert [each.to_state for each in told.told] == ["firing", "resolved"]


def test_what_is_over_within_the_wait_of_its_group_is_never_told(case: AlertCase) -> None:
    with _channel(case) as (channel, sender):
        case.tick(finding())
        case.tick(finding(False, ended=True), after=10 * SECOND)
        case.now += MINUTE
        sender.send_due()
        assert channel.telling == []
        assert {row["state"] for row in case.deliveries()} == {"merged"}


def test_the_daily_digest_is_one_message(case: AlertCase) -> None:
    fires = [finding(labels={"prompt": f"p{number}"}) for number in range(3)]
    with _channel(case) as (channel, sender):
        case.tick(*fires, finding(severity="info", notice="1", labels={"prompt": "told"}))
        case.now += MINUTE
        sender.send_due()
        assert len(channel.telling) == 3
        case.tick(*fires, after=timedelta(hours=21))
        case.now += MINUTE
        sender.send_due()
        assert len(channel.telling) == 4
        assert {each.labels["prompt"] for each in channel.telling[3].notice.alerts} == {
            "p0",
            "p1",
            "p2",
            "told",
        }


@pytest.mark.parametrize(
    ("back", "retry_after_s"), [(timedelta(hours=2), None), (timedelta(days=400), 600.0)]
)
def test_a_clock_set_back_keeps_no_message(
    case: AlertCase, back: timedelta, retry_after_s: float | None
) -> None:
    with _channel(case) as (channel, sender):
        channel.is_away, channel.retry_after_s = True, retry_after_s
        case.tick(finding(severity="page"))
        sender.send_due()
        channel.is_away = False
        case.now -= back
        sender.send_due()
        assert len(channel.telling) == 1

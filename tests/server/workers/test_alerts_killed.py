"""A server that is killed in the middle of a delivery: told once where that can be, else a repeat says so."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.data.alert_case import AlertCase, SaidRule, finding, name_of
from tests.support.eventually import eventually
from tests.support.processes.coalmine_process import ServerProcess
from tests.support.servers.receiver import Answer, Received, Receiver, receiver
from tests.support.servers.slack import Slack, slack

CHANNELS = ("bot", "hook", "pager")


@dataclass
class Held:
    """Takes a message, and does not answer before it is let go."""

    handle: Callable[[Received], Answer]
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def __call__(self, request: Received) -> Answer:
        answer = self.handle(request)
        self.reached.set()
        self.released.wait(60)
        return answer


@dataclass
class World:
    """Receivers in the place of all three services."""

    bot: Slack
    hook: Receiver
    pager: Receiver
    held: tuple[Held, ...]

    def environment(self) -> dict[str, str]:
        return {
            "COALMINE_ALERTS_EVALUATE_EVERY_S": "300",
            "COALMINE_ALERTS_SLACK_BOT_TOKEN": "xoxb-secret-of-the-bot",
            "COALMINE_ALERTS_SLACK_WEBHOOK_URL": f"{self.hook.url}/services/T0/B0/secret-of-the-hook",
            "COALMINE_ALERTS_PAGERDUTY_ROUTING_KEY": "0" * 32,
        }

    def file(self) -> str:
        return (
            "channels:\n"
            f"  bot: {{kind: slack_bot, channel: C0123456789, url: '{self.bot.url}'}}\n"
            "  hook: {kind: slack_webhook}\n"
            f"  pager: {{kind: pagerduty, url: '{self.pager.url}'}}\n"
        )


@pytest.fixture
def world() -> Iterator[World]:
    with ExitStack() as opened:
        bot = opened.enter_context(slack())
        hook, pager = opened.enter_context(receiver()), opened.enter_context(receiver())
        bot.clock = time.time()
        pager.handle = lambda _: (202, {}, b"{}")
        servers = (bot.server, hook, pager)
        held = tuple(Held(each.handle) for each in servers)
        for each, one in zip(servers, held, strict=True):
            each.handle = one
        yield World(bot, hook, pager, held)
        for one in held:
            one.released.set()


def test_a_server_that_is_killed_while_it_tells_keeps_each_channels_promise(
    tmp_path: Path, world: World
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "alerts.yaml").write_text(world.file())
    case = AlertCase(home, SaidRule(), channels={"page": CHANNELS})
    case.now = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)
    page = finding(severity="page")
    case.tick(page)
    case.database.close()
    with ServerProcess(home, world.environment()) as server:
        for each in world.held:
            eventually(each.reached.is_set, what="a message that is being taken")
        server.signal(signal.SIGKILL)
        server.wait()
    for each in world.held:
        each.released.set()
    with ServerProcess(home, world.environment()) as server:
        server.wait_ready()

        def states() -> set[tuple[str, str]]:
            changes = server.json(f"/v1/alerts/{name_of(page)}/transitions")["items"]
            return {(each["channel"], each["state"]) for each in changes[-1]["deliveries"]}

        eventually(lambda: states() == {(each, "delivered") for each in CHANNELS}, what="all told")
    assert len(world.bot.top) == 1
    first, again = (each.json()["text"] for each in world.hook.requests)
    assert ("repeat" in first, "repeat" in again) == (False, True)
    incidents = [each.json() for each in world.pager.requests]
    assert [each["event_action"] for each in incidents] == ["trigger", "trigger"]
    assert len({each["dedup_key"] for each in incidents}) == 1

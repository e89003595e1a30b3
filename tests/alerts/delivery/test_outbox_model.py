"""Whatever happens in whatever order, and whenever it dies: what each channel is promised holds."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpcore2
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import event

from coalmine_alerts.delivery.channels import (
    Channel,
    PagerDutySettings,
    SentMessage,
    SlackBotSettings,
    SlackWebhookSettings,
    Telling,
    WebhookSettings,
)
from coalmine_alerts.delivery.open import open_channels
from coalmine_alerts.delivery.outbox import LIMIT_GROUP, PER_MINUTE
from coalmine_alerts.delivery.posting import Exchanged, Poster
from coalmine_alerts.delivery.sender import Sender
from coalmine_alerts.results.alerts import Cause
from coalmine_alerts.storage.open import open_database
from coalmine_registry.storage.database import Database
from tests.support.campaign import size
from tests.support.doubles.alert_outbox import AlertOutbox
from tests.support.servers.receiver import Received, Receiver
from tests.support.servers.slack import Slack

_NAMES = ("summarize", "support", "extract", "translate")
_FAULTS = (
    *(None, "429", "500", "503", "garbage", "accept_and_drop", "drop", "accept_and_500"),
    *("die_before", "die_after"),
)
_CHANNELS = ("bot", "hook", "pager", "own")


class _Killed(BaseException):
    """As the end of the process: nothing catches it."""


class _Direct(Poster):
    """Posts to a receiver of this process, without a network."""

    def __init__(self, server: Receiver, plan: list[str | None]) -> None:
        super().__init__(secrets=())
        self._server, self._plan = server, plan

    def _exchange(self, url: str, body: bytes, headers: Mapping[str, str]) -> Exchanged:
        fault = self._plan.pop(0) if self._plan else None
        if fault == "die_before":
            raise _Killed
        self._server.faults.append(None if fault == "die_after" else fault)  # type: ignore[arg-type]
        path = httpcore2.URL(url).target.decode()
        answer = self._server.respond(Received(path, headers, body))
        if fault == "die_after":
            raise _Killed
        if answer is None:
            raise httpcore2.ReadError("closed")
        status, answered, content = answer
        return status, [(name.encode(), value.encode()) for name, value in answered.items()], content


@contextmanager
def _killed_at(database: Database, number: int | None) -> Iterator[None]:
    """Dies before the statement of that number of all that write transactions begin, commits among them."""
    seen = 0
    engine = database._engine

    def note(connection: Any) -> None:
        nonlocal seen
        if connection.get_execution_options().get("coalmine_writes"):
            seen += 1
            if seen - 1 == number:
                raise _Killed

    def before(connection: Any, *_: Any) -> None:
        note(connection)

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "commit", note)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "commit", note)


def _without_waiting_for_the_disk(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF").close()


class _Machine(RuleBasedStateMachine):
    """Alerts that come and go, four channels, and everything that may happen in between."""

    def new_file(self) -> Path:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.database = open_database(self.new_file())
        event.listen(self.database._engine, "connect", _without_waiting_for_the_disk)
        self.outbox = AlertOutbox(self.database, _CHANNELS)
        self.plan: list[str | None] = []
        self.servers = {name: Receiver(lambda _: (200, {}, b"ok")) for name in _CHANNELS}
        self.slack = Slack(self.servers["bot"], clock=self.outbox.now.timestamp())
        self.servers["bot"].handle = self._slack
        self.telling: list[int] = []
        self.posts: list[tuple[Any, int, str | None]] = []
        self.hooked: list[tuple[list[int], str]] = []
        self.servers["hook"].handle = self._hook
        self.channels = self._opened()
        self.sender = Sender(self.database, {}, clock=self.outbox.clock, rng=random.Random(0))
        self.firing: dict[str, bool] = {}

    def _opened(self) -> dict[str, Channel]:
        channels = open_channels(
            [
                SlackBotSettings(name="bot", channel="C0123456789"),
                SlackWebhookSettings(name="hook"),
                PagerDutySettings(name="pager"),
                WebhookSettings(name="own", url="https://own.example.com/"),
            ],
            {
                "COALMINE_ALERTS_SLACK_BOT_TOKEN": "xoxb-secret-of-the-bot",
                "COALMINE_ALERTS_SLACK_WEBHOOK_URL": "https://hooks.example.com/a",
                "COALMINE_ALERTS_PAGERDUTY_ROUTING_KEY": "0" * 32,
                "COALMINE_ALERTS_WEBHOOK_SECRET": "0" * 32,
            },
            dashboard_url=None,
            clock=self.outbox.clock,
        )
        for name, channel in channels.items():
            channel._poster = _Direct(self.servers[name], self.plan)  # type: ignore[attr-defined]
        send = channels["hook"].send

        def noted(telling: Telling) -> SentMessage | None:
            self.telling = [each.seq for each in telling.told]
            return send(telling)

        channels["hook"].send = noted  # type: ignore[method-assign]
        return channels

    def _slack(self, request: Received) -> tuple[int, Mapping[str, str], bytes]:
        self.slack.clock = max(self.slack.clock, self.outbox.now.timestamp())
        if request.path == "/api/chat.postMessage":
            body = request.json()
            payload = body["metadata"]["event_payload"]
            self.posts.append((payload["group"], payload["transition"], body.get("thread_ts")))
        return self.slack.handle(request)

    def _hook(self, request: Received) -> tuple[int, Mapping[str, str], bytes]:
        self.hooked.append((self.telling, request.json()["text"]))
        return 200, {}, b"ok"

    @rule(
        name=st.sampled_from(_NAMES),
        severity=st.sampled_from(["warning", "page"]),
        together=st.booleans(),
        due_in_s=st.sampled_from([0, 0, 30]),
    )
    def change(self, name: str, severity: Any, together: bool, due_in_s: int) -> None:
        """An alert fires or is resolved."""
        fires = not self.firing.get(name, False)
        cause = Cause("model", "one") if name in _NAMES[:2] else Cause("prompt", name)
        self.outbox.tell(
            name, "firing" if fires else "resolved", cause=cause, severity=severity, due_in_s=due_in_s
        )
        self.firing[name] = fires
        if together and fires:
            self.outbox.tell(name, cause=cause, severity=severity, kind="update")

    @rule(seconds=st.sampled_from([0.5, 2, 31, 70, 400]))
    def wait(self, seconds: float) -> None:
        self.outbox.wait(seconds)

    @rule(
        names=st.sampled_from([_CHANNELS, *((name,) for name in _CHANNELS)]),
        faults=st.lists(st.sampled_from(_FAULTS), max_size=3),
        dies_at=st.none() | st.integers(0, 25),
        passes_s=st.sampled_from([0, 2, 31]),
    )
    def send(
        self, names: tuple[str, ...], faults: list[str | None], dies_at: int | None, passes_s: int
    ) -> None:
        """One message of each channel, with what goes wrong."""
        for name in names:
            self.plan[:] = faults
            try:
                with _killed_at(self.database, dies_at):
                    self.sender._send_next(self.channels[name])
            except _Killed:
                self.channels = self._opened()
            self.plan.clear()
            self.servers[name].faults.clear()
        self.outbox.wait(passes_s)

    @invariant()
    def a_bot_posts_nothing_twice(self) -> None:
        counted = Counter((group, until) for group, until, _ in self.posts if group != LIMIT_GROUP)
        assert not [each for each, count in counted.items() if count > 1]

    @invariant()
    def a_bot_tells_each_group_in_order(self) -> None:
        last: dict[Any, int] = {}
        for group, until, _ in self.posts:
            assert until > last.get(group, 0) or group == LIMIT_GROUP
            last[group] = until

    @invariant()
    def a_channel_gets_so_many_messages_a_minute_and_no_more(self) -> None:
        for name in ("bot", "hook", "pager"):
            times = [each.created_at.timestamp() for each in self.outbox.messages(name)]
            for start in times:
                assert sum(start <= each < start + 60 for each in times) <= PER_MINUTE + 1

    @invariant()
    def a_webhook_marks_what_it_repeats(self) -> None:
        taken: set[int] = set()
        for seqs, text in self.hooked:
            assert not taken & set(seqs) or "(may be a repeat)" in text
            taken |= set(seqs)

    def teardown(self) -> None:
        """When all is well again, everybody knows how it stands."""
        for _ in range(12):
            self.outbox.wait(400)
            for channel in self.channels.values():
                while self.sender._send_next(channel):
                    pass
        self.a_bot_posts_nothing_twice()
        for name in _CHANNELS:
            assert not {"waiting", "parked"} & set(self.outbox.states(name))
        self._own_webhook_got_everything_in_order()
        self._pagerduty_knows_what_fires()
        self._slack_shows_what_fires()
        self.sender.close()
        self.database.close()

    def _own_webhook_got_everything_in_order(self) -> None:
        by_group: dict[str, list[int]] = {}
        seen = set()
        for request in self.servers["own"].requests:
            body = request.json()
            if request.headers["Coalmine-Delivery"] not in seen:
                seen.add(request.headers["Coalmine-Delivery"])
                by_group.setdefault(body["fingerprint"], []).append(body["transition"])
        assert all(seqs == sorted(seqs) for seqs in by_group.values())
        assert len(seen) == len(self.outbox.rows("own"))

    def _pagerduty_knows_what_fires(self) -> None:
        incidents: dict[str, str] = {}
        for request in self.servers["pager"].requests:
            event_ = request.json()
            incidents[event_["dedup_key"]] = event_["event_action"]
        open_incidents = [key for key, action in incidents.items() if action == "trigger"]
        pages = [key for key in open_incidents if not key.startswith("coalmine/")]
        assert len(pages) <= sum(self.firing.values())

    def _slack_shows_what_fires(self) -> None:
        for message in self.outbox.messages("bot"):
            shown = [each for each in self.slack.top if each["ts"] == message.external_id]
            assert len(shown) == 1
        open_groups = {each.group_key for each in self.outbox.messages("bot") if each.open}
        fires = {
            ("prod|model|one" if name in _NAMES[:2] else f"prod|prompt|{name}")
            for name, on in self.firing.items()
            if on
        }
        assert open_groups <= fires


def _machine(tmp_path: Path) -> type[_Machine]:
    files = iter(tmp_path / f"{number}" / "alerts.db" for number in range(10**6))

    class Machine(_Machine):
        def new_file(self) -> Path:
            return next(files)

    return Machine


@pytest.mark.parametrize("steps", [size(25, 40)])
def test_the_promises_hold_whatever_happens(tmp_path: Path, steps: int) -> None:
    run_state_machine_as_test(
        _machine(tmp_path),
        settings=settings(
            max_examples=size(8, 100),
            stateful_step_count=steps,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            phases=[Phase.explicit, Phase.generate],
            deadline=None,
        ),
    )

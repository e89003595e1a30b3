"""Transitions as events: each once, in order, readable by those who know version 1."""

import json
from datetime import timedelta
from io import BytesIO
from pathlib import Path

from fastavro import schemaless_reader

from coalmine_alerts.events import AlertOutbox
from coalmine_alerts.results.alerts import Cause
from coalmine_alerts.results.story import Story, StoryLink
from coalmine_schemas.catalogue import versions
from coalmine_schemas.codec import Decoder, Encoder, SingleObjectFraming
from coalmine_schemas.events import AlertLink, AlertTransition
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.rules import first_problem
from tests.support.data.alert_case import MINUTE, START, AlertCase, finding, name_of

HOUR = timedelta(hours=1)


def test_each_transition_is_one_event_until_it_is_delivered(tmp_path: Path) -> None:
    case = AlertCase(tmp_path)
    outbox = AlertOutbox(case.database)
    assert outbox.outbox_pending(10) == []
    case.tick(finding())
    name = name_of(finding())
    case.commands.acknowledge(name, actor="ann", reason="on it")
    case.tick(finding(False, ended=True), after=MINUTE)
    entries = outbox.outbox_pending(2)
    assert [each.id for each in entries] == [1, 2]
    outbox.outbox_delivered([1])
    assert [each.id for each in outbox.outbox_pending(10)] == [2, 3]
    outbox.outbox_delivered([2, 3])
    assert outbox.outbox_pending(10) == []


def test_an_event_says_all_there_is_to_say(tmp_path: Path) -> None:
    case = AlertCase(tmp_path)
    case.commands.silence({"rule": "*"}, ends_at=START + HOUR, reason="known", actor="ann")
    story = Story(title="Rolled back", summary="Rolled back.", links=(StoryLink("Open", "/r/ro-1"),))
    case.tick(finding(cause=Cause("rollout", "ro-1"), value=0.5, story=story))
    (entry,) = AlertOutbox(case.database).outbox_pending(10)
    assert entry.name == "alerts"
    assert entry.event == AlertTransition(
        fingerprint=name_of(finding()),
        event_time=START,
        rule="quality_drift",
        state="firing",
        severity="warning",
        summary="Rolled back.",
        labels={"environment": "prod", "prompt": "summarize", "version": "1.1.0"},
        value=0.5,
        transition=1,
        kind="state",
        from_state="ok",
        firing=1,
        fired_at=START,
        told=False,
        silenced_until=START + HOUR,
        group="prod|rollout|ro-1",
        rollout="ro-1",
        links=[AlertLink(text="Open", path="/r/ro-1")],
    )


def test_whoever_knows_version_1_reads_on(tmp_path: Path) -> None:
    case = AlertCase(tmp_path)
    case.tick(finding(), finding(labels={"prompt": "p" * 5000}))
    case.tick(finding(False, ended=True), after=MINUTE)
    old, new = versions("alerts")
    states = []
    for entry in AlertOutbox(case.database).outbox_pending(10):
        record = entry.event.to_record()
        assert first_problem("alerts", record) is None
        frame = Encoder(SingleObjectFraming()).encode("alerts", record)
        assert Decoder(SchemaResolver()).decode("alerts", frame)["transition"] == entry.id
        read = schemaless_reader(BytesIO(frame[10:]), json.loads(new.json), json.loads(old.json))
        assert isinstance(read, dict)
        states.append(read["state"])
    assert states == ["firing", "firing", "resolved"]

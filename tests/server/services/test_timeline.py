"""What happened to a prompt: registry and store in one ordered list."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from coalmine_consumers.raw import Gap
from coalmine_consumers.store import Store
from coalmine_registry.errors import NotFound
from coalmine_registry.registry import Registry
from coalmine_schemas.errors import InvalidParameter
from coalmine_server.cli.timeline import markdown
from coalmine_server.results import TimelineItem
from coalmine_server.services.timeline import TimelineQuestion, feedback_peaks, timeline
from tests.support.data.prompt_examples import content
from tests.support.data.registry_case import BOB, arms, push, serve
from tests.support.data.rollout_case import BROKEN, Rig
from tests.support.data.store_feed import PARTITION, START, Feed, feedback, request

PROMPT = "refund"
NOW = START + timedelta(days=2)


class Clock:
    """The time of the registry."""

    now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(tmp_path: Path, clock: Clock) -> Iterator[Registry]:
    with Registry.open(tmp_path / "registry.db", clock=clock) as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "store")
    yield opened
    opened.close()


def read(store: Store, registry: Registry, **asked: object) -> list[TimelineItem]:
    asked = {"prompt": PROMPT, "since": START - timedelta(days=1), **asked}
    return timeline(store.reader(), registry, TimelineQuestion(**asked), NOW).items  # type: ignore[arg-type]


def test_what_people_did_comes_in_the_order_of_time_and_says_what_is_served(
    store: Store, registry: Registry, clock: Clock
) -> None:
    serve(registry, "1.0.0", prompt=PROMPT)
    push(registry, "1.1.0", prompt=PROMPT)
    clock.now += timedelta(hours=1)
    registry.start_experiment(BOB, "prod", PROMPT, "tone", arms("1.1.0", "1.0.0"))
    clock.now += timedelta(hours=1)
    registry.rollback(BOB, "prod", PROMPT, reason="quality fell")
    items = read(store, registry)
    assert [(item.kind, item.text) for item in items] == [
        ("version", "register 1.0.0"),
        ("deployment", "promote: prod serves 1.0.0"),
        ("version", "register 1.1.0"),
        ("deployment", "start experiment: prod serves tone: 1.1.0 10%, 1.0.0 90%"),
        ("deployment", "rollback: prod serves 1.0.0"),
    ]
    last = items[-1]
    assert (last.at, last.actor, last.reason, last.revision) == (clock.now, "bob", "quality fell", 3)
    assert [item.at for item in items] == sorted(item.at for item in items)


def test_a_period_and_an_environment_are_chosen(store: Store, registry: Registry, clock: Clock) -> None:
    serve(registry, "1.0.0", prompt=PROMPT, environment="staging")
    clock.now += timedelta(hours=3)
    serve(registry, "1.1.0", prompt=PROMPT)
    assert [item.text for item in read(store, registry, environment="staging")] == [
        "register 1.0.0",
        "promote: staging serves 1.0.0",
        "register 1.1.0",
    ]
    later = read(store, registry, since=START + timedelta(hours=2))
    assert [item.environment for item in later] == [None, "prod"]
    assert len(read(store, registry, until=START + timedelta(hours=2))) == 2
    with pytest.raises(InvalidParameter, match="since must be before until"):
        read(store, registry, since=NOW, until=START)


def test_freezes_of_the_prompt_and_of_everything_are_told_with_their_end(
    store: Store, registry: Registry, clock: Clock
) -> None:
    serve(registry, "1.0.0", prompt=PROMPT)
    clock.now += timedelta(hours=1)
    serve(registry, "1.0.0", prompt="other-prompt")
    everything = registry.freeze(BOB, "holidays", until=START + timedelta(days=1))
    registry.freeze(BOB, "other", prompt="other-prompt")
    clock.now += timedelta(hours=1)
    own = registry.freeze(BOB, "incident", environment="prod", prompt=PROMPT)
    registry.unfreeze(BOB, own.id)
    found = [(item.text, item.reason) for item in read(store, registry) if item.kind == "freeze"]
    assert found == [
        (f"freeze {everything.id}: every prompt in every environment", "holidays"),
        (f"freeze {own.id}: refund in prod", "incident"),
        (f"end of freeze {own.id}", None),
        (f"end of freeze {everything.id}", None),
    ]


def test_what_a_rollout_did_is_told_once_as_its_decisions(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        rig.serve("1.0.0", treatment="1.1.0").behaviours = {"1.1.0": BROKEN}
        rollout = rig.start()
        rig.until("rolled_back", rollout.id, within=30)
        question = TimelineQuestion(prompt="support-refund", since=rig.clock.now - timedelta(days=1))
        items = timeline(
            rig.store.reader(), rig.registry, question, rig.clock.now + timedelta(minutes=1)
        ).items
    told = [item for item in items if item.kind == "rollout"]
    assert [item.rollout for item in told] == [rollout.id] * len(told)
    assert [item.revision for item in told if item.revision is not None] == [2, 3]
    assert "rolled back" in told[-1].text
    assert [item.text for item in items if item.kind == "deployment"] == ["promote: prod serves 1.0.0"]


def test_losses_and_peaks_of_feedback_are_told(store: Store, registry: Registry) -> None:
    calls = [request(number, START + timedelta(minutes=10 * number)) for number in range(120)]
    thumbs = [feedback(number, call, thumbs="down") for number, call in enumerate(calls[60:66])]
    thumbs += [feedback(99, calls[3], thumbs="down")]
    gap = Gap(PARTITION.topic, PARTITION.partition, 1_000, 1_250, START, "expired")
    store.commit(Feed().batch(calls, thumbs, gaps=[gap]))
    registry.register(BOB, PROMPT, "1.0.0", content("{{ question }}"))
    items = {item.kind: item for item in read(store, registry, until=NOW + timedelta(days=3650))}
    assert items["feedback_peak"].text == "6 thumbs down in one hour, usually 0.1"
    assert items["feedback_peak"].at == START + timedelta(hours=10)
    assert items["ingest_gap"].text == "250 positions of coalmine.mixed/0 could not be read: expired"


def test_versions_that_a_service_names_itself_have_a_timeline_and_unknown_prompts_none(
    store: Store, registry: Registry
) -> None:
    store.commit(Feed().batch([request(1)]))
    assert read(store, registry) == []
    with pytest.raises(NotFound):
        read(store, registry, prompt="refunt")


def test_an_hour_is_a_peak_if_it_is_far_above_the_others() -> None:
    def peaks(*counts: int) -> list[int]:
        hours = {START + timedelta(hours=place): count for place, count in enumerate(counts)}
        return [hours[hour] for hour, _ in feedback_peaks(hours)]

    assert peaks() == peaks(50) == []
    assert peaks(0, 0, 0, 4) == []
    assert peaks(0, 0, 0, 5) == [5]
    assert peaks(10, 11, 9, 22) == []
    assert peaks(10, 11, 9, 24) == [24]


def test_markdown_has_a_heading_for_each_day_and_escapes_what_people_wrote() -> None:
    assert markdown(PROMPT, []).endswith("Nothing happened in this period.\n")
    row = {
        "at": "2026-03-10T08:00:00Z",
        "kind": "ingest_gap",
        "environment": None,
        "text": "a\nb *c*",
        "actor": "<x>",
        "reason": None,
    }
    later = {**row, "at": "2026-03-11T09:30:00Z", "environment": "prod", "reason": "because"}
    assert markdown(PROMPT, [row, row, later]) == (
        "# Timeline of refund\n\n## 2026-03-10 (UTC)\n\n"
        "- **08:00:00** ingest gap: a b \\*c\\*, by \\<x\\>\n"
        "- **08:00:00** ingest gap: a b \\*c\\*, by \\<x\\>\n\n"
        "## 2026-03-11 (UTC)\n\n"
        "- **09:30:00** ingest gap in prod: a b \\*c\\*, by \\<x\\> (because)\n"
    )

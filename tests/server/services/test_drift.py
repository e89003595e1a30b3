"""Which versions an answer about drift is about, and the job that keeps their hours."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from coalmine_analytics.drift import Drifts
from coalmine_consumers.drift import VersionKey, read_watched
from coalmine_consumers.store import Store
from coalmine_server.errors import NotFound
from coalmine_server.services.drift import (
    DayToIgnore,
    DriftQuestion,
    day_ignored,
    drift_of,
    drift_plan,
    drifts_of,
    make_drifts,
)
from coalmine_server.settings import Settings
from coalmine_server.settings.readout import DriftSettings
from coalmine_server.workers.analysis import drift_worker
from tests.support.data.store_feed import START, Feed, Row, request
from tests.support.eventually import eventually

NOW = START + timedelta(days=6)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Two environments; in one of them a new version has taken over."""
    store = Store.open(tmp_path / "store")
    rows = [
        *calls(0, range(5), version="1.0.0"),
        *calls(1_000, range(5, 6), version="1.1.0", per_day=60),
        *calls(2_000, range(6), version="1.2.0", environment="staging"),
    ]
    store.commit(Feed().batch(rows))
    yield store
    store.close()


def calls(first: int, days: range, *, per_day: int = 30, **values: str) -> list[Row]:
    return [
        request(first + day * per_day + number, START + timedelta(days=day, minutes=10 * number), **values)
        for day in days
        for number in range(per_day)
    ]


def chosen(store: Store, **names: str) -> list[tuple[str, str, str]]:
    drifts = Drifts(store, clock=lambda: NOW)
    found = drift_of(drifts, store.reader(), DriftQuestion(prompt="refund", **names))
    return [(item.environment, item.version, item.state) for item in found.items]


def test_of_each_environment_the_version_that_serves_most_now(store: Store) -> None:
    young = "not enough data"
    assert chosen(store) == [("prod", "1.1.0", young), ("staging", "1.2.0", young)]
    assert chosen(store, environment="staging") == [("staging", "1.2.0", young)]
    assert chosen(store, version="1.0.0") == [("prod", "1.0.0", young)]


def test_every_prompt_is_judged_a_page_at_a_time(store: Store) -> None:
    other = [
        *calls(3_000, range(2), prompt="route", version="2.0.0"),
        *calls(4_000, range(2), prompt="route", version="3.0.0", per_day=10, environment="dev"),
    ]
    store.commit(Feed(offset=390).batch(other))
    drifts = Drifts(store, clock=lambda: NOW)

    def seen(limit: int, **asked: Any) -> tuple[list[tuple[str, str, str]], str | None]:
        chosen = {"environment": None, "among": None, "cursor": None, **asked}
        page = drifts_of(drifts, store.reader(), limit=limit, **chosen)
        return [(each.prompt, each.environment, each.version) for each in page.items], page.next_cursor

    every = [
        ("refund", "prod", "1.1.0"),
        ("refund", "staging", "1.2.0"),
        ("route", "dev", "3.0.0"),
        ("route", "prod", "2.0.0"),
    ]
    assert seen(4) == (every, None)
    first, cursor = seen(3)
    assert (first, seen(3, cursor=cursor)) == (every[:3], (every[3:], None))
    assert seen(4, environment="prod") == ([every[0], every[3]], None)
    assert seen(4, among=["ro*"]) == (every[2:], None)
    for prompt in ("refund", "route"):
        alone = drift_of(drifts, store.reader(), DriftQuestion(prompt=prompt)).items
        together = drifts_of(
            drifts, store.reader(), environment=None, among=[prompt], limit=9, cursor=None
        ).items
        assert tuple(together) == alone


@pytest.mark.parametrize(
    ("names", "known"),
    [
        ({"version": "3"}, "known: 1.0.0, 1.1.0, 1.2.0"),
        ({"version": "1.2.0", "environment": "prod"}, "did you mean 1.0.0? known: 1.0.0, 1.1.0"),
        ({"environment": "dev"}, "known: prod, staging"),
    ],
)
def test_names_that_are_not_there_are_answered_with_those_that_are(
    store: Store, names: dict[str, str], known: str
) -> None:
    with pytest.raises(NotFound) as raised:
        chosen(store, **names)
    assert raised.value.hint == known


def test_a_day_is_ignored_by_somebody_for_a_reason_and_counts_again(store: Store) -> None:
    drifts = Drifts(store, clock=lambda: NOW)
    outage = (START + timedelta(days=1)).date()

    def told(environment: str = "prod") -> list[tuple[bool, str, str | None]]:
        question = DriftQuestion(prompt="refund", version=None, environment=environment)
        (item,) = drift_of(drifts, store.reader(), question).items
        assert {each.day for each in item.ignored_days} <= {outage}
        return [(each.ignored, each.reason, each.acted_by) for each in item.ignored_days]

    asked = DayToIgnore(prompt="refund", environment="staging", day=outage, reason="outage")
    assert told("staging") == []
    act = day_ignored(store, asked, "ada")
    assert (act.day, act.ignored, act.acted_by) == (outage, True, "ada")
    assert told("staging") == [(True, "outage", "ada")]
    assert told("prod") == []
    day_ignored(store, replace(asked, environment=None, ignored=False, reason="it was none"), "eve")
    assert told("staging") == [(False, "it was none", "eve")]


@pytest.mark.parametrize(
    ("prompt", "environment", "known"),
    [("refnd", None, "did you mean refund? known: refund"), ("refund", "dev", "known: prod, staging")],
)
def test_a_day_of_what_is_not_there_is_not_ignored(
    store: Store, prompt: str, environment: str | None, known: str
) -> None:
    asked = DayToIgnore(prompt=prompt, environment=environment, day=START.date(), reason="outage")
    with pytest.raises(NotFound) as raised:
        day_ignored(store, asked, "ada")
    assert raised.value.hint == known


def test_special_days_of_the_settings_do_not_count_unless_somebody_says_so(
    store: Store, tmp_path: Path
) -> None:
    first, last = START.date(), (START + timedelta(days=2)).date()
    section = DriftSettings.model_validate({"special_days": [f"{first}/{last}", "2027-01-01"]})
    drifts = Drifts(store, drift_plan(Settings(home=tmp_path, drift=section)), clock=lambda: NOW)
    key = VersionKey("refund", "1.2.0", "staging")
    found = drifts.current(key)[0]
    assert [each.day for each in found.ignored_days] == [first + timedelta(days=n) for n in range(3)]
    assert {(each.ignored, each.acted_by) for each in found.ignored_days} == {(True, None)}
    assert "(3 so far)" in found.words
    asked = DayToIgnore(prompt="refund", day=last, ignored=False, reason="we worked")
    day_ignored(store, asked, "ada")
    again = drifts.current(key)[0]
    assert [each.ignored for each in again.ignored_days] == [True, True, False]
    assert "(4 so far)" in again.words


def test_the_worker_sums_up_without_being_asked_and_ends_when_told(store: Store, tmp_path: Path) -> None:
    drifts = make_drifts(store, Settings(home=tmp_path))
    worker = drift_worker(drifts, 0.01)
    worker.start()
    key = VersionKey("refund", "1.0.0", "prod")
    watched = eventually(lambda: read_watched(store.reader(), key), what="the first summing-up")
    worker.ask_to_stop()
    assert worker.wait_stopped(10)
    assert watched is not None
    assert watched.first_hour == START

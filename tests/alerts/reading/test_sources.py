"""Each source of facts, read from a real store and registry, with what rules make of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coalmine_alerts.facts import Facts, Source
from coalmine_alerts.reading.reader import SOURCES, FactReader, Sources
from coalmine_alerts.reading.registry import named_models
from coalmine_alerts.rules.feedback import FeedbackAboveUsual, FeedbackNegative
from coalmine_alerts.rules.models import ModelNotEvaluated
from coalmine_alerts.rules.money import Budget, BudgetSpent
from coalmine_alerts.rules.places import AccessChanged, FallbackServing, PromptChanged, SampleRatio
from coalmine_alerts.rules.versions import VersionRegression
from coalmine_analytics.readout import FixedPlans, Readouts
from coalmine_analytics.readout.plan import Plan
from coalmine_consumers.store import Store
from coalmine_registry.registry import Registry
from coalmine_registry.roles import Role
from tests.support.data.alert_facts import findings, one
from tests.support.data.looked_at import SetClock
from tests.support.data.prompt_examples import content
from tests.support.data.registry_case import ADMIN, ANN, BOB
from tests.support.data.store_feed import START, Feed, Row, feedback, request

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store")
    yield store
    store.close()


def read(store: Store, now: datetime, *wanted: Source, **given: Any) -> Facts:
    found = FactReader(Sources(store=store, **given), wanted or SOURCES)(now)
    assert found.failed == {}
    return found


def test_an_empty_store_says_nothing(store: Store, tmp_path: Path) -> None:
    with Registry.open(tmp_path / "registry.db") as registry:
        found = read(store, START, registry=registry, readouts=Readouts(store))
    assert found.read == SOURCES
    assert not any((found.served, found.apps, found.ratings, found.hours, found.days, found.rollouts))


def test_a_version_that_replaced_another_is_compared_with_it_once_in_an_hour(store: Store) -> None:
    random = np.random.default_rng(4)

    def calls(version: str, since: datetime, hours: int, quality: float) -> list[Row]:
        return [
            request(
                int(random.integers(0, 1 << 40)),
                since + timedelta(seconds=20 * number),
                version=version,
                unit_id=f"user-{random.integers(0, 900)}",
                metrics=[("quality", float(random.normal(quality, 0.1)))],
                latency_ms=float(random.lognormal(6, 0.3)),
            )
            for number in range(180 * hours)
        ]

    change = START + 12 * HOUR
    rows = [*calls("1.0.0", START, 12, 0.8), *calls("1.1.0", change, 8, 0.7)]
    store.commit(Feed().batch(rows))
    now = change + 8 * HOUR
    reader = FactReader(Sources(store=store), ("traffic", "rollouts", "comparisons"))
    told = one(each for each in VersionRegression()(reader(now)) if not each.ended)
    assert told.labels == {"environment": "prod", "prompt": "refund", "version": "1.1.0"}
    assert told.condition is True
    assert "quality -1" in told.story.summary
    assert "not an experiment" in told.story.summary
    assert dict(told.story.details)["Why"].startswith("of -1")
    first = reader(now).pairs[0]
    assert reader(now + 30 * MINUTE).pairs[0] is first
    # Before it took over, and the other way round, there is nothing to compare.
    assert read(store, change, "traffic", "comparisons").pairs == []


@pytest.mark.parametrize(("explains", "compared"), [(True, 1), (False, 3)])
def test_of_the_past_all_new_versions_are_compared_at_once(
    store: Store, explains: bool, compared: int
) -> None:
    rows = [
        request(
            1_000 * prompt + number,
            START + timedelta(minutes=4 * number),
            prompt=f"prompt-{prompt}",
            version="1.0.0" if number < 120 else "1.1.0",
            unit_id=f"user-{number}",
        )
        for prompt in range(3)
        for number in range(240)
    ]
    store.commit(Feed().batch(rows))
    reader = FactReader(Sources(store=store), ("traffic", "rollouts", "comparisons"), explains=explains)
    assert len(reader(START + 16 * HOUR).pairs) == compared


def test_bad_ratings_come_with_their_request_and_what_is_usual(store: Store) -> None:
    rows, reactions = [], []
    for day in range(4):
        for number in range(60):
            call = request(day * 100 + number, START + day * DAY + number * MINUTE)
            rows.append(call | {"input_text": "money back?"} if number == 59 else call)
            if number % 30 == 0:
                reactions.append(feedback(day * 100 + number, call, thumbs="down"))
    last = rows[-1]
    now = last["event_time"] + MINUTE
    reactions.append(feedback(9_001, last, now - MINUTE / 2, thumbs="down", comment="no"))
    reactions.append(feedback(9_002, rows[-2], now - MINUTE / 3, thumbs="up"))
    store.commit(Feed().batch(rows, reactions))
    found = read(store, now, "feedback")
    (ratings,) = found.ratings
    assert [each.hours for each in ratings.stretches] == [1, 4, 24]
    for stretch in ratings.stretches:
        assert (stretch.down, stretch.rated, stretch.requests) == (3, 4, 60)
        assert stretch.usual == ((2, 2, 60),) * 3
    told = one(FeedbackNegative()(found))
    assert told.story.excerpts[0].question == "money back?"
    assert told.story.excerpts[0].comment == "no"
    assert one(FeedbackAboveUsual()(found)).condition is False
    # An hour later there is nothing to say, and nothing is said to be well.
    silent = read(store, now + 2 * HOUR, "feedback")
    assert findings(FeedbackNegative()(silent)) == []
    assert all(each.condition is None for each in findings(FeedbackAboveUsual()(silent)))


@pytest.mark.parametrize(("days", "usual"), [(9, (1,) * 6 + (5, 5)), (10, (1,) * 7)])
def test_what_changed_a_day_or_two_ago_is_not_usual_once_a_week_before_is_known(
    store: Store, days: int, usual: tuple[int, ...]
) -> None:
    rows, reactions = [], []
    for day in range(days):
        calls = [request(day * 100 + number, START + day * DAY + number * MINUTE) for number in range(10)]
        rows += calls
        bad = calls[: 5 if day >= days - 3 else 1]
        reactions += [feedback(day * 100 + number, call, thumbs="down") for number, call in enumerate(bad)]
    store.commit(Feed().batch(rows, reactions))
    (ratings,) = read(store, START + (days - 1) * DAY + 30 * MINUTE, "feedback").ratings
    for stretch in ratings.stretches:
        assert stretch.down == 5
        assert tuple(sorted(down for down, _, _ in stretch.usual)) == usual


def test_a_day_of_which_no_cost_is_known_is_not_free(store: Store) -> None:
    rows = [request(number, START + number * HOUR, cost_nano_usd=None) for number in range(3)]
    store.commit(Feed().batch(rows))
    (day,) = read(store, START + DAY, "budgets", "spend").days
    assert (day.usd, day.unpriced) == (None, 3)


def test_money_is_added_up_by_day_and_today_as_far_as_it_came(store: Store) -> None:
    rows = [
        request(day * 10 + number, START + day * DAY + number * HOUR, cost_nano_usd=1_000_000_000)
        for day in range(3)
        for number in range(4)
    ]
    store.commit(Feed().batch(rows))
    now = START + 2 * DAY + 2 * HOUR - MINUTE
    found = read(store, now, "budgets", "spend")
    assert [(each.day.day, each.usd, each.unpriced) for each in found.days] == [
        (10, 4.0, 0),
        (11, 4.0, 0),
        (12, 2.0, 0),
    ]
    told = findings(BudgetSpent(budgets=(Budget(name="all", usd=20.0),))(found))[0]
    assert (told.value, told.condition) == (0.5, True)
    (hour,) = found.hours
    assert (hour.usd, hour.usual_usd, hour.prompts) == (1.0, (1.0, 1.0), (("refund", 1.0),))


def test_an_app_that_serves_from_its_disk_is_seen(store: Store) -> None:
    rows = [
        request(
            number, START + number * MINUTE / 2, app="billing", resolution="disk" if number % 4 else "live"
        )
        for number in range(20)
    ]
    store.commit(Feed().batch(rows))
    told = one(FallbackServing()(read(store, START + 10 * MINUTE, "apps")))
    assert (told.condition, told.labels["app"], told.value) == (True, "billing", 0.75)
    assert findings(FallbackServing()(read(store, START + HOUR, "apps"))) == []


@pytest.fixture
def clock() -> SetClock:
    return SetClock(START)


@pytest.fixture
def registry(tmp_path: Path, clock: SetClock) -> Iterator[Registry]:
    with Registry.open(tmp_path / "registry.db", clock=clock) as opened:
        yield opened


def test_changes_by_people_come_with_what_they_change(
    store: Store, registry: Registry, clock: SetClock
) -> None:
    for version, text in (("1.0.0", "Be short. {{ question }}"), ("1.1.0", "Be long. {{ question }}")):
        registry.register(ANN, "refund", version, content(text))
        registry.promote(BOB, "refund", version, "prod", reason=f"try {version}")
        clock.move(minutes=5)
    now = clock.now
    told = one(PromptChanged()(read(store, now, "rollouts", "changes", registry=registry)))
    assert told.story.title == "Promote: refund 1.0.0 → 1.1.0 · prod"
    assert told.story.diff is not None
    assert "-Be short. {{ question }}" in told.story.diff
    assert "+Be long. {{ question }}" in told.story.diff
    assert "try 1.1.0" in told.story.summary
    # As it was: only the first had happened.
    before = read(store, START, "rollouts", "changes", registry=registry)
    assert [each.after for each in before.changes] == ["1.0.0"]


def test_models_that_no_passed_run_names_are_found(store: Store, registry: Registry, clock: SetClock) -> None:
    registry.register(ANN, "refund", "1.0.0", content("{{ question }}"))
    summaries = {"98 of 100 on gpt-4o-2026-08-06": True, "40 of 100 on gpt-4o-2026-11-18": False}
    for summary, passed in summaries.items():
        registry.record_evidence(ANN, "eval_run", "refund", "1.0.0", passed=passed, summary=summary)
    rows = [
        request(number, START + number * MINUTE, response_model=model)
        for number in range(40)
        for model in (("gpt-4o-2026-08-06",) if number < 20 else ("gpt-4o-2026-11-18",))
    ]
    store.commit(Feed().batch(rows))
    clock.move(minutes=40)
    found = read(store, clock.now, "traffic", "models", "evaluations", registry=registry)
    said = {each.labels["model"]: each.condition for each in findings(ModelNotEvaluated()(found))}
    assert said == {"gpt-4o-2026-08-06": False, "gpt-4o-2026-11-18": True}
    # In a silent hour nothing is said.
    silent = read(store, clock.now + 3 * HOUR, "traffic", "models", "evaluations", registry=registry)
    assert findings(ModelNotEvaluated()(silent)) == []


def test_changes_of_access_are_told_without_any_secret(store: Store, registry: Registry) -> None:
    made = registry.tokens.create(ADMIN, "eve", Role.AUTHOR)
    registry.tokens.revoke(ADMIN, made.id)
    registry.set_policy(ADMIN, "prod", ["eval_run"])
    told = findings(AccessChanged()(read(store, START, "access", registry=registry)))
    assert [each.story.title for each in told] == [
        "Create token · subject eve, role author",
        "Revoke token · subject eve, role author",
        "Set policy · required_evidence ['eval_run'], revision 1 · prod",
    ]
    said = repr(told)
    assert made.token not in said
    assert len({each.notice for each in told}) == 3


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("98 of 100 on gpt-4o.", {"gpt-4o"}),
        ("on gpt-4o-mini", set()),
        ("models: gpt-4o,claude", {"gpt-4o", "claude"}),
        ("on openai/gpt-4o", set()),
        ("on gpt-4o: passed", {"gpt-4o"}),
    ],
)
def test_a_model_is_named_by_a_whole_word(text: str, named: set[str]) -> None:
    assert named_models([text], ["gpt-4o", "claude"]) == named


def test_uneven_arms_are_read_from_the_last_look(store: Store) -> None:
    rows = [
        request(
            number,
            START + number * MINUTE / 60,
            unit_id=f"user-{number}",
            experiment="tone",
            variant="treatment" if number % 5 == 0 else "control",
            allocation_epoch=1,
            version="1.1.0" if number % 5 == 0 else "1.0.0",
        )
        for number in range(2_000)
    ]
    store.commit(Feed().batch(rows))
    plan = Plan(weights={"treatment": 0.5, "control": 0.5})
    now = START + 40 * MINUTE
    readouts = Readouts(store, FixedPlans(plan), clock=lambda: now)
    assert findings(SampleRatio()(read(store, now, "experiments", readouts=readouts))) == []  # no look yet
    readouts.current("tone")
    told = one(SampleRatio()(read(store, now, "experiments", readouts=readouts)))
    assert told.condition is True
    assert told.labels == {"environment": "prod", "prompt": "refund", "experiment": "tone"}


def test_what_is_not_new_is_not_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [request(number, START + number * MINUTE) for number in range(30)]
    store.commit(Feed().batch(rows))
    reader = FactReader(Sources(store=store))
    now = START + 30 * MINUTE
    reader(now)
    asked: list[str] = []
    original = type(store.reader()).table

    def counted(self: Any, sql: str, parameters: Any = None) -> Any:
        asked.append(sql)
        return original(self, sql, parameters)

    monkeypatch.setattr(type(store.reader()), "table", counted)
    reader(now + timedelta(seconds=10))
    # How ingest stands is about now; everything else is as it was.
    assert len(asked) <= 3, asked
    assert datetime.now(UTC) > now

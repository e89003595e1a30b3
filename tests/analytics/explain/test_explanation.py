"""Whole explanations of changes whose cause is known, through the store that ingests real events."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from coalmine_analytics.explain import explain
from coalmine_analytics.metrics import metrics_in
from coalmine_analytics.results.explain import Explanation, MovedValue
from coalmine_consumers.explain import Evidence, Question, Side, evidence
from coalmine_consumers.store import Store
from coalmine_schemas.errors import InvalidParameter
from tests.support.data.store_feed import START, Feed, Row, request, score

NOON = START + timedelta(hours=4)
NIGHT = START + timedelta(hours=8)
TIMES = Question(prompt="refund", cells="quality", a=Side(None, START, NOON), b=Side(None, NOON, NIGHT))
VERSIONS = replace(TIMES, a=Side("1.0.0"), b=Side("1.1.0"))


@dataclass(frozen=True, slots=True)
class Service:
    """How a simulated service is at one time; users have a level of quality of their own."""

    paid: float = 0.3
    large: float = 0.5
    new: float = 0.0
    """Share of version 1.1.0."""
    worse_for_paid: float = 0.0
    worse_when_new: float = 0.0
    requests: int = 1_600
    users: int = 500


EXPLANATION = TypeAdapter(Explanation)


def calls(service: Service, at: datetime, seed: int, *, first_user: int = 0) -> tuple[list[Row], list[Row]]:
    """Requests and their scores. Paid ones are 0.2 better, large models 0.1 better."""
    random = np.random.default_rng(seed)
    level = np.random.default_rng(99).normal(0.0, 0.05, service.users)
    rows, scores = [], []
    for number in range(service.requests):
        user = int(random.integers(service.users))
        paid, large, new = (
            bool(random.random() < share) for share in (service.paid, service.large, service.new)
        )
        value = 0.5 + 0.2 * paid + 0.1 * large + level[user] + random.normal(0, 0.05)
        value -= service.worse_for_paid * paid + service.worse_when_new * new
        rows.append(
            request(
                seed * 1_000_000 + number,
                at + timedelta(seconds=5 * number),
                version="1.1.0" if new else "1.0.0",
                request_model="large" if large else "small",
                unit_id=f"user-{first_user + user}",
                input_tokens=int(random.lognormal(6, 1)) + 1,
                output_tokens=int(random.lognormal(5, 1)) + 1,
                segments=[
                    {"key": "tier", "value": "paid" if paid else "free"},
                    {"key": "language", "value": ("en", "de", "fr")[int(random.integers(3))]},
                ],
            )
        )
        scores.append(score(number, rows[-1], float(np.clip(value, 0, 1))))
    return rows, scores


@pytest.fixture
def explained(tmp_path: Path) -> Iterator[Callable[..., Explanation]]:
    """Ingests what happened before and after, and explains the change."""
    store = Store.open(tmp_path / "store")

    def explain_change(
        before: Service, after: Service, question: Question = TIMES, *, first_user: int = 0
    ) -> Explanation:
        feed = Feed()
        for service, at, seed in ((before, START, 1), (after, NOON, 2)):
            requests, scores = calls(service, at, seed, first_user=first_user * (seed - 1))
            store.commit(feed.batch(requests, (), scores))
        return explanation(store, question)

    yield explain_change
    store.close()


def explanation(store: Store, question: Question) -> Explanation:
    with store.cursor() as cursor:
        found = evidence(cursor, question)
    assert isinstance(found, Evidence)
    (metric,) = (each for each in metrics_in([question.cells], {}) if each.cells == question.cells)
    return explain(found, metric)


def parts(found: Explanation) -> dict[str, float]:
    return {part.part: part.contribution for part in (*found.parts, *found.parts_of_prompt)}


def clear(found: Explanation) -> set[str]:
    return {part.part for part in (*found.parts, *found.parts_of_prompt) if part.clear}


def moved(found: Explanation) -> dict[str, MovedValue]:
    return {f"{each.dimension}={each.value}": each for each in found.moved}


def check_sums(found: Explanation) -> None:
    by_part = parts(found)
    three = [by_part[name] for name in ("prompt", "model mix", "traffic mix")]
    assert sum(three) == pytest.approx(found.change, rel=1e-12, abs=1e-13)
    for part in {each.part for each in found.contributions}:
        for dimension in {each.dimension for each in found.contributions if each.part == part}:
            mine = [
                each.contribution
                for each in found.contributions
                if (each.part, each.dimension) == (part, dimension)
            ]
            assert sum(mine) == pytest.approx(by_part[part], rel=1e-9, abs=1e-12)


def test_other_traffic_alone_is_named_as_the_cause(explained: Callable[..., Explanation]) -> None:
    found = explained(Service(), Service(paid=0.8))
    check_sums(found)
    by_part = parts(found)
    assert found.change == pytest.approx(0.1, abs=0.02)
    assert by_part["traffic mix"] == pytest.approx(0.1, abs=0.015)
    assert abs(by_part["prompt"]) < 0.01
    assert abs(by_part["model mix"]) < 0.005
    assert clear(found) == {"traffic mix"}
    assert found.traffic[0] == "tier"
    assert found.headline.startswith("quality rose by 0.")
    assert "within versions" in found.headline
    assert EXPLANATION.validate_json(EXPLANATION.dump_json(found)) == found
    assert {each.verdict for each in found.moved if each.dimension in {"tier", "model"}} >= {
        "no difference shown"
    }
    assert moved(found)["tier=paid"].verdict == moved(found)["tier=free"].verdict == "no difference shown"
    largest = max(found.contributions, key=lambda each: abs(each.contribution))
    assert (largest.part, largest.dimension) == ("traffic mix", "segments")
    assert largest.a_share is not None
    assert largest.b_share is not None
    assert (largest.b_share > largest.a_share) == ("tier=paid" in largest.value)


def test_other_models_alone_are_named_as_the_cause(explained: Callable[..., Explanation]) -> None:
    found = explained(Service(), Service(large=0.0))
    check_sums(found)
    by_part = parts(found)
    assert by_part["model mix"] == pytest.approx(-0.05, abs=0.01)
    assert abs(by_part["prompt"]) < 0.01
    assert abs(by_part["traffic mix"]) < 0.01
    assert clear(found) == {"model mix"}
    assert any("only before has large" in warning and "model mix" in warning for warning in found.warnings)
    assert found.coverage == pytest.approx(0.75, abs=0.03)
    assert any("25% of the requests have no counterpart" in warning for warning in found.warnings)
    assert moved(found)["model=small"].verdict == "no difference shown"
    assert moved(found)["model=large"].verdict == "not enough data"


def test_one_segment_that_got_worse_is_named_as_the_cause(explained: Callable[..., Explanation]) -> None:
    found = explained(Service(), Service(worse_for_paid=0.1))
    check_sums(found)
    by_part = parts(found)
    assert by_part["within versions"] == by_part["prompt"] == pytest.approx(-0.03, abs=0.01)
    assert abs(by_part["traffic mix"]) < 0.01
    assert abs(by_part["model mix"]) < 0.005
    assert clear(found) == {"prompt", "within versions"}
    assert moved(found)["tier=paid"].verdict == "moved"
    assert moved(found)["tier=paid"].effect == pytest.approx(-0.1, abs=0.02)
    assert moved(found)["tier=paid"] == found.moved[0]
    assert moved(found)["tier=free"].verdict == "no difference shown"
    within = [
        each for each in found.contributions if each.dimension == "segments" and each.part != "traffic mix"
    ]
    by_tier = {
        tier: sum(each.contribution for each in within if f"tier={tier}" in each.value)
        for tier in ("paid", "free")
    }
    assert by_tier["paid"] == pytest.approx(-0.03, abs=0.008)
    assert abs(by_tier["free"]) < 0.01
    (served,) = (part for part in found.parts_of_prompt if part.part == "versions served")
    assert (served.contribution, served.words) == (0.0, "only 1.0.0 was served")


def test_a_worse_version_that_was_served_is_told_from_versions_that_got_worse(
    explained: Callable[..., Explanation],
) -> None:
    found = explained(Service(new=0.1, worse_when_new=0.1), Service(new=0.7, worse_when_new=0.1))
    check_sums(found)
    by_part = parts(found)
    assert by_part["versions served"] == pytest.approx(-0.06, abs=0.01)
    assert abs(by_part["within versions"]) < 0.01
    assert by_part["prompt"] == pytest.approx(
        by_part["versions served"] + by_part["within versions"], abs=1e-14
    )
    assert clear(found) == {"prompt", "versions served"}
    assert moved(found)["version=1.1.0"].verdict == "no difference shown"


def test_two_versions_with_other_traffic_each_are_told_apart(explained: Callable[..., Explanation]) -> None:
    new = Service(paid=0.7, new=1.0, worse_when_new=0.1)
    found = explained(Service(), new, VERSIONS, first_user=1_000)
    check_sums(found)
    by_part = parts(found)
    assert set(by_part) == {"prompt", "model mix", "traffic mix"}
    assert by_part["prompt"] == pytest.approx(-0.1, abs=0.02)
    assert by_part["traffic mix"] == pytest.approx(0.08, abs=0.015)
    assert clear(found) == {"prompt", "traffic mix"}
    assert (found.a.name, found.b.name) == ("1.0.0", "1.1.0")
    assert found.headline.startswith("no difference shown in quality, from 0.6")
    assert "because its parts cancel: prompt -0.0" in found.headline
    assert any("never ran in the same hour" in warning for warning in found.warnings)
    version = next(each for each in found.regression.features if each.feature == "version=1.1.0")
    assert version.clear
    assert version.lower < -0.1 < version.upper


def ramped(store: Store, *, experiment: str | None = None, new_model: bool = False) -> Explanation:
    """Equal versions over 12 hours: 1.1.0 grows from 5 to 50 % while quality rises by 0.2 for both."""
    random = np.random.default_rng(5)
    rows, scores = [], []
    for number in range(12_000):
        hour = number // 1_000
        new = random.random() < 0.05 + 0.45 * hour / 11
        arm = {"experiment": experiment, "variant": "treatment" if new else "control"} if experiment else {}
        row = request(
            number,
            START + timedelta(hours=hour, seconds=3 * (number % 1_000)),
            version="1.1.0" if new else "1.0.0",
            request_model="large" if new and new_model else "small",
            unit_id=f"user-{number}",
            **arm,
        )
        rows.append(row)
        scores.append(score(number, row, 0.6 + 0.2 * hour / 11 + random.normal(0, 0.05)))
    store.commit(Feed().batch(rows, (), scores))
    return explanation(store, VERSIONS)


@pytest.mark.parametrize("experiment", [None, "tone"])
def test_a_ramp_while_the_level_rises_is_no_effect_of_the_prompt(
    tmp_path: Path, experiment: str | None
) -> None:
    with closing(Store.open(tmp_path / "store")) as store:
        found = ramped(store, experiment=experiment)
    check_sums(found)
    assert found.change > 0.02  # what it looks like, were time not told apart
    assert "prompt" not in clear(found)
    assert abs(parts(found)["prompt"]) < 0.004
    assert found.traffic[0] == "time"
    assert any("tone" in warning for warning in found.warnings) == (experiment is not None)


def test_a_version_that_always_comes_with_a_new_model_makes_one_part_with_it(tmp_path: Path) -> None:
    with closing(Store.open(tmp_path / "store")) as store:
        found = ramped(store, new_model=True)
    assert set(parts(found)) == {"version and model", "traffic mix"}
    assert sum(parts(found).values()) == pytest.approx(found.change, rel=1e-12)
    assert "version and model" in found.headline


def test_where_nothing_changed_nothing_is_clear(explained: Callable[..., Explanation]) -> None:
    found = explained(Service(), Service())
    check_sums(found)
    assert clear(found) == set()
    assert not found.clear
    assert found.headline.startswith("no difference shown in quality")
    assert {each.verdict for each in found.moved} == {"no difference shown"}
    (tier,) = (each for each in found.regression.features if each.feature == "tier=paid")
    assert tier.words.startswith("requests with tier=paid have quality higher by 0.")


def test_few_users_are_no_evidence_however_many_requests(explained: Callable[..., Explanation]) -> None:
    found = explained(Service(users=10), Service(users=10, worse_for_paid=0.3))
    check_sums(found)
    assert (found.lower, found.upper, found.clear) == (None, None, False)
    assert all(part.lower is None and not part.clear for part in found.parts)
    assert found.headline.startswith(
        "too little data to tell a change of quality from chance (each side needs 30"
    )
    assert {each.verdict for each in found.moved} == {"not enough data"}
    assert "30 units" in found.regression.words[0]


def test_segments_too_fine_for_the_data_do_not_hide_what_the_version_did(tmp_path: Path) -> None:
    """Twelve by twelve values of nothing: many cells would be on one side only, and count as mix."""
    store = Store.open(tmp_path / "store")
    random = np.random.default_rng(6)
    feed = Feed()
    for version, quality in (("1.0.0", 0.8), ("1.1.0", 0.7)):
        rows, scores = [], []
        for number in range(300):
            where = [
                {"key": key, "value": str(int(random.integers(12)))} for key in ("city", "page", "campaign")
            ]
            paid = random.random() < 0.5
            tier = {"key": "tier", "value": "paid" if paid else "free"}
            rows.append(
                request(
                    feed.offset + number,
                    version=version,
                    unit_id=f"user-{feed.offset + number}",
                    segments=[*where, tier],
                )
            )
            value = quality + 0.2 * paid - 0.1 + random.normal(0, 0.05)
            scores.append(score(feed.offset + number, rows[-1], float(np.clip(value, 0, 1))))
        store.commit(feed.batch(rows, (), scores))
    found = explanation(store, VERSIONS)
    store.close()
    assert found.coverage > 0.98
    assert parts(found)["prompt"] == pytest.approx(-0.1, abs=0.015)
    assert parts(found)["traffic mix"] == pytest.approx(0.0, abs=0.02)
    assert any("too few requests" in words for words in found.not_told_apart)


def test_any_metric_can_be_explained_in_its_own_unit(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    for version, cost, seed in (("1.0.0", 1_000_000, 1), ("1.1.0", 3_000_000, 2)):
        rows = [
            request(
                seed * 1_000 + number,
                version=version,
                unit_id=f"user-{seed}-{number}",
                cost_nano_usd=cost + number,
            )
            for number in range(300)
        ]
        store.commit(Feed(offset=300 * (seed - 1)).batch(rows))
    found = explanation(store, replace(VERSIONS, cells="cost_nano_usd.capped"))
    store.close()
    assert (found.metric, found.unit) == ("cost_per_request", "USD")
    assert found.change == pytest.approx(0.002, rel=1e-6)
    assert found.headline.startswith("cost_per_request is higher in 1.1.0 than in 1.0.0 by 0.0")


def test_alpha_has_to_be_a_chance(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    requests, scores = calls(Service(requests=50, new=0.5), START, 1)
    store.commit(Feed().batch(requests, (), scores))
    with store.cursor() as cursor:
        found = evidence(cursor, VERSIONS)
    store.close()
    assert isinstance(found, Evidence)
    (quality,) = (each for each in metrics_in(["quality"], {}) if each.cells == "quality")
    with pytest.raises(InvalidParameter, match="alpha"):
        explain(found, quality, alpha=1.0)

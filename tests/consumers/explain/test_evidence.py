"""What raw requests say about a change: the same sums as everywhere, and nothing left out in silence."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from coalmine_consumers.experiments import VersionPair, version_sums
from coalmine_consumers.explain import Evidence, NoEvidence, Question, Side, evidence, known_cells
from coalmine_consumers.explain.dimensions import MOST_MIXES, Dimension, Size, Value
from coalmine_consumers.explain.selection import MixCount, choose
from coalmine_consumers.store import Store, StoreSettings, live_segments
from coalmine_schemas.errors import InvalidParameter
from tests.support.data.store_feed import START, Feed, Row, many_requests, reactions_to, request, score

VERSIONS = Question(prompt="refund", cells="errors", a=Side("1.0.0"), b=Side("1.1.0"))
MANY = Size(10_000, 10_000, 100_000)
NOON = START + timedelta(hours=2)
TIMES = replace(VERSIONS, a=Side(None, START, NOON), b=Side(None, NOON, START + timedelta(hours=9)))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with every measure filled."""
    store = Store.open(tmp_path_factory.mktemp("explained") / "store")
    requests = many_requests(6_000, seed=1)
    feedback, scores = reactions_to(requests, seed=2, share=0.5)
    store.commit(Feed().batch(requests, feedback, scores))
    yield store
    store.close()


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store")
    yield store
    store.close()


def read(store: Store, question: Question, most_sampled: int = 100_000) -> Evidence:
    with store.cursor() as cursor:
        found = evidence(cursor, question, most_sampled=most_sampled)
    assert isinstance(found, Evidence)
    return found


def test_every_metric_is_what_experiment_cells_make_of_it(store: Store) -> None:
    with store.cursor() as cursor:
        sums = version_sums(cursor, VersionPair("refund", "1.0.0", "1.1.0"), ())
    assert sums is not None
    names = [name for name in sums.metrics if name != "requests"]
    assert {"quality", "grounding", "thumbs_up", "rating", "cost_nano_usd.capped", "refusals"} <= set(names)
    assert set(names) <= set(known_cells(store.reader(), "refund"))
    # Caps differ, and what counts cached requests alone is a part of a comparison and no metric.
    for name in [each for each in names if not each.endswith(".capped") and ".cached." not in each]:
        found = read(store, replace(VERSIONS, cells=name)).cells
        at = sums.metrics.index(name)
        for theirs, ours in ((sums.x[at], found.x), (sums.y[at], found.y)):
            by_group = np.zeros((2, 256))
            np.add.at(by_group, (found.side, found.group), ours)
            np.testing.assert_allclose(by_group, theirs.sum(axis=0), rtol=1e-9, err_msg=name)


def test_caps_are_of_both_sides_and_thresholds_of_the_first(own_store: Store) -> None:
    for version, cost, first in (("1.0.0", 100, 0), ("1.1.0", 300, 1_000)):
        rows = [
            request(first + number, version=version, cost_nano_usd=cost, latency_ms=float(cost))
            for number in range(999)
        ]
        rows.append(request(first + 999, version=version, cost_nano_usd=10**9, latency_ms=1e9))
        own_store.commit(Feed(offset=first).batch(rows))
    capped = read(own_store, replace(VERSIONS, cells="cost_nano_usd.capped")).cells
    assert [capped.y[capped.side == side].sum() for side in range(2)] == [1_000 * 100 + 200, 1_000 * 300]
    beyond = read(own_store, replace(VERSIONS, cells="latency_ms.over_p95")).cells
    assert [beyond.y[beyond.side == side].sum() for side in range(2)] == [1, 1_000]


def test_every_grouping_has_the_same_total(store: Store) -> None:
    found = read(store, replace(TIMES, cells="latency_ms"))
    assert found.cells.versions == ("1.0.0", "1.1.0")
    total = found.cells.x.sum()
    assert found.spans[0].requests + found.spans[1].requests == total == found.sample.of_requests
    for name in ("tier", "model", "version"):
        mine = [at for at, dimension in enumerate(found.values.dimension) if dimension == name]
        assert found.values.x[mine].sum() == total
        assert found.values.requests[mine].sum() == total
        assert found.values.y[mine].sum() == pytest.approx(found.cells.y.sum(), rel=1e-12)


def test_a_sample_is_the_same_every_time_and_says_what_it_is_of(store: Store) -> None:
    whole, part, again = (read(store, VERSIONS, most).sample for most in (100_000, 500, 500))
    assert whole.is_all
    assert whole.rows.num_rows == whole.of_requests
    assert not part.is_all
    assert 400 < part.rows.num_rows < 600
    assert part.rows.equals(again.rows)
    assert part.segments == ("tier",)
    assert set(part.rows["segment_0"].to_pylist()) == {"free", "enterprise"}


def test_many_may_ask_at_once(store: Store) -> None:
    questions = [replace(VERSIONS, cells=name) for name in ("quality", "errors", "rating", "latency_ms")]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda question: read(store, question).cells, questions))
    for question, found in zip(questions, together, strict=True):
        alone = read(store, question).cells
        np.testing.assert_array_equal(found.x, alone.x)
        np.testing.assert_allclose(found.y, alone.y, rtol=1e-12)


def test_requests_without_a_segment_are_a_value_of_their_own(own_store: Store) -> None:
    rows = [
        request(
            number,
            version=("1.0.0", "1.1.0")[number % 2],
            segments=[{"key": "tier", "value": "paid"}] if number % 3 else [],
        )
        for number in range(60)
    ]
    own_store.commit(Feed().batch(rows))
    values = read(own_store, VERSIONS).values
    named = dict(zip(values.value, values.requests.sum(axis=1).tolist(), strict=True))
    assert named == {"paid": 40, "": 20}


def test_neither_files_of_other_times_nor_what_is_said_of_other_requests_is_needed(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store", StoreSettings(segment_min_rows=10, segment_min_day_rows=1))
    feed = Feed()
    hours = [[request(50 * hour + n, START + timedelta(hours=hour)) for n in range(20)] for hour in range(4)]
    for at, rows in enumerate(hours):
        said = [score(1_000 + 50 * at + n, row, n / 20) for n, row in enumerate(rows)]
        store.commit(feed.batch(rows, [], said))
    asked = replace(
        TIMES,
        cells="quality",
        a=Side(None, START + timedelta(hours=1), START + timedelta(hours=2)),
        b=Side(None, START + timedelta(hours=2), START + timedelta(hours=3)),
    )
    before = read(store, asked)
    with store.cursor() as cursor:
        files = live_segments(cursor)
    others = [each for each in files if each.event == "requests"]
    for each in (others[0], others[-1]):
        (store.directory / each.path).unlink()
    found = read(store, asked)
    assert [each.requests for each in found.spans] == [20, 20]
    np.testing.assert_array_equal(found.cells.x, before.cells.x)
    np.testing.assert_allclose(found.cells.y, before.cells.y, rtol=1e-12)
    assert found.cells.y.sum() == pytest.approx(2 * sum(n / 20 for n in range(20)))
    store.close()


def test_what_tells_users_apart_is_left_out_by_name(own_store: Store) -> None:
    def segments(number: int) -> list[Row]:
        return [
            {"key": "user", "value": f"user-{number}"},
            {"key": "city", "value": f"city-{number % 500}"},
            {"key": "page", "value": "home" if number % 2 else f"page-{number % 60}"},
            {"key": "site", "value": "shop"},
        ]

    rows = [
        request(number, version=("1.0.0", "1.1.0")[number % 2], segments=segments(number))
        for number in range(3_000)
    ]
    own_store.commit(Feed().batch(rows))
    found = read(own_store, VERSIONS)
    words = "\n".join(found.left_out)
    assert "user: about" in words
    assert "city: 500 different values, none with many requests" in words
    assert "page: 11 of its 31 values, with" in words
    assert "site: 'shop' in every request" in words
    assert set(found.values.dimension) == {"page"}
    assert found.cells.traffic == ("page",)
    assert ("(other)",) in found.cells.mixes


def independent(dimensions: Sequence[Dimension]) -> MixCount:
    """Mixes of dimensions that have nothing to do with each other, and two models."""
    effective = 1.0
    for each in dimensions:
        total = sum(value.requests for value in each.values)
        effective /= sum((value.requests / total) ** 2 for value in each.values)
    return MixCount(math.prod(each.different for each in dimensions), effective, 2 * effective)


def test_traffic_is_told_apart_by_what_moved_most_whatever_the_metric_did() -> None:
    def dimension(name: str, a: float, different: int = 2) -> Dimension:
        rest = [Value(f"v{at}", 10, 10.0, 10.0) for at in range(different - 2)]
        return Dimension(name, True, (Value("x", 100, a, 50.0), Value("y", 100, 100.0 - a, 50.0), *rest))

    kinds = [dimension(name, a) for name, a in (("still", 50), ("some", 60), ("much", 90), ("more", 70))]
    choice = choose(kinds, None, [], MANY, independent)
    assert [each.name for each in choice.traffic] == ["much", "more", "some"]
    assert choice.traffic_words == ("still: its mix moved less (0.0% of the requests)",)
    many = [dimension(f"wide{at}", 90 - at, 12) for at in range(3)]
    assert [each.name for each in choose(many, None, [], MANY, independent).traffic] == ["wide0", "wide1"]
    assert [each.name for each in choose(kinds, ["still"], [], MANY, independent).traffic] == ["still"]
    with pytest.raises(InvalidParameter, match="'size': these requests have more, much, some, still"):
        choose(kinds, ["size"], [], MANY, independent)


def test_traffic_is_told_apart_no_finer_than_the_data_allow() -> None:
    wide = Dimension("wide", True, tuple(Value(f"v{at}", 100, 40.0 + 3 * at, 60.0) for at in range(12)))
    narrow = Dimension("narrow", True, (Value("x", 600, 270.0, 330.0), Value("y", 600, 300.0, 300.0)))
    assert wide.moved > narrow.moved
    few, some, much = (Size(units, units, units) for units in (30, 150, 10_000))
    assert wide.clearly_moved(few) < narrow.clearly_moved(few)
    assert wide.clearly_moved(much) > narrow.clearly_moved(much)
    assert choose([wide, narrow], None, [], few, independent).traffic == ()
    choice = choose([wide, narrow], None, [], some, independent)
    assert choice.traffic == (narrow,)
    assert choice.traffic_words == ("wide: too few requests for about 48 cells",)
    assert choose([wide, narrow], None, [], much, independent).traffic == (wide, narrow)


def test_of_segments_that_tell_the_same_apart_one_is_enough(own_store: Store) -> None:
    def segments(number: int) -> list[Row]:
        country = ("US", "GB", "DE", "AT")[number % 4 if number < 1_000 else number % 3]
        language = "en" if country in {"US", "GB"} else "de"
        site = {"US": "com", "GB": "uk", "DE": "de", "AT": "at"}[country]
        given = {"country": country, "language": language, "site": site, "tier": str(number // 4 % 2)}
        return [{"key": key, "value": value} for key, value in given.items()]

    rows = [
        request(number, version="1.0.0" if number < 1_000 else "1.1.0", segments=segments(number))
        for number in range(2_000)
    ]
    own_store.commit(Feed().batch(rows))
    found = read(own_store, VERSIONS)
    assert found.cells.traffic == ("country", "tier")
    assert set(found.not_told_apart) == {
        "site: country tells the same apart",
        "language: country tells the same apart",
    }


def test_many_mixes_become_one_other(own_store: Store) -> None:
    def segments(number: int) -> list[Row]:
        return [
            {"key": key, "value": str(number // step % 12)} for key, step in (("p", 1), ("q", 12), ("r", 144))
        ]

    rows = [
        request(number, version=("1.0.0", "1.1.0")[number // 7 % 2], segments=segments(number))
        for number in range(3_000)
    ]
    own_store.commit(Feed().batch(rows))
    cells = read(own_store, replace(VERSIONS, segments=("p", "q", "r"))).cells
    assert len(cells.mixes) == MOST_MIXES
    assert cells.mixes[-1] == ("(other)",) * 3
    assert cells.x.sum() == 3_000


def test_a_side_with_nothing_is_named(store: Store) -> None:
    def nothing(question: Question) -> NoEvidence:
        with store.cursor() as cursor:
            found = evidence(cursor, question)
        assert isinstance(found, NoEvidence)
        return found

    assert nothing(replace(VERSIONS, b=Side("9.9.9"))) == NoEvidence(of_b=True, has_requests=False)
    assert nothing(replace(VERSIONS, cells="absent")) == NoEvidence(of_b=False, has_requests=True)


def test_questions_without_sense_are_refused(store: Store) -> None:
    with pytest.raises(InvalidParameter, match="overlap"):
        replace(TIMES, a=Side(None, START, NOON + timedelta(minutes=1)))
    with pytest.raises(InvalidParameter, match="is not a period"):
        replace(TIMES, a=Side(None, NOON, START))
    with store.cursor() as cursor, pytest.raises(InvalidParameter, match="not a property of a request"):
        evidence(cursor, replace(VERSIONS, cells="requests"))


def test_names_are_only_names(own_store: Store) -> None:
    odd = "it's;\n DROP TABLE requests -- {x} $prompt"
    rows = [
        request(
            number,
            prompt=odd,
            version=("a'", "b'")[number % 2],
            segments=[{"key": odd, "value": ("'", "{}")[number % 3 == 0]}],
            metrics=[{"key": odd, "value": 0.5}],
        )
        for number in range(100)
    ]
    own_store.commit(Feed().batch(rows))
    question = Question(
        prompt=odd, cells=odd, a=Side("a'"), b=Side("b'"), environment="prod", segments=(odd,)
    )
    found = read(own_store, question)
    assert found.cells.mixes == (("'",), ("{}",))
    assert found.cells.y.sum() == 50
    assert found.sample.rows.num_rows == 100

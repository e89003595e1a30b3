from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coalmine_evals.datasets.case import read_case
from coalmine_evals.datasets.diff import diff_of
from coalmine_evals.datasets.jsonl import digest_of
from coalmine_evals.datasets.storage import (
    cases_of,
    dataset_history,
    find_dataset,
    forget_requests,
    list_datasets,
    page_of_cases,
    put_dataset,
    source_of,
)
from coalmine_evals.results.datasets import Case, ChangedCase
from coalmine_evals.storage.open import open_database
from coalmine_registry.errors import Invalid, NotFound
from coalmine_registry.storage.database import Database

NOW = datetime(2026, 11, 1, tzinfo=UTC)
REQUEST = "0190b5c0-0000-7000-8000-000000000001"


def case(id_: str, **values: object) -> Case:
    return read_case({"id": id_, "variables": {"q": id_}, **values})


ONE = [case("a", capabilities=["x", "y"], must_pass=True), case("b", cluster="a", capabilities=["x"])]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "evals.db")
    yield database
    database.close()


def test_a_name_stands_for_the_newest_cases_and_the_others_stay(database: Database) -> None:
    first = put_dataset(database, "refunds", ONE, actor="ann", now=NOW)
    assert (first.cases, first.clusters, first.must_pass) == (2, 1, 1)
    assert first.capabilities == {"x": 2, "y": 1}
    assert first.digest == digest_of(ONE)
    assert put_dataset(database, "refunds", ONE, actor="bob", now=NOW) == first
    second = put_dataset(database, "refunds", ONE[:1], actor="bob", now=NOW)
    put_dataset(database, "another", ONE[:1], actor="bob", now=NOW)
    assert find_dataset(database, "refunds") == second
    assert find_dataset(database, "refunds", first.digest[:8]) == first
    assert dataset_history(database, "refunds").items == [second, first]
    assert [each.name for each in list_datasets(database).items] == ["another", "refunds"]
    assert cases_of(database, first.digest) == ONE
    back = put_dataset(database, "refunds", ONE, actor="ann", now=NOW)
    assert find_dataset(database, "refunds") == back
    assert len(dataset_history(database, "refunds").items) == 3


def test_lists_come_in_pages(database: Database) -> None:
    for name in "abc":
        put_dataset(database, name, [case(str(at)) for at in range(5)], actor="ann", now=NOW)
    first = list_datasets(database, limit=2)
    assert [each.name for each in first.items] == ["a", "b"]
    assert [each.name for each in list_datasets(database, limit=2, cursor=first.next_cursor).items] == ["c"]
    digest = first.items[0].digest
    cases = page_of_cases(database, digest, limit=3)
    assert [each.id for each in cases.items] == ["0", "1", "2"]
    assert [each.id for each in page_of_cases(database, digest, cursor=cases.next_cursor).items] == ["3", "4"]


def test_what_is_not_there_is_told_with_what_is_near(database: Database) -> None:
    put_dataset(database, "refunds", ONE, actor="ann", now=NOW)
    with pytest.raises(NotFound, match="did you mean refunds"):
        find_dataset(database, "refnds")
    with pytest.raises(NotFound, match="never held"):
        find_dataset(database, "refunds", "0" * 64)
    for digest in ("abc", "0" * 8 + "%", "ABCDEF12"):
        with pytest.raises(Invalid, match="hexadecimal"):
            find_dataset(database, "refunds", digest)
    with pytest.raises(Invalid, match="of its own"):
        put_dataset(database, "refunds", [*ONE, case("a")], actor="ann", now=NOW)
    with pytest.raises(Invalid, match="one at least"):
        put_dataset(database, "refunds", [], actor="ann", now=NOW)


def test_a_forgotten_request_is_in_no_dataset_any_more(database: Database) -> None:
    cases = [*ONE, case("r", source=source_of(REQUEST))]
    dataset = put_dataset(database, "refunds", cases, actor="ann", now=NOW)
    assert forget_requests(database, [REQUEST]) == 1
    assert forget_requests(database, [REQUEST]) == 0
    assert cases_of(database, dataset.digest) == ONE
    assert find_dataset(database, "refunds").forgotten == 1


def test_a_difference_names_cases_and_fields() -> None:
    before = [*ONE, case("gone")]
    after = [replace(ONE[0], expected="now", must_pass=False), ONE[1], case("new")]
    found = diff_of("refunds", ("1", before), ("2", after))
    assert (found.added, found.removed, found.unchanged) == (("new",), ("gone",), 1)
    assert found.changed == (ChangedCase("a", ("expected", "must_pass")),)

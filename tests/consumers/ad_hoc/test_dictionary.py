"""The data dictionary has every table and column of the code, each with a meaning."""

import re

import pytest

from coalmine_consumers.ad_hoc.dictionary import data_dictionary
from coalmine_consumers.ad_hoc.meanings import GRAINS, MEANINGS
from coalmine_consumers.ad_hoc.tables import TABLES, TEXTS, UNITS
from tests.support.oracles.empty_tables import empty_tables
from tests.support.repository.tree import ROOT


def test_the_file_in_docs_is_what_the_code_says() -> None:
    shipped = (ROOT / "docs" / "data-dictionary.md").read_text(encoding="utf-8")
    assert shipped == data_dictionary(), "events or tables have changed: run `make dictionary`"


def test_nothing_is_explained_that_is_not_there() -> None:
    assert set(GRAINS) == set(TABLES)
    with empty_tables() as connection:
        for table, meanings in MEANINGS.items():
            assert set(meanings) == set(connection.table(table).columns), table


@pytest.mark.parametrize("table", TABLES)
def test_each_column_has_a_type_and_a_meaning(table: str) -> None:
    (section,) = re.findall(rf"^## {table}\n(.*?)(?=^## |\Z)", data_dictionary(), re.MULTILINE | re.DOTALL)
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    assert rows
    for name, kind, meaning in rows:
        assert name and kind and len(meaning) > 5


def test_what_is_private_is_marked() -> None:
    text = data_dictionary()
    for name in TEXTS:
        assert re.search(rf"^\| `{name}` \|.*\*text\* \|$", text, re.MULTILINE), name
    for name in UNITS:
        assert re.search(rf"^\| `{name}` \|.*\*unit\* \|$", text, re.MULTILINE), name

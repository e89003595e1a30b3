from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coalmine_evals.datasets.jsonl import digest_of, read_cases
from coalmine_evals.datasets.storage import put_dataset
from coalmine_evals.storage.open import open_database
from coalmine_evals.suites.cases import cases_beside, cases_kept
from coalmine_evals.suites.markdown import markdown_of
from coalmine_evals.suites.read import read_suite, suite_of
from coalmine_evals.suites.storage import find_suite, list_suites, put_suite, suites_of
from coalmine_evals.suites.suite import SuiteMetric
from coalmine_registry.errors import Invalid, NotFound
from coalmine_schemas.mistakes import InvalidFile

NOW = datetime(2026, 11, 1, tzinfo=UTC)
FULL = """
description: Refunds are answered kindly | and rightly.
prompt: support-refund
dataset: refund-cases
file: refund-cases.jsonl
repeats: 3
capabilities: [refunds, german]
unscored_limit: 1%
model: gpt-4o-mini-2024-07-18
metrics:
  correct:
    description: The answer says what the order says.
    scorer: key_facts
    settings: {facts: [14 days]}
    margin: 3%
    right_from: 0.8
  kind: {scorer: llm_judge, role: advisory}
  short: length_ratio
"""
CASES = """
{"id": "a", "variables": {"q": "`x` | y"}, "expected": "z", "capabilities": ["refunds"], "must_pass": true}
{"id": "b", "variables": {"q": "2"}, "capabilities": ["german"], "cluster": "a"}
{"id": "c", "variables": {"q": "3"}, "split": "dev"}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "refund-cases.jsonl").write_text(CASES)
    (tmp_path / "refunds.yaml").write_text(FULL)
    return tmp_path / "refunds.yaml"


def test_a_suite_has_what_its_file_says_and_defaults_for_the_rest(path: Path) -> None:
    suite = read_suite(path)
    assert (suite.name, suite.prompt, suite.split, suite.repeats) == ("refunds", "support-refund", "test", 3)
    assert (suite.unscored_limit, suite.provider, suite.dataset_digest) == (0.01, None, None)
    assert suite.metrics[0] == SuiteMetric(
        name="correct",
        description="The answer says what the order says.",
        scorer="key_facts",
        settings={"facts": ["14 days"]},
        margin=0.03,
        role="must",
        right_from=0.8,
    )
    assert [each.role for each in suite.metrics] == ["must", "advisory", "must"]
    assert suite.metrics[2].scorer == "length_ratio"


def test_a_suite_reads_back_from_its_json_with_the_same_digest(path: Path) -> None:
    suite = read_suite(path)
    assert suite_of(suite.name, suite.to_json(), "x") == suite
    for other in (
        replace(suite, repeats=2),
        replace(suite, name="other"),
        replace(suite, metrics=suite.metrics[:2]),
    ):
        assert other.digest() != suite.digest()


def test_every_mistake_in_a_suite_is_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        """
prompt: Support
dataste: x
dataset_digest: abc
file: ../cases.jsonl
split: tests
repeats: 0
unscored_limit: 200%
metrics:
  "1st": exact
  correct: {scorer: exact, margn: 1}
  tone: {scorer: llm_judge, role: musty, margin: 3}
"""
    )
    with pytest.raises(InvalidFile) as raised:
        read_suite(path)
    text = str(raised.value)
    for expected in (
        "a key is 'dataste': did you mean dataset?",
        "prompt is 'Support'",
        "dataset is None",
        "dataset_digest is 'abc'",
        "file is '../cases.jsonl'",
        "split is 'tests': did you mean test?",
        "repeats is 0",
        "unscored_limit is '200%'",
        "a key of metrics is '1st'",
        "a key of metrics.correct is 'margn': did you mean margin?",
        "metrics.tone.margin is 3",
    ):
        assert f"bad.yaml: {expected}" in text


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ("{}", "metrics is '0 of them'"),
        ("{a: {scorer: exact, role: advisory}}", "let one decide"),
        ("[exact]", "give a mapping"),
        ("{a: {margin: 1%}}", "metrics.a.scorer is None"),
    ],
)
def test_a_suite_needs_a_metric_that_decides(tmp_path: Path, metrics: str, told: str) -> None:
    (tmp_path / "s.yaml").write_text(f"prompt: p\ndataset: d\nmetrics: {metrics}\n")
    with pytest.raises(InvalidFile, match=told):
        read_suite(tmp_path / "s.yaml")


def test_a_suite_that_is_no_yaml_is_named_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("a: [")
    with pytest.raises(InvalidFile, match=r"s\.yaml is .line 1"):
        read_suite(tmp_path / "s.yaml")
    with pytest.raises(InvalidFile, match="cannot be read"):
        read_suite(tmp_path / "none.yaml")


def test_the_cases_beside_a_suite_are_those_it_names(path: Path) -> None:
    found = cases_beside(read_suite(path), path)
    assert [each.id for each in found.chosen] == ["a", "b"]
    assert len(found.every) == 3
    digest = digest_of(read_cases(path.parent / "refund-cases.jsonl"))
    assert found.suite.dataset_digest == digest
    assert cases_beside(found.suite, path) == found
    with pytest.raises(InvalidFile, match=f"refund-cases.jsonl has {digest}"):
        cases_beside(replace(found.suite, dataset_digest="0" * 64), path)
    with pytest.raises(InvalidFile, match="capabilities has 'polish', which no case names: they name german"):
        cases_beside(replace(found.suite, capabilities=("polish",)), path)


def test_a_pushed_suite_is_found_by_name_prompt_and_digest_and_needs_its_cases(path: Path) -> None:
    database = open_database(path.parent / "evals.db")
    found = cases_beside(read_suite(path), path)
    with pytest.raises(NotFound, match="no dataset refund-cases"):
        put_suite(database, found.suite, actor="ann", now=NOW)
    put_dataset(database, "refund-cases", found.every, actor="ann", now=NOW)
    with pytest.raises(Invalid, match="dataset_digest"):
        put_suite(database, read_suite(path), actor="ann", now=NOW)
    first = put_suite(database, found.suite, actor="ann", now=NOW)
    assert put_suite(database, found.suite, actor="bob", now=NOW) == first
    second = put_suite(database, replace(found.suite, repeats=1), actor="bob", now=NOW)
    assert find_suite(database, "refunds") == second
    assert find_suite(database, "refunds", first.digest) == first
    assert list_suites(database).items == [second]
    assert suites_of(database, "support-refund") == [second]
    assert suites_of(database, "other") == []
    assert cases_kept(second.suite, database).chosen == found.chosen
    with pytest.raises(NotFound, match="did you mean refunds"):
        find_suite(database, "refund")
    database.close()


def test_the_page_of_a_suite_says_what_good_means(path: Path) -> None:
    found = cases_beside(read_suite(path), path)
    page = markdown_of(found.suite, found.every)
    assert "# What good means for `support-refund`" in page
    assert "Refunds are answered kindly \\| and rightly." in page
    assert "| correct | The answer says what the order says. | `key_facts` `{" in page
    assert "| 3 points of 100 | yes |" in page
    assert "| 5 points of 100 | no: it is shown |" in page
    assert "2 cases count, in 1 groups that are independent." in page
    assert "| refunds | 1 |" in page
    assert '## Must always be right\n\n* a: `{"q": "\'x\' ¦ y"}` → `"z"`' in page
    assert markdown_of(found.suite).startswith("# What good means")

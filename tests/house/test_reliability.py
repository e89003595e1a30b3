"""docs/reliability.md says of each promise what became of its tests, and never more than that."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.reliability.page import MARKS, README, judge, page, summary, write
from tests.support.reliability.promises import PROMISES, Promise
from tests.support.reliability.results import Case, read_results
from tests.support.repository.tree import ROOT

FULL = Case("tests/a.py::test_it[1]", "passed", "", 2.0, True, "3 times", "17", "2026-01-02")
PROMISE = Promise("Nothing is lost.", "everything", ("tests/a.py::test_it", "tests/b.py::test_other"))
OTHER = replace(FULL, test="tests/b.py::test_other", tried="")


def test_a_promise_is_kept_if_each_of_its_tests_was_run_in_full_and_passed() -> None:
    row = judge(PROMISE, [FULL, OTHER])
    assert (row.verdict, row.why, row.tried, row.duration_s) == ("kept", "", "everything; 3 times", 4.0)


@pytest.mark.parametrize(
    ("cases", "why"),
    [
        ([], "`test_it`, `test_other`"),
        ([FULL], "`test_other`"),
        ([FULL, replace(OTHER, full=False)], "`test_other`"),
        (
            [FULL, replace(OTHER, outcome="skipped", reason="no root: mount: /tmp/a | b")],
            "`test_other`: no root: mount: …   b",
        ),
        ([FULL, replace(OTHER, test="tests/b.py::test_other_thing")], "`test_other`"),
    ],
    ids=["nothing", "one", "reduced", "skipped", "another"],
)
def test_a_promise_whose_test_was_not_run_in_full_is_not_run(cases: list[Case], why: str) -> None:
    row = judge(PROMISE, cases)
    assert (row.verdict, row.why) == ("not run", why)
    assert row.tried.startswith("in part: everything" if cases else "nothing")


@pytest.mark.parametrize("full", [True, False])
def test_a_promise_is_broken_by_one_failure_in_whatever_form(full: bool) -> None:
    failed = replace(FULL, test="tests/a.py::test_it[2]", outcome="failed", full=full)
    row = judge(PROMISE, [FULL, OTHER, failed])
    assert (row.verdict, row.why) == ("broken", "`test_it`")


def test_an_example_stands_for_itself_and_a_name_for_all_examples() -> None:
    assert FULL.is_of("tests/a.py::test_it")
    assert FULL.is_of("tests/a.py::test_it[1]")
    assert not FULL.is_of("tests/a.py::test_it[2]")
    runs = [FULL, replace(FULL, test="tests/a.py::test_it[2]")]
    assert "2 runs of `test_it`" in judge(PROMISE, runs).tried


def test_the_page_has_date_machine_seed_and_a_row_for_each_promise() -> None:
    text = page([judge(PROMISE, [FULL, OTHER])], [FULL, OTHER])
    assert "2026-01-02; " in text
    assert " GiB of memory, " in text
    assert "seed 17." in text
    assert "| Nothing is lost. | everything; 3 times | **kept** | 4 |" in text


def test_the_readme_quotes_how_many_were_kept(tmp_path: Path) -> None:
    rows = [judge(PROMISE, cases) for cases in ([FULL, OTHER], [FULL], [])]
    told = "The last campaign (2026-01-02): of 3 promises 1 were kept, 0 broken, 2 not run."
    assert summary(rows, [FULL, OTHER]) == told
    readme, to = tmp_path / "README.md", tmp_path / "page.md"
    shutil.copy(README, readme)
    for _ in range(2):
        write(tmp_path / "nothing", to, readme)
        assert "**kept**" not in to.read_text()
        text = readme.read_text()
        assert f"promises 0 were kept, 0 broken, {len(PROMISES)} not run.\n{MARKS[1]}" in text
        assert len(text.splitlines()) == len(README.read_text().splitlines())


def test_results_are_read_from_what_pytest_writes(tmp_path: Path) -> None:
    # A conftest stands for ours: it says in which form tests were run.
    (tmp_path / "conftest.py").write_text(
        "def pytest_runtest_setup(item):\n    item.user_properties += [('form', 'full'), ('seed', '5')]\n"
    )
    (tmp_path / "test_a.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('x', ['100-kills'])\n"
        "def test_good(x, record_property): record_property('tried', 'twice')\n"
        "def test_bad(): assert False\n"
        "def test_skipped(): pytest.skip('no root')\n"
        "@pytest.fixture\n"
        "def broken(): raise OSError\n"
        "def test_error(broken): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "junit_family=xunit1"]
    subprocess.run(
        [*command, "--rootdir=.", "--junitxml=results/a.xml", "test_a.py"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
    )
    found = {case.test.partition("::")[2]: case for case in read_results(tmp_path / "results")}
    assert {name: case.outcome for name, case in found.items()} == {
        "test_good[100-kills]": "passed",
        "test_bad": "failed",
        "test_skipped": "skipped",
        "test_error": "failed",
    }
    good = found["test_good[100-kills]"]
    assert (good.test, good.full, good.tried, good.seed) == (
        "test_a.py::test_good[100-kills]",
        True,
        "twice",
        "5",
    )
    assert len(good.day) == 10
    assert found["test_skipped"].reason == "no root"


def test_promises_name_tests_that_exist() -> None:
    for promise in PROMISES:
        for name in promise.tests:
            path, _, test = name.partition("::")
            source = (ROOT / path).read_text(encoding="utf-8")
            assert f"def {test.partition('[')[0]}(" in source, name

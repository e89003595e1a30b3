from xml.etree import ElementTree

import numpy as np
import pytest

from coalmine_evals.gate import judge
from coalmine_evals.gate.exit_codes import UndecidedAs
from coalmine_evals.records import GateInput
from coalmine_evals.reports import junit
from tests.support.evals.scores import case, cases, metric, right


def test_harm_is_a_failure_and_so_is_each_case_that_must_pass() -> None:
    listed = [case("a\x00\uffff<b>", must_pass=True), *cases(200)]
    new = right(100, 201)
    new[0] = 0
    xml = junit(judge(GateInput(listed, [metric(new, np.ones(201))])), name="refunds")
    suite = ElementTree.fromstring(xml).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "2", "0")
    assert [each.get("classname") for each in suite.findall("testcase")] == ["gate", "must pass"]


@pytest.mark.parametrize(
    ("undecided", "skipped", "failures"), [(None, "1", "0"), ("pass", "0", "0"), ("fail", "0", "1")]
)
def test_undecided_is_what_the_caller_says(
    undecided: UndecidedAs | None, skipped: str, failures: str
) -> None:
    report = judge(GateInput(cases(10), [metric(right(5, 10), right(6, 10))]))
    suite = ElementTree.fromstring(junit(report, name="x", undecided=undecided)).find("testsuite")
    assert suite is not None
    assert (suite.get("skipped"), suite.get("failures")) == (skipped, failures)


def test_an_invalid_run_is_an_error() -> None:
    report = judge(GateInput(cases(10), [metric(np.full(10, np.nan), np.ones(10))]))
    suite = ElementTree.fromstring(junit(report, name="x")).find("testsuite")
    assert suite is not None
    assert suite.get("errors") == "1"

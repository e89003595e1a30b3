"""What became of the tests of a campaign, from the files that pytest writes with `--junitxml`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

Outcome = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Case:
    """One run of one test."""

    test: str
    """As pytest names it, with the example in brackets: `tests/torture/test_kills.py::test_it[100-kills]`."""
    outcome: Outcome
    reason: str
    """Why it was skipped; else empty."""
    duration_s: float
    full: bool
    """Whether it was run in its full form."""
    tried: str
    """What it says of the sizes it was run with; empty if it says nothing."""
    seed: str
    day: str
    """On which it began, ISO 8601."""

    def is_of(self, named: str) -> bool:
        """Whether a name stands for it: with an example for that one alone, without for all of them."""
        return named in {self.test, self.test.partition("[")[0]}


def read_results(directory: Path) -> list[Case]:
    """All runs that the files of a directory tell of.

    Args:
        directory: Holds `*.xml` in the family `xunit1`; one that does not exist holds none.
    """
    return [case for path in sorted(directory.glob("*.xml")) for case in _cases(path)]


def _cases(path: Path) -> Iterator[Case]:
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):
        day = suite.get("timestamp", "")[:10]
        for case in suite.iter("testcase"):
            told = {each.get("name", ""): each.get("value", "") for each in case.iter("property")}
            skipped = case.find("skipped")
            failed = case.find("failure") is not None or case.find("error") is not None
            module = case.get("classname", "").replace(".", "/")
            yield Case(
                test=f"{module}.py::{case.get('name')}",
                outcome="failed" if failed else "passed" if skipped is None else "skipped",
                reason="" if skipped is None else skipped.get("message", ""),
                duration_s=float(case.get("time", "0")),
                full=told.get("form") == "full",
                tried=told.get("tried", ""),
                seed=told.get("seed", ""),
                day=day,
            )

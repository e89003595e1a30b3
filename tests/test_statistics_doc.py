"""The page of promises says what the calibration has measured."""

import json
import re

import pytest

from tests.support.repository.tree import ROOT

PAGE = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
CELLS = json.loads((ROOT / "docs" / "calibration.json").read_text(encoding="utf-8"))
_BEYOND = re.findall(
    r"\| two-sided \| (\S+) \| \S+ \| <= 0.05 \| does not hold",
    (ROOT / "docs" / "calibration.md").read_text(encoding="utf-8"),
)


def rates(method: str) -> list[float]:
    found = [cell["rate"] for cell in CELLS if cell["method"] == method]
    assert found, method
    return found


@pytest.mark.parametrize(
    ("says", "measured"),
    [
        (r"two-sided tests erred in (\S+) of simulated experiments at most", max(rates("two-sided"))),
        (r"\| in (\S+) to \S+ of them \|", min(rates("t-test at every look"))),
        (r"\| in \S+ to (\S+) of them \|", max(rates("t-test at every look"))),
        (r"calibration.md\): at most (\S+) \|", max(rates("acceptable"))),
        (r"calibration.md\): (\S+) at most; the shortcut", max(rates("sample ratio"))),
        (r"at most; the shortcut (\S+) and more", min(rates("chi-squared at every look"))),
        (r"count requests erred in (\S+) and more", min(rates("variance over requests"))),
        (r"missed a tail that mattered in (\S+) of the cases", max(rates("capped mean alone"))),
        (r"erred in up to (\S+) of simulated experiments\. Caps", max(map(float, _BEYOND))),
    ],
)
def test_a_figure_is_that_of_the_calibration(says: str, measured: float) -> None:
    (shown,) = re.findall(says, " ".join(PAGE.split()))
    assert float(shown) == pytest.approx(measured, abs=0.0101), "renew docs/statistics.md"


def test_what_is_counted_of_rollouts_stands_on_their_page() -> None:
    rollouts = (ROOT / "docs" / "rollouts.md").read_text(encoding="utf-8")
    assert "| equal | 111 | 0 (at most 2.7 %" in rollouts
    assert "0 of 111" in PAGE
    assert re.search(r"\| quality -5 % \| 100 \| 100 \| \S+ \| 300, ", rollouts)
    assert re.search(r"\| cost \+20 % \| 100 \| 100 \| \S+ \| 2,860, ", rollouts)
    assert "after 300 requests" in PAGE
    assert "after 2,860" in PAGE

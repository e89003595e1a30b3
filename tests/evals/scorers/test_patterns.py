"""Regular expressions of strangers."""

import resource

import pytest

from coalmine_evals.scorers.patterns import TookTooLong, pattern_of
from tests.support.scoring import score


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (r"(a|aa)+$", "a" * 60 + "b"),
        (r"^(.*?)\1+$", "ab" * 20_000 + "c"),
        (r"(x+x+)+(?:y|\1z)$", "x" * 5_000),
    ],
)
def test_a_pattern_that_takes_too_long_is_given_up_and_after_three_answers_not_tried(
    source: str, text: str
) -> None:
    before = _cpu_s()
    pattern = pattern_of(source, "pattern")
    for _ in range(1_000):
        with pytest.raises(TookTooLong, match="took too long"):
            pattern.search(text)
    # Three answers take about a second each; a thousand would take many minutes.
    assert _cpu_s() - before < 60


def test_an_answer_on_which_a_pattern_takes_too_long_has_no_score() -> None:
    found = score("regex", "a" * 60 + "b", pattern=r"(?:a|aa)+$")
    assert found.value is None
    assert "took too long" in str(found.details["unscored"])
    assert score("must_never", "a" * 60 + "c", patterns=[r"(b|a|aa)+$"], phrases=["x"]).value is None

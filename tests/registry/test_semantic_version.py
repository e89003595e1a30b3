import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_registry.semantic_version import baseline, newest_first, step_between
from coalmine_schemas.prompts.errors import InvalidPrompt

# From https://semver.org/spec/v2.0.0.html, point 11, and around it.
_ASCENDING = [
    "0.9.0",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.9.0",
    "1.10.0-rc.1",
    "1.10.0",
    "2.0.0",
    "10.0.0",
]


@given(st.permutations(_ASCENDING))
def test_versions_rank_by_precedence_and_not_as_strings(shuffled: list[str]) -> None:
    assert newest_first(shuffled) == _ASCENDING[::-1]


def test_what_is_no_version_is_refused() -> None:
    with pytest.raises(InvalidPrompt):
        newest_first(["1.0", "1.0.0"])


@pytest.mark.parametrize(
    ("version", "others", "expected"),
    [
        ("1.0.0", [], None),
        ("1.10.0", ["1.9.0", "1.2.0", "2.0.0"], "1.9.0"),
        ("1.2.1", ["1.2.0", "1.3.0", "2.0.0"], "1.2.0"),
        ("0.1.0", ["1.0.0"], None),
        ("2.0.0", ["1.9.0", "2.0.0-rc.1"], "1.9.0"),
        ("2.0.0-rc.2", ["1.9.0", "2.0.0-rc.1"], "1.9.0"),
        ("2.0.1", ["1.9.0", "2.0.0-rc.1"], "2.0.0-rc.1"),
        ("1.0.0", ["1.0.0-rc.1"], None),
    ],
)
def test_a_version_is_compared_with_the_highest_below_it(
    version: str, others: list[str], expected: str | None
) -> None:
    assert baseline(version, others) == expected


@pytest.mark.parametrize(
    ("previous", "version", "step"),
    [
        ("1.9.0", "1.10.0", "minor"),
        ("1.9.0", "1.9.1", "patch"),
        ("1.9.5", "2.0.0", "major"),
        ("1.9.5", "3.1.4", "major"),
        ("2.0.0-rc.1", "2.0.1", "patch"),
        ("1.9.0", "2.0.0-rc.1", "major"),
    ],
)
def test_a_step_is_the_first_number_that_grew(previous: str, version: str, step: str) -> None:
    assert step_between(previous, version) == step

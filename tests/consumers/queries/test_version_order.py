import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_consumers.queries import version_key

NINES = "9" * 5000
# semver.org, item 11, and around it.
ORDERED = [
    "0.9.10",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.9.0",
    "1.10.0",
    "2.0.0",
    "10.0.0",
    "01.0.0",
    "1.0",
    "2024-01-01",
    "latest",
    "v1.0.0",
]


@pytest.mark.parametrize(
    "odd", [f"{NINES}.0.0", f"1.0.0-{NINES}", f"1.0.0+{NINES}", NINES, "\0", "\u0663.0.0"]
)
def test_no_version_there_may_be_stops_the_ordering(odd: str) -> None:
    names = [*ORDERED, odd, f"{odd}1"]
    backwards = names[::-1]
    assert sorted(backwards, key=version_key) == sorted(names, key=version_key)


def test_versions_are_ordered_by_precedence_and_others_by_text_after_them() -> None:
    assert sorted(sorted(ORDERED), key=version_key) == ORDERED


@given(st.lists(st.text() | st.from_regex(r"[0-9]{1,3}\.[0-9]\.[0-9](-[0-9a-z.-]{1,5})?", fullmatch=True)))
def test_any_texts_can_be_ordered(names: list[str]) -> None:
    backwards = names[::-1]
    assert sorted(backwards, key=version_key) == sorted(names, key=version_key)

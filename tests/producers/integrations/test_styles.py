"""Every way to call a model by its library leaves one right event, however the call ends."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.styles.check import Bench, bench, faults
from tests.support.styles.libraries import all_styles
from tests.support.styles.style import Style

STYLES = all_styles()


@pytest.fixture(scope="module")
def on() -> Iterator[Bench]:
    with bench() as running:
        yield running


@pytest.mark.filterwarnings("ignore")  # of the libraries
@pytest.mark.parametrize("style", STYLES, ids=[f"{each.library}: {each.name}" for each in STYLES])
def test_a_call_leaves_one_right_event(style: Style, on: Bench, tmp_path: Path) -> None:
    """Answered, cut, refused, failed, broken off, closed early, retried."""
    found = faults(style, on, tmp_path)
    gc.collect()  # what a library leaves open is told here, and not in a later test
    assert found == {}

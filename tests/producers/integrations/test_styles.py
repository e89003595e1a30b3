"""Every way to call a model by its library leaves one right event, however the call ends."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.styles.check import Bench, bench, faults
from tests.support.styles.libraries import PACKAGES, is_installed, styles_of


@pytest.fixture(scope="module")
def on() -> Iterator[Bench]:
    with bench() as running:
        yield running


@pytest.mark.filterwarnings("ignore")  # of the libraries
@pytest.mark.parametrize("library", PACKAGES)
def test_a_call_leaves_one_right_event(library: str, on: Bench, tmp_path: Path) -> None:
    """Answered, cut, refused, failed, broken off, closed early, retried.

    A library is imported by its test, and not where tests are collected: each process collects them all.
    """
    if not is_installed(library):
        pytest.skip(f"{library} is not installed")
    found = {}
    for number, style in enumerate(styles_of(library)):
        # Dropped streams are looked for after each call: not among the library's own objects each time.
        gc.collect()
        gc.freeze()
        if wrong := faults(style, on, tmp_path / str(number)):
            found[style.name] = wrong
    gc.collect()  # what a library leaves open is told here, and not in a later test
    gc.freeze()  # and no later collection looks through what was imported
    assert found == {}
